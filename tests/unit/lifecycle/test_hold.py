from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.lifecycle import MetricFacts, missing_data

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WEEK = timedelta(days=7)


def facts(**changes: Any) -> MetricFacts:
    """A metric whose outcomes are late: production was asked for a month, and none came in for a week."""
    late: dict[str, Any] = {
        "name": "sold",
        "is_high": True,
        "available": True,
        "within": WEEK,
        "answered_since": NOW - timedelta(days=30),
        "is_asked": True,
        "last_outcome": None,
    }
    return MetricFacts(**late | changes)


MISSING = {
    "outcomes are late": (facts(), "no outcome of it came in for 7 d of production"),
    "an outcome came in": (facts(last_outcome=NOW - timedelta(days=1)), None),
    "low priority": (facts(is_high=False), None),
    "nobody asked": (facts(is_asked=False), None),
    "nothing answers yet": (facts(answered_since=None, is_asked=False), None),
    "answered for six days": (facts(answered_since=NOW - timedelta(days=6)), None),
    "answered for just a week": (facts(answered_since=NOW - WEEK), "no outcome"),
    "promised yesterday": (facts(fulfilled=NOW - timedelta(days=1)), None),
    "promised two weeks ago": (facts(fulfilled=NOW - timedelta(days=14)), "no outcome"),
    "not to be had": (facts(available=False, answered_since=None), "cannot be had yet (available=False)"),
    "not to be had, low priority": (facts(available=False, is_high=False), None),
    "not to be had, but promised": (facts(available=False, answered_since=None, fulfilled=NOW), None),
    "not to be had, and comes in": (facts(available=False, last_outcome=NOW), None),
}


@pytest.mark.parametrize(("metric", "told"), MISSING.values(), ids=MISSING.keys())
def test_metric_without_data_is_found(metric: MetricFacts, told: str | None):
    found = missing_data([metric], NOW)
    assert [one.metric for one in found] == ([] if told is None else ["sold"])
    assert told is None or told in found[0].because


_FACTS = st.builds(
    facts,
    is_high=st.booleans(),
    available=st.booleans(),
    is_asked=st.booleans(),
    last_outcome=st.none() | st.just(NOW),
    fulfilled=st.none() | st.just(NOW - timedelta(days=20)),
    answered_since=st.none() | st.timedeltas(timedelta(0), timedelta(days=60)).map(lambda age: NOW - age),
)


@given(st.lists(_FACTS), st.timedeltas(timedelta(0), timedelta(days=60)))
def test_only_silence_of_what_matters_holds_up(metrics: list[MetricFacts], later: timedelta):
    found = missing_data(metrics, NOW + later)
    assert len(found) <= sum(one.is_high and one.last_outcome is None for one in metrics)
    assert {one.metric for one in found} <= {"sold"}
    assert len(found) >= len(missing_data(metrics, NOW))  # silence never ends by waiting
