from __future__ import annotations

from typing import Any

import pytest

from rung.errors import CallError
from rung.gateway import (
    Backend,
    Consumer,
    Limits,
    Production,
    Rate,
    Routing,
    Shadow,
    Split,
    from_json,
    to_json,
)

LIMITS = Limits(bodies=(("predict", 7),), rates=(("predict", Rate(requests_per_s=2.5, burst=3)),))
ROUTING = Routing(
    backends=(
        Backend(revision="housing.v1.m2", endpoints=("unix:/run/m2.sock",), limits=LIMITS),
        Backend(revision="housing.v1.m3", endpoints=("10.0.0.1:9000", "[::1]:9"), timeout_s=2.5, idempotent=False),
    ),
    productions=(
        Production(
            service="housing",
            major=1,
            incumbent="housing.v1.m2",
            split=Split.ab(experiment="e1", challenger="housing.v1.m3", share=0.1),
            shadows=(Shadow(revision="housing.v1.m3", share=0.5),),
        ),
    ),
    outcomes="unix:/run/collector.sock",
    guarded=("housing",),
    consumers=(Consumer(name="shop", digest="0" * 64, service="housing"),),
)


def test_everything_is_in_the_document():
    assert from_json(to_json(ROUTING)) == ROUTING


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sticky": True}, "says what this version of Rung does not know"),
        ({"backends": 3}, "this is no routing: backends"),
        ({"productions": [{"service": "housing", "major": 1, "incumbent": "housing.v1.m9"}]}, "has no backend"),
    ],
    ids=["from a newer Rung", "of another shape", "contradicts itself"],
)
def test_what_cannot_be_routed_is_refused(change: dict[str, Any], told: str):
    with pytest.raises(CallError, match=told):
        from_json({**to_json(ROUTING), **change})
