"""What a column holds as a few bars, alike in a terminal and on a page; of two profiles over the same edges. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rung.data.profile import _bins
from rung.data.profile._spell import spell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.data.profile._values import Column, Kind, Numbers

__all__ = ["Bar", "bars"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Part of a column's values."""

    label: str  # the value, or from where to where
    count: float
    before: float = 0.0  # share of the earlier profile's values, 0 to 1


def bars(column: Column, most: int, before: Column | None = None) -> list[Bar]:
    """Draw a column as at most so many bars: values where they have names, else equal parts of a range.

    The range is where 98 % of the values lie; the first and the last bar take what lies beyond.
    """
    if column.values is not None and column.values.common:
        counts = dict(before.values.common) if before is not None and before.values is not None else {}
        total = sum(counts.values()) or 1
        return [
            Bar(label=value, count=count, before=counts.get(value, 0) / total)
            for value, count in column.values.common[:most]
        ]
    if column.numbers is None or not column.numbers.finite:
        return []
    kind = column.kind if column.values is None and column.kind not in {"list", "binary"} else "number"
    earlier = before.numbers if before is not None and before.numbers is not None else None
    return _numbers(column.numbers, most, kind, earlier if earlier is not None and earlier.finite else None)


def _numbers(numbers: Numbers, most: int, kind: Kind, before: Numbers | None) -> list[Bar]:
    both = [each for each in (numbers, before) if each is not None]
    points = sorted({one.low for each in both for one in each.bins if one.low == one.high})
    are_points = all(one.low == one.high for each in both for one in each.bins)
    if are_points and len(points) <= most:
        labels, counts = [spell(point, kind) for point in points], [[_at(each, one) for one in points] for each in both]
    else:
        are_whole = are_points and all(point.is_integer() for point in points)
        low, high = min(each.quantiles[0] for each in both), max(each.quantiles[-1] for each in both)
        labels, counts = (_whole_parts if are_whole else _parts)(both, (low, high), most, kind)
    shares = [count / before.finite for count in counts[1]] if before is not None else [0.0] * len(labels)
    return [
        Bar(label=label, count=count, before=share)
        for label, count, share in zip(labels, counts[0], shares, strict=True)
    ]


def _parts(
    both: Sequence[Numbers], ends: tuple[float, float], most: int, kind: Kind
) -> tuple[list[str], list[list[float]]]:
    low, high = ends
    edges = [spell(low + (high - low) * place / most, kind) for place in range(most + 1)]
    counts = [_bins.spread_over(each.bins, low, high, most) for each in both]
    return [f"{one} to {other}" for one, other in pairwise(edges)], counts


def _whole_parts(
    both: Sequence[Numbers], ends: tuple[float, float], most: int, kind: Kind
) -> tuple[list[str], list[list[float]]]:
    """Let each bar stand for as many whole numbers as the others."""
    low, high = math.floor(ends[0]), math.ceil(ends[1])
    step = math.ceil((high - low + 1) / most)
    firsts = range(low, high + 1, step)
    counts = [_bins.spread_over(each.bins, low, low + step * len(firsts), len(firsts)) for each in both]
    spans = [(spell(first, kind), spell(first + step - 1, kind)) for first in firsts]
    return [one if one == other else f"{one} to {other}" for one, other in spans], counts


def _at(numbers: Numbers, point: float) -> float:
    return sum(one.count for one in numbers.bins if one.low == point)
