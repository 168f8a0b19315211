from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Writer
    from rung.lake import Lake


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
