"""Runs as lines through parallel axes: one axis for each setting and metric in which they differ. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from rung.charts.figure import spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Axis", "axes_of", "parallel"]

_WIDE, _HIGH, _TOP, _LEFT, _RIGHT = 960, 320, 46, 96, 250
_MOST = 9  # axes
_LETTER = 8.5  # wide, at the most
_TONES = ("main", "second", "good", "bad", "quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One setting or metric, and the place of each run on it, from 0 at the bottom to 1; None where it has none."""

    name: str
    places: tuple[float | None, ...]
    low: str
    high: str


def axes_of(records: Sequence[Mapping[str, Any]]) -> list[Axis]:
    """Give an axis for each hyperparameter and metric in which runs differ, settings first.

    >>> [(axis.name, axis.places) for axis in axes_of([
    ...     {"hyperparameters": {"depth": 3, "model": "x"}, "metrics": {"error": 0.2}},
    ...     {"hyperparameters": {"depth": 5, "model": "x"}, "metrics": {"error": 0.1}},
    ... ])]
    [('depth', (0.0, 1.0)), ('error', (1.0, 0.0))]
    """
    found = []
    for group in ("hyperparameters", "metrics"):
        for name in dict.fromkeys(name for record in records for name in record[group]):
            axis = _axis(name, [record[group].get(name) for record in records])
            if axis is not None:
                found.append(axis)
    return found[-_MOST:] if len(found) > _MOST else found


def parallel(axes: Sequence[Axis], names: Sequence[str]) -> Markup:
    """Draw runs over their axes."""
    step = (_WIDE - _LEFT - _RIGHT) / max(len(axes) - 1, 1)
    places = [_LEFT + number * step for number in range(len(axes))]
    ends = [_height(axes[-1].places[number] or 0.0) for number in range(len(names))]
    apart = spread(ends, gap=17, low=_TOP, high=_HIGH - 30)
    lines = Markup("").join(
        _line(axes, places, number, name) + _label(number, name, ends[number], apart[number])
        for number, name in enumerate(names)
    )
    letters = int(step / _LETTER)
    drawn = Markup("").join(_drawn(axis, x, letters) for axis, x in zip(axes, places, strict=True))
    return Markup(
        '<div class="scroll picture" tabindex="0" role="region" aria-label="Runs over their settings and metrics">'
        '<svg class="chart" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" '
        'aria-label="Each run is a line through its settings and metrics; the table below has the numbers">'
        "{2}{3}</svg></div>"
    ).format(_WIDE, _HIGH, drawn, lines)


def _axis(name: str, values: Sequence[Any]) -> Axis | None:
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return _numbers(name, values)
    order = sorted({str(value) for value in known})
    if len(order) < 2:  # noqa: PLR2004  else they do not differ
        return None
    places = tuple(None if value is None else order.index(str(value)) / (len(order) - 1) for value in values)
    return Axis(name=name, places=places, low=order[0], high=order[-1])


def _numbers(name: str, values: Sequence[float | None]) -> Axis | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2 or min(known) == max(known):  # noqa: PLR2004  as above
        return None
    low, high = min(known), max(known)
    places = tuple(
        None if value is None or not math.isfinite(value) else (value - low) / (high - low) for value in values
    )
    return Axis(name=name, places=places, low=f"{low:.4g}", high=f"{high:.4g}")


def _line(axes: Sequence[Axis], xs: Sequence[float], number: int, name: str) -> Markup:
    points = [
        (x, _height(place)) for axis, x in zip(axes, xs, strict=True) if (place := axis.places[number]) is not None
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    tone = _TONES[number % len(_TONES)]
    return Markup('<path class="curve {}" d="M{}"><title>{}</title></path>').format(tone, path, name)


def _label(number: int, name: str, end: float, place: float) -> Markup:
    tone, x = _TONES[number % len(_TONES)], _WIDE - _RIGHT
    return Markup(
        '<path class="leader {0}" d="M{1} {2:.1f}L{3} {4:.1f}"/><text class="label {0}" x="{5}" y="{6:.1f}">{7}</text>'
    ).format(tone, x + 4, end, x + 16, place, x + 21, place + 4, name)


def _drawn(axis: Axis, x: float, letters: int) -> Markup:
    name = axis.name if len(axis.name) <= letters else f"{axis.name[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"
    return Markup(
        '<path class="frame" d="M{0:.1f} {1}V{2}"/>'
        '<text class="axis" x="{0:.1f}" y="18" text-anchor="middle">{3}</text>'
        '<text class="tick" x="{0:.1f}" y="36" text-anchor="middle">{4}</text>'
        '<text class="tick" x="{0:.1f}" y="{5}" text-anchor="middle">{6}</text>'
    ).format(x, _TOP, _HIGH - 30, name, axis.high[:14], _HIGH - 10, axis.low[:14])


def _height(place: float) -> float:
    return _HIGH - 30 - place * (_HIGH - 30 - _TOP)
