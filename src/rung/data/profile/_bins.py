"""A histogram whose bins fit those of every other one: for comparing versions, and for adding up parts. Pure.

A bin is a cell of a grid that is the same for all data: from `i * 2**k` up to, and without, `(i + 1) * 2**k`; or it is
one value. Two cells lie apart or one lies within the other, so that the histograms of two versions always have bins in
common, and those of two parts can be added, however different the data are. Cells are as small as the data are dense:
each holds at most a given share of the values, unless they are all the same. (As in N. Shrivastava et al., "Medians and
beyond: new aggregation techniques for sensor networks", 2004, with the floats for a universe.)
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bin", "added", "cell", "coarser", "in_common", "middle", "quantiles", "spread_over"]

_LARGEST: Final = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values lie from `low` up to, and without, `high`; or are `low`, where both are the same."""

    low: float
    high: float
    count: int


def middle(low: float, high: float) -> float:
    """Give the edge between two numbers that divides the smallest cell in which both lie.

    >>> middle(5.0, 6.5), middle(-1.0, 3.0), middle(7.0, 8.0)
    (6.0, 0.0, 8.0)
    """
    if low < 0 <= high:
        return 0.0
    level = _level(low, high) - 1
    return math.ldexp(_place(high, level), level)


def cell(low: float, high: float) -> tuple[float, float]:
    """Give the smallest cell in which two numbers of the same sign lie; one number is its own.

    >>> cell(5.0, 6.5), cell(7.0, 8.0), cell(-3.0, -2.5), cell(4.0, 4.0)
    ((4.0, 8.0), (0.0, 16.0), (-3.0, -2.0), (4.0, 4.0))
    """
    if low == high:
        return low, high
    level = _level(low, high)
    place = _place(low, level)
    return _edge(place, level), _edge(place + 1, level)


def _level(low: float, high: float) -> int:
    """Give the level of the smallest cell in which two different numbers of the same sign lie."""
    level = math.frexp(high - low)[1]
    while _place(low, level) == _place(high, level):
        level -= 1
    while _place(low, level) != _place(high, level):
        level += 1
    return level


def _place(value: float, level: int) -> int:
    """Give the number of the cell of width `2**level` in which a number lies."""
    scaled = math.ldexp(value, -level)
    return math.floor(scaled) if scaled or value >= 0 else -1  # too small to be told from 0


def _edge(place: int, level: int) -> float:
    try:
        return math.ldexp(place, level)
    except OverflowError:  # the edge of the outermost cells is no float
        return math.copysign(_LARGEST, place)


def in_common(*histograms: Sequence[Bin]) -> tuple[list[tuple[float, float]], list[list[int]]]:
    """Give the smallest cells that several histograms have in common, and for each histogram the counts in them.

    >>> in_common([Bin(0, 4, 10), Bin(5, 5, 3)], [Bin(1, 1, 2), Bin(2, 4, 5), Bin(8, 16, 1)])
    ([(0, 4), (5, 5), (8, 16)], [[10, 3, 0], [7, 0, 1]])
    """
    cells: list[tuple[float, float]] = []
    for low, high in sorted({(one.low, one.high) for histogram in histograms for one in histogram}, key=_outermost):
        if not cells or low >= max(cells[-1][1], math.nextafter(cells[-1][0], math.inf)):
            cells.append((low, high))
    lows = [low for low, _ in cells]
    counts = [[0] * len(cells) for _ in histograms]
    for histogram, counted in zip(histograms, counts, strict=True):
        for one in histogram:
            counted[bisect_right(lows, one.low) - 1] += one.count
    return cells, counts


def _outermost(bounds: tuple[float, float]) -> tuple[float, float]:
    return bounds[0], -bounds[1]


def added(*histograms: Sequence[Bin]) -> list[Bin]:
    """Add histograms of different values."""
    cells, counts = in_common(*histograms)
    return [Bin(low, high, sum(each)) for (low, high), *each in zip(cells, *counts, strict=True)]


def coarser(bins: Sequence[Bin], most: int) -> list[Bin]:
    """Put neighbours together until no cell could grow without holding more than `most` values.

    >>> coarser([Bin(4, 4, 1), Bin(5, 5, 1), Bin(6, 6, 9), Bin(9, 10, 1)], 3)
    [Bin(low=4.0, high=6.0, count=2), Bin(low=6, high=6, count=9), Bin(low=9, high=10, count=1)]
    """
    sums = [0, *accumulate(one.count for one in bins)]
    lows = [one.low for one in bins]
    made: list[Bin] = []
    waiting = [(0, len(bins))] if bins else []
    while waiting:
        first, end = waiting.pop()
        low, high = lows[first], _last(bins[end - 1])
        count = sums[end] - sums[first]
        if end - first == 1:
            made.append(bins[first])
        elif count <= most and not low < 0 <= high:
            made.append(Bin(*cell(low, high), count))
        else:
            split = bisect_left(lows, middle(low, high), first, end)
            waiting += [(split, end), (first, split)]
    return made


def _last(one: Bin) -> float:
    """Give the largest value that a bin can hold."""
    return one.high if one.low == one.high else math.nextafter(one.high, -math.inf)


def quantiles(bins: Sequence[Bin], shares: Sequence[float]) -> list[float]:
    """Give the values below which these shares of the values lie, in order; those of a cell lie evenly spread in it.

    >>> quantiles([Bin(0, 4, 4), Bin(5, 5, 4)], [0.25, 0.75])
    [2.0, 5.0]
    """
    total = sum(one.count for one in bins)
    found: list[float] = []
    rest, below = iter(bins), 0
    one = next(rest)
    for share in shares:
        while below + one.count < share * total and (after := next(rest, None)):
            below, one = below + one.count, after
        inside = min((share * total - below) / one.count, 1.0) if one.count else 0.0
        found.append(one.low + (one.high - one.low) * inside)
    return found


def spread_over(bins: Sequence[Bin], low: float, high: float, bars: int) -> list[float]:
    """Give how many values lie in each of so many equal parts of a range; the ends take what lies beyond.

    >>> spread_over([Bin(0, 4, 8), Bin(4, 4, 1), Bin(9, 9, 1)], 0, 8, 4)
    [4.0, 4.0, 1.0, 1.0]
    """
    counts = [0.0] * bars
    width = (high - low) / bars or 1.0
    for one in bins:
        first, last = ((edge - low) / width for edge in (one.low, one.high))
        begin, end = (min(max(int(edge), 0), bars - 1) for edge in (first, math.nextafter(last, -math.inf)))
        if one.low == one.high or begin >= end:
            counts[begin] += one.count
            continue
        for bar in range(begin, end + 1):
            left = first if bar == begin else bar
            right = last if bar == end else bar + 1
            counts[bar] += one.count * (right - left) / (last - first)
    return counts
