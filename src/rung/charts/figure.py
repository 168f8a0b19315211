"""Charts as values: what `svg` draws as a picture and `blocks` in a terminal. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Tone: TypeAlias = Literal["main", "second", "good", "bad", "quiet"]
"""What a colour says: the subject, something beside it, what is hoped for, what is feared, what is there to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line through points in the order of their x."""

    points: tuple[tuple[float, float], ...]
    label: str
    tone: Tone = "main"
    dotted: bool = False
    """Each point is drawn too: there are few, and between them nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What lies between two lines, as (x, low, high)."""

    points: tuple[tuple[float, float, float], ...]
    label: str
    tone: Tone = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A horizontal line."""

    y: float
    label: str
    tone: Tone = "quiet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A vertical line through all panels."""

    x: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    """What the y axis shows, with its unit."""
    low: float
    high: float
    curves: tuple[Curve, ...] = ()
    bands: tuple[Band, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Panels above each other that share their x axis."""

    title: str
    told: str
    """One or two sentences below the title."""
    x_title: str
    """What the x axis shows, with its unit."""
    low: float
    high: float
    panels: tuple[Panel, ...]
    marks: tuple[Mark, ...] = ()


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Give round numbers within a range, at most so many.

    >>> ticks(-0.013, 0.041)
    [-0.01, 0.0, 0.01, 0.02, 0.03, 0.04]
    """
    step = _round_step((high - low) / most)
    first, last = math.ceil(low / step - _ROUNDING), math.floor(high / step + _ROUNDING)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(number * step, digits) + 0.0 for number in range(first, last + 1)]


_ROUNDING = 1e-9


def _round_step(least: float) -> float:
    """Give the smallest of 1, 2, 5, 10, ... times a power of ten that is not below the least."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - _ROUNDING))


def spell_ticks(numbers: Sequence[float]) -> list[str]:
    """Write the numbers of an axis with the digits that tell them apart.

    >>> spell_ticks([0.0, 0.5, 1.0]), spell_ticks([0, 5_000, 10_000])
    (['0', '0.5', '1.0'], ['0', '5,000', '10,000'])
    """
    step = min((abs(after - before) for before, after in pairwise(numbers)), default=1.0)
    digits = max(0, -math.floor(math.log10(step) + _ROUNDING)) if step else 0
    return [f"{number:,.{digits}f}" if number else "0" for number in numbers]


def padded(values: Sequence[float], *, by: float = 0.06) -> tuple[float, float]:
    """Give a range that holds the values with room on both sides; never an empty one.

    >>> padded([0.0, 1.0], by=0.1)
    (-0.1, 1.1)
    """
    low, high = min(values), max(values)
    room = (high - low) * by or abs(high) * by or 1.0
    return low - room, high + room


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Move places apart until neighbours have the gap between them, as little as that takes; the order stays.

    >>> spread([1.0, 1.2, 9.0], gap=2.0, low=0.0, high=10.0)
    [1.0, 3.0, 9.0]
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = [0.0] * len(wanted)
    floor = low
    for index in order:
        places[index] = floor = max(wanted[index], floor)
        floor += gap
    ceiling = high
    for index in reversed(order):
        places[index] = ceiling = min(places[index], ceiling)
        ceiling -= gap
    return places


def end_labels(panel: Panel) -> list[tuple[float, str, Tone]]:
    """Give what is written beside the right end of a panel: (y, label, tone), for rules and for the ends of curves."""
    labels: list[tuple[float, str, Tone]] = [
        (rule.y, rule.label, rule.tone) for rule in panel.rules if rule.label and panel.low <= rule.y <= panel.high
    ]
    for curve in panel.curves:
        inside = [y for _, y in curve.points if panel.low <= y <= panel.high]
        if inside and curve.label:
            labels.append((inside[-1], curve.label, curve.tone))
    return labels


def height_at(points: Sequence[tuple[float, float]], x: float) -> float | None:
    """Give the height of a curve at x, straight between its points; None outside of them.

    >>> height_at([(0.0, 1.0), (2.0, 3.0)], 0.5), height_at([(0.0, 1.0)], 2.0)
    (1.5, None)
    """
    right = bisect_left(points, x, key=itemgetter(0))
    if right == len(points) or (right == 0 and points[0][0] > x):
        return None
    (before, y), (after, next_y) = points[max(right - 1, 0)], points[right]
    share = (x - before) / (after - before) if after > before else 1.0
    return y + share * (next_y - y)
