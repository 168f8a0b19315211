from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""From which the writer counts minutes."""


def measured(lake: Lake) -> dict[str, tuple[int, float]]:
    lake.ship()
    return {found.revision: (found.units, found.mean) for found in lake.business("housing", 1)}


def test_outcome_belongs_to_who_answered_the_unit_last(lake: Lake, writer: Writer):
    writer.predict("anna", "incumbent", minute=0)
    writer.predict("anna", "challenger", minute=5)
    writer.measure(1.0, minute=10, unit="anna")

    assert measured(lake) == {"housing.v1.m2": (1, 1.0)}


def test_outcome_of_a_prediction_belongs_to_its_revision(lake: Lake, writer: Writer):
    first = writer.predict("anna", "incumbent", minute=0)
    writer.predict("anna", "challenger", minute=5)
    writer.measure(1.0, minute=10, prediction_id=first)

    assert measured(lake) == {"housing.v1.m1": (1, 1.0)}


def test_unit_counts_once_and_duplicates_do_not(lake: Lake, writer: Writer):
    for unit in ("anna", "bert"):
        writer.predict(unit, "incumbent")
    for value, key in ((1.0, "a"), (1.0, "a"), (0.0, "b")):
        writer.measure(value, unit="anna", id=key)
    writer.measure(1.0, unit="bert", id="c")

    assert measured(lake) == {"housing.v1.m1": (2, pytest.approx(0.75))}


def test_tests_and_failures_do_not_count(lake: Lake, writer: Writer):
    writer.predict("anna", "incumbent", kind="exact")
    writer.predict("bert", "incumbent", status=500)
    for unit in ("anna", "bert"):
        writer.measure(1.0, unit=unit)

    assert measured(lake) == {}


def test_units_sum_their_outcomes(lake: Lake, writer: Writer):
    for unit in ("anna", "bert", "cora"):
        writer.predict(unit, "incumbent")
    for value in (1.0, 3.0):
        writer.measure(value, unit="anna", id=f"{value}")
    writer.measure(5.0, minute=20, unit="bert")
    lake.ship()
    rows = lake.units("housing", 1, metric="sold", since=START, most=10)
    assert rows.select("total", "mean", "outcomes").rows() == [(5.0, 5.0, 1), (4.0, 2.0, 2)]  # the newest first
    assert lake.units("housing", 1, metric="sold", since=START, most=1)["total"].to_list() == [5.0]
    assert lake.units("housing", 1, metric="other", since=START, most=10).is_empty()


def test_traffic_counts_units_once(lake: Lake, writer: Writer):
    for minute, unit in enumerate(("anna", "bert", "anna")):
        writer.predict(unit, "incumbent", minute=minute)
    writer.predict("cora", "incumbent", kind="shadow")
    writer.predict("dora", "incumbent", minute=-60)
    lake.ship()
    found = lake.traffic("housing", 1, since=START)
    assert (found.units, found.first) == (2, START)
    assert found.units_per_second(START + timedelta(seconds=8)) == 0.25
    assert lake.traffic("housing", 2, since=START).units_per_second(START) == 0.0


def test_table_made_anew_is_opened_anew(lake: Lake, writer: Writer):
    writer.predict("anna", "incumbent")
    lake.ship()
    assert lake.count() == 1
    shutil.rmtree(lake.root)
    assert lake.count() == 0
    writer.predictions.close()
    writer.predict("bert", "incumbent")
    lake.ship()
    assert [row["unit"] for row in lake.predictions().collect().to_dicts()] == ["bert"]
