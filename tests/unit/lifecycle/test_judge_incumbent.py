"""When a new incumbent hands over to its predecessor again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rung.lifecycle import IncumbentFacts, Kept, Requests, judge_incumbent
from rung.schema import Limits

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HEALTHY = Requests(requests=600, errors=1, slow=6)


def kept(difference: float) -> Kept:
    return Kept(
        name="complaints", margin=0.02, difference=difference, standard_error=0.004, told="is 0.08; it was 0.03"
    )


def judged(**facts: Any) -> str | None:
    given: dict[str, Any] = {
        "down_since": None,
        "patience": timedelta(seconds=60),
        "periods": [HEALTHY] * 10,
        "before": Requests(requests=36_000, errors=60, slow=360),
    }
    return judge_incumbent(Limits(), IncumbentFacts(**given | facts), NOW)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="like its predecessor"),
        pytest.param({"periods": []}, id="nobody asks"),
        pytest.param({"periods": [Requests(requests=2, errors=2, slow=0)]}, id="two unlucky requests"),
        pytest.param({"down_since": NOW - timedelta(seconds=59)}, id="its server is being started"),
        pytest.param({"guardrails": [kept(-0.001)]}, id="guardrail holds"),
        pytest.param(
            {"periods": [Requests(requests=20, errors=20, slow=0)], "before": Requests(requests=0, errors=0, slow=0)},
            id="nobody knows how its predecessor did",
        ),
    ],
)
def test_incumbent_stays(facts: dict[str, Any]):
    assert judged(**facts) is None


def test_errors_bring_the_predecessor_back():
    broken = Requests(requests=100, errors=40, slow=0)
    assert judged(periods=[HEALTHY] * 9 + [broken]) == (
        "49 of its 5,500 requests failed; of its predecessor's last 36,000 it were 60, and 0.01 more are tolerated"
    )


def test_slowness_brings_the_predecessor_back():
    assert "were slower than the service level" in judged(periods=[Requests(requests=100, errors=0, slow=60)])


def test_a_server_that_stays_away_is_replaced():
    assert judged(down_since=NOW - timedelta(seconds=61)) == "its server has not answered since 11:58:59 UTC"


def test_a_broken_guardrail_brings_the_predecessor_back():
    assert judged(guardrails=[kept(-0.05)]) == "complaints is 0.08; it was 0.03: a loss of 0.02 is allowed"
