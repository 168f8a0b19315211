"""Bins of any floats: cells hold their values, lie apart or within one another, and keep every count."""

from __future__ import annotations

import sys

from hypothesis import example, given
from hypothesis import strategies as st

from rung.data.profile import _bins
from rung.data.profile._bins import Bin

numbers = st.floats(-1e308, 1e308)  # the largest float of all is the edge of its cell
near = st.builds(lambda number, steps: number + steps / 8, st.integers(-40, 40), st.integers(0, 7))
samples = st.lists(numbers | near, min_size=1, max_size=40).map(sorted)


def points(values: list[float]) -> list[Bin]:
    return [Bin(value + 0.0, value + 0.0, values.count(value)) for value in sorted(set(values))]


def nested(one: Bin, other: Bin) -> bool:
    """Tell whether two cells lie apart, or one within the other."""
    outer, inner = (one, other) if (one.low, -one.high) <= (other.low, -other.high) else (other, one)
    is_apart = inner.low >= outer.high if outer.high > outer.low else inner.low > outer.low
    return is_apart or inner.high <= outer.high


@given(numbers, numbers)
@example(-1.0, -5e-324)
@example(0.0, 5e-324)
@example(-1e308, -5e-324)
@example(1.0, 1e308)
def test_middle_divides_two_numbers(one: float, other: float):
    low, high = sorted((one, other))
    if low == high:
        return
    assert low < _bins.middle(low, high) <= high
    if not low < 0 <= high:
        begin, end = _bins.cell(low, high)
        assert begin <= low
        assert high < end or end == sys.float_info.max


@given(samples, st.integers(1, 10))
def test_coarser_bins_keep_every_value(values: list[float], most: int):
    fine = points(values)
    bins = _bins.coarser(fine, most)
    assert sum(one.count for one in bins) == len(values)
    assert all(one.count <= most or one.low == one.high for one in bins)
    assert _bins.in_common(bins, fine)[1][1] == [one.count for one in bins]
    assert all(nested(one, other) for one in bins for other in bins if one is not other)


@given(samples, samples, st.integers(1, 10), st.integers(1, 10))
def test_sums_of_histograms_keep_every_value(first: list[float], second: list[float], one: int, other: int):
    parts = _bins.coarser(points(first), one), _bins.coarser(points(second), other)
    assert all(nested(left, right) for left in parts[0] for right in parts[1])
    added = _bins.added(*parts)
    assert sum(each.count for each in added) == len(first) + len(second)
    assert _bins.in_common(added, points(sorted(first + second)))[1][1] == [each.count for each in added]


@given(samples, st.integers(1, 10), st.lists(st.floats(0, 1), min_size=1, max_size=5).map(sorted))
def test_quantiles_rise_within_the_bins(values: list[float], most: int, shares: list[float]):
    bins = _bins.coarser(points(values), most)
    found = _bins.quantiles(bins, shares)
    assert found == sorted(found)
    assert bins[0].low <= found[0]
    assert found[-1] <= bins[-1].high


@given(samples.filter(lambda values: max(map(abs, values)) < 1e300), st.integers(1, 10), st.integers(1, 30))
def test_bars_hold_every_value(values: list[float], most: int, bars: int):
    bins = _bins.coarser(points(values), most)
    counts = _bins.spread_over(bins, values[0], values[-1], bars)
    assert len(counts) == bars
    assert abs(sum(counts) - len(values)) < 1e-6 * len(values)
    assert min(counts) >= 0
