"""Ticks, labels and curves as numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.charts.figure import Curve, Panel, Rule, end_labels, height_at, padded, spell_ticks, spread, ticks

_NUMBERS = st.floats(-1e9, 1e9)


@given(_NUMBERS, st.floats(1e-6, 1e9))
def test_ticks_are_few_and_inside(low: float, size: float):
    high = low + max(size, abs(low) * 1e-6)
    found = ticks(low, high)
    step = (high - low) * 1e-6
    assert 1 <= len(found) <= 7
    assert all(low - step <= tick <= high + step for tick in found)


@pytest.mark.parametrize(
    ("low", "high", "spelled"),
    [
        (-0.013, 0.041, ["-0.01", "0", "0.01", "0.02", "0.03", "0.04"]),
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-1_200, 12_000, ["0", "5,000", "10,000"]),
    ],
)
def test_ticks_are_spelled_alike(low: float, high: float, spelled: list[str]):
    assert spell_ticks(ticks(low, high)) == spelled


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_spread_keeps_order_and_distance(wanted: list[float]):
    places = spread(wanted, gap=5, low=0, high=100)
    ordered = [place for _, place in sorted(zip(wanted, places, strict=True))]
    assert all(after - before >= 5 - 1e-9 for before, after in pairwise(ordered))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in places)


@pytest.mark.parametrize("values", [[0.0], [3.0, 3.0], [-1.0, 5.0]])
def test_padded_range_is_never_empty(values: list[float]):
    low, high = padded(values)
    assert low < min(values) <= max(values) < high


def test_curve_is_straight_between_points():
    points = [(0.0, 1.0), (1.0, 2.0), (1.0, 4.0), (3.0, 0.0)]
    assert [height_at(points, x) for x in (-1.0, 0.5, 2.0, 3.0, 3.1)] == [None, 1.5, 2.0, 0.0, None]


def test_labels_of_what_lies_outside_are_left_out():
    panel = Panel(
        title="",
        low=0,
        high=1,
        rules=(Rule(y=0.5, label="inside"), Rule(y=9.0, label="above"), Rule(y=0.1, label="")),
        curves=(Curve(points=((0, 0.2), (1, 5.0)), label="leaves"), Curve(points=((0, 7.0),), label="never seen")),
    )
    assert end_labels(panel) == [(0.5, "inside", "quiet"), (0.2, "leaves", "main")]
