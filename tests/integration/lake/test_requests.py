from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from rung.errors import CallError

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_production_comes_before_its_copies(lake: Lake, writer: Writer):
    writer.predict("a", None, minute=0, id="p", kind="shadow", revision="housing.v1.m3", predictions=b"[3]")
    writer.predict("a", None, minute=1, id="p", kind="production", predictions=b"[1]")
    writer.predict("a", None, minute=2, id="p", kind="replay", revision="housing.v1.m3", predictions=b"[3]")
    lake.ship()
    row = lake.prediction("p")
    assert row is not None
    assert (row["kind"], row["predictions"]) == ("production", "[1]")


def test_an_answer_comes_before_a_failure(lake: Lake, writer: Writer):
    writer.predict("a", "challenger", minute=0, id="p", status=503)
    writer.predict("a", "challenger", minute=1, id="p", revision="housing.v1.m1")
    lake.ship()
    row = lake.prediction("p")
    assert row is not None
    assert (row["status"], row["revision"]) == (200, "housing.v1.m1")


def test_a_shadow_alone_is_found(lake: Lake, writer: Writer):
    writer.predict("a", None, id="p", kind="shadow")
    lake.ship()
    row = lake.prediction("p")
    assert row is not None
    assert row["kind"] == "shadow"


def test_recent_requests_hold_what_replay_needs(lake: Lake, writer: Writer):
    writer.predict("a", None, id="p", parameters=b'{"k":1}')
    writer.predict("a", None, id="p", kind="shadow", revision="housing.v1.m3", predictions=b"[9]")
    lake.ship()
    (row,) = lake.recent("housing", 1, 10)
    assert row == {
        "id": "p",
        "time": START,
        "revision": "housing.v1.m1",
        "route": "predict",
        "unit": "a",
        "instances": '[{"area":100.0}]',
        "parameters": '{"k":1}',
        "predictions": "[1.0]",
        "status": 200,
        "duration_ms": 1.5,
    }


def test_only_good_answers_are_recent(lake: Lake, writer: Writer):
    for status in (200, 201, 301, 422, 500):
        writer.predict("a", None, status=status)
    lake.ship()
    assert sorted(row["status"] for row in lake.recent("housing", 1, 10)) == [200, 201]


def test_a_sample_is_spread_over_time(lake: Lake, writer: Writer):
    for minute in range(400):
        writer.predict("a", None, minute=minute)
    lake.ship()
    sample = lake.recent("housing", 1, 40, sample=True)
    assert len(sample) == 40
    assert sample == lake.recent("housing", 1, 40, sample=True)
    assert [row["time"] for row in sample] == sorted((row["time"] for row in sample), reverse=True)
    minutes = [(row["time"] - START).total_seconds() / 60 for row in sample]
    assert sum(minute < 200 for minute in minutes) > 8
    assert sum(minute >= 200 for minute in minutes) > 8


def test_older_requests_are_not_recent(lake: Lake, writer: Writer):
    for minute in range(4):
        writer.predict("a", None, minute=minute, id=f"p{minute}")
    lake.ship()
    since = START.replace(minute=2)
    assert [row["id"] for row in lake.recent("housing", 1, 9, since=since)] == ["p3", "p2"]
    assert lake.recent("nothing", 1, 9) == []
    assert lake.recent("nothing", 1, 9, sample=True) == []


@pytest.mark.parametrize("n", [0, 10_001])
def test_how_many_are_read_is_bounded(lake: Lake, n: int):
    with pytest.raises(CallError, match="1 to 10,000"):
        lake.recent("housing", 1, n)
