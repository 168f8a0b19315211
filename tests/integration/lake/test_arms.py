from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rung.lake import ArmSums, Comparison, Lake, OutcomeCounts

if TYPE_CHECKING:
    from conftest import Writer

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def microseconds(minutes: float) -> int:
    return round((START + timedelta(minutes=minutes)).timestamp() * 1_000_000)


def compare(lake: Lake, **changes: Any) -> Comparison:
    lake.ship()
    return lake.compare("e1", **({"metric": "sold", "since": START} | changes))


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_sums_are_taken_per_unit(lake: Lake, writer: Writer):
    for unit, arm in (("a", "incumbent"), ("b", "challenger"), ("c", "challenger"), ("d", "challenger")):
        writer.predict(unit, arm)
        writer.predict(unit, arm, minute=1)
    writer.measure(1, unit="a")
    for value in (1, 0, 5):
        writer.measure(value, unit="b")
    writer.measure(4, unit="c")
    found = compare(lake)
    assert found.outcomes == OutcomeCounts(counted=5)
    assert found.arms["incumbent"] == ArmSums(
        exposed=1, units=1, y=1, yy=1, yyy=1, x=1, xx=1, xy=1, m=1, mm=1, mmm=1, requests=2
    )
    challenger = found.arms["challenger"]
    assert (challenger.exposed, challenger.units, challenger.requests) == (3, 2, 6)
    assert (challenger.y, challenger.yy, challenger.x, challenger.xx, challenger.xy) == (10, 52, 4, 10, 22)
    assert (challenger.m, challenger.mm, challenger.mmm) == (6, 20, 72)
    assert challenger.coverage == pytest.approx(2 / 3)
    assert challenger.arm("mean").y == 6
    assert challenger.arm("ratio").xy == 22
    assert lake.arms("e1", metric="sold", since=START) == found.arms


def test_nothing_shipped_gives_empty_arms(lake: Lake):
    found = lake.arms("e1", metric="sold", since=START)
    assert found == {"incumbent": ArmSums(), "challenger": ArmSums()}
    assert found["challenger"].coverage == 0


def test_bad_lines_alone_give_empty_arms(lake: Lake, writer: Writer):
    writer.predictions.append(b"{}\n")
    writer.outcomes.append(b"{}\n")
    assert lake.ship().quarantined == 2
    assert compare(lake).arms == {"incumbent": ArmSums(), "challenger": ArmSums()}


def test_outcomes_before_the_exposure_are_early(lake: Lake, writer: Writer):
    writer.predict("a", "challenger", minute=5)
    writer.measure(1, unit="a", minute=4)
    writer.measure(2, unit="a", minute=9, time=microseconds(4))
    writer.measure(1, unit="a", minute=5)
    assert compare(lake).outcomes == OutcomeCounts(counted=1, early=2)


def test_outcomes_of_strangers_are_unmatched(lake: Lake, writer: Writer):
    writer.predict("a", "challenger")
    writer.predict("b", "challenger", experiment="e2")
    writer.predict("c", "challenger", kind="exact")
    writer.predict("d", "none")
    elsewhere = writer.predict("b", "challenger", experiment="e2")
    for unit in "bcdx":
        writer.measure(1, unit=unit)
    writer.measure(1, prediction_id=elsewhere)
    writer.measure(1, unit="a", metric="other")
    writer.measure(1, unit="a", service="other")
    found = compare(lake)
    assert found.outcomes == OutcomeCounts(unmatched=5)
    assert found.arms["challenger"] == ArmSums(exposed=1, requests=1)


def test_a_prediction_leads_to_its_unit(lake: Lake, writer: Writer):
    first = writer.predict("a", "challenger", minute=5)
    second = writer.predict("a", "challenger", minute=6)
    writer.measure(1, prediction_id=first, minute=7, time=microseconds(1))
    writer.measure(0, prediction_id=second, minute=7)
    found = compare(lake)
    assert found.outcomes == OutcomeCounts(counted=2)
    assert (found.arms["challenger"].units, found.arms["challenger"].m) == (1, 0.5)


def test_what_is_sent_again_counts_once(lake: Lake, writer: Writer):
    name = writer.predict("a", "challenger")
    for value in (1, 3):
        writer.measure(value, unit="a", id="key", minute=10 + value)
    for _ in range(3):
        writer.measure(7, unit="a", time=microseconds(8))
        writer.measure(7, prediction_id=name, time=microseconds(9))
    found = compare(lake)
    assert found.outcomes == OutcomeCounts(counted=3, duplicate=5)
    assert found.arms["challenger"].y == 1 + 7 + 7


def test_equal_outcomes_at_other_times_both_count(lake: Lake, writer: Writer):
    writer.predict("a", "challenger")
    writer.measure(1, unit="a", minute=3)
    writer.measure(1, unit="a", minute=4)
    assert compare(lake).outcomes == OutcomeCounts(counted=2)


def test_a_unit_stays_in_its_first_arm(lake: Lake, writer: Writer):
    writer.predict("a", "challenger", minute=8)
    writer.predict("a", "incumbent", minute=2)
    writer.measure(1, unit="a")
    found = compare(lake).arms
    assert (found["incumbent"].exposed, found["incumbent"].moved, found["incumbent"].y) == (1, 1, 1)
    assert found["challenger"] == ArmSums(requests=1)


def test_a_unit_stays_in_its_first_stratum(lake: Lake, writer: Writer):
    for minute in (1, 6):
        writer.predict("a", "challenger", minute=minute)
    writer.predict("b", "challenger", minute=5)
    writer.measure(1, unit="a")
    writer.measure(2, unit="b")
    found = compare(lake, splits=[START + timedelta(minutes=5)])
    assert [stratum["challenger"].y for stratum in found.strata] == [1, 2]
    assert [stratum["challenger"].requests for stratum in found.strata] == [1, 2]
    assert found.arms["challenger"].y == 3


def test_fallback_requests_are_told_apart(lake: Lake, writer: Writer):
    writer.predict("a", "incumbent")
    writer.predict("b", "challenger")
    for minute in range(3):
        writer.predict("b", "challenger", minute=minute, revision="housing.v1.m1")
    found = compare(lake).arms
    assert (found["challenger"].requests, found["challenger"].fallback) == (4, 3)
    assert found["challenger"].fallback_share == 0.75
    assert found["incumbent"].fallback == 0


def test_requests_before_the_start_do_not_expose(lake: Lake, writer: Writer):
    writer.predict("a", "challenger", minute=-1)
    writer.measure(1, unit="a")
    assert compare(lake).arms["challenger"] == ArmSums()
