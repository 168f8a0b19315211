from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rung.lake import OutcomeReport

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(hours=1)


def counts(lake: Lake, **changes: Any) -> OutcomeReport:
    lake.ship()
    return lake.outcome_counts("housing", 1, **({"since": START, "now": NOW} | changes))


def test_every_outcome_is_in_one_count(lake: Lake, writer: Writer):
    writer.predict("a", None, minute=5)
    other = writer.predict("a", None, minute=5, revision="housing.v2.m1")
    copy = writer.predict("a", None, minute=5, kind="shadow")
    for _ in range(3):
        writer.measure(1.0, minute=9, unit="a", id="key")
    writer.measure(1.0, minute=4, unit="a")
    writer.measure(1.0, minute=9, unit="nobody")
    for name in (other, copy, "unheard"):
        writer.measure(1.0, minute=9, prediction_id=name)
    writer.measure(1.0, minute=-9, unit="a")
    found = counts(lake)
    assert (found.received, found.counted, found.duplicate, found.early, found.unknown) == (8, 1, 2, 1, 4)
    assert found.received == found.counted + found.duplicate + found.early + found.unknown


def test_a_prediction_that_ships_late_is_known_then(lake: Lake, writer: Writer):
    writer.measure(1.0, minute=9, prediction_id="late")
    assert counts(lake).unknown == 1
    writer.predict("a", None, id="late")
    assert (counts(lake).unknown, counts(lake).counted) == (0, 1)


def test_outcomes_of_a_torn_down_revision_count_for_it(lake: Lake, writer: Writer):
    writer.predict("a", None)
    writer.predict("b", None, revision="housing.v1.m2")
    for unit in "ab":
        writer.measure(1.0, unit=unit)
    found = counts(lake, served=["housing.v1.m1"])
    assert (found.counted, found.retired) == (2, 1)
    assert {row.revision for row in lake.business("housing", 1)} == {"housing.v1.m1", "housing.v1.m2"}


def test_coverage_is_of_units_that_had_time(lake: Lake, writer: Writer):
    for unit, minute in (("a", 0), ("b", 10), ("c", 50)):
        writer.predict(unit, None, minute=minute)
    writer.predict(None, None, minute=0)
    writer.measure(1.0, minute=20, unit="a")
    writer.measure(1.0, minute=55, unit="c")
    found = counts(lake, settled=timedelta(minutes=30))
    assert (found.exposed, found.measured, found.coverage) == (3, 1, pytest.approx(1 / 3))


def test_delays_are_from_the_answer(lake: Lake, writer: Writer):
    writer.predict("a", None, minute=0)
    for minute in range(1, 12):
        writer.measure(1.0, minute=minute, unit="a")
    found = counts(lake)
    assert (found.p50_s, found.p90_s, found.p99_s) == (360, 600, pytest.approx(654))


def test_order_of_receipt_does_not_matter(lake: Lake, writer: Writer):
    writer.measure(1.0, minute=30, unit="a", time=round(START.timestamp() * 1e6) + 1)
    lake.ship()
    writer.measure(0.0, minute=20, unit="a")
    lake.ship()
    writer.predict("a", None, minute=0)
    found = counts(lake, metric="sold")
    assert (found.counted, found.unknown) == (2, 0)
    assert counts(lake, metric="other") == OutcomeReport(exposed=1)


def test_an_empty_lake_has_no_outcome(lake: Lake):
    assert counts(lake) == OutcomeReport()
    assert counts(lake).coverage == 0
