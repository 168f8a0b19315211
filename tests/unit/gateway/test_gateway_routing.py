from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rung.errors import CallError
from rung.gateway import Backend, Gateway, Production, Routing, Shadow, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

M2 = Backend(revision="housing.v1.m2", endpoints=("unix:/run/m2.sock",))
M3 = Backend(revision="housing.v1.m3", endpoints=("127.0.0.1:9000", "[::1]:9000"))
SPLIT = Split(experiment="e1", challenger="housing.v1.m3", share=0.5)


def production(**changes: Any):
    return Production(**{"service": "housing", "major": 1, "incumbent": "housing.v1.m2", **changes})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Backend(revision="housing.m2", endpoints=("unix:/a",)), "not a revision"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=()), "no endpoint"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a", "unix:/a")), "twice"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:a.sock",)), "not absolute"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/" + "x" * 107,)), "108 bytes"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("localhost:80",)), "IP address"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("127.0.0.1:99999",)), "no port"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a",), timeout_s=0), "timeout"),
        (lambda: Backend(revision="housing.v1.m2", endpoints=("unix:/a",), timeout_s=float("nan")), "timeout"),
        (lambda: Split(experiment="a b", challenger="housing.v1.m3", share=0.5), "id of an experiment"),
        (lambda: Split(experiment="e1", challenger="housing.v1.m3", share=1.1), "share"),
        (lambda: Shadow(revision="housing.v1.m3", share=float("nan")), "share"),
        (lambda: production(service="Housing"), "name of a service"),
        (lambda: production(unit_header="X-Unit"), "unit header"),
        (lambda: production(unit_header="x-rung-unit"), "unit header"),
        (lambda: production(incumbent=None, split=SPLIT), "no incumbent"),
        (lambda: production(incumbent="housing.v1.m3", split=SPLIT), "itself"),
        (lambda: production(incumbent="housing.v2.m2"), "not a revision of housing.v1"),
        (lambda: Routing(backends=(M2, M2)), "more than once"),
        (lambda: Routing(backends=(M2,), productions=(production(), production())), "more than once"),
        (lambda: Routing(backends=(M2,), productions=(production(split=SPLIT),)), "no backend"),
        (lambda: Routing(outcomes="collector:80"), "IP address"),
    ],
)
def test_impossible_values_are_refused(make: Callable[[], object], says: str):
    with pytest.raises(CallError, match=says):
        make()


def test_gateway_refuses_a_deep_folder(tmp_path: Path):
    with pytest.raises(CallError, match="shorter folder"):
        Gateway(folder=tmp_path / ("x" * 100), port=8080)


def test_production_names_who_gets_requests():
    shadowed = production(split=SPLIT, shadow=Shadow(revision="housing.v1.m4", share=0.1))
    assert shadowed.answering == ("housing.v1.m2", "housing.v1.m3")
    assert shadowed.revisions == ("housing.v1.m2", "housing.v1.m3", "housing.v1.m4")
    assert production(incumbent=None).answering == ()


def test_possible_values_are_taken():
    routing = Routing(backends=(M2, M3), productions=(production(split=SPLIT),), outcomes="unix:/run/collector.sock")
    assert routing.backend("housing.v1.m3") is M3
