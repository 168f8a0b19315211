"""Drawings within pages, without a style of their own: the stylesheet colours them, in light and dark. Pure."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING

from markupsafe import Markup

from rung.charts.svg import to_svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.charts.figure import Figure

__all__ = ["picture", "sparkline", "split"]

_WIDE, _HIGH = 120, 28
_BAR_WIDE, _BAR_HIGH = 600, 14
_FEWEST = 2
_numbers = count()


def picture(figure: Figure, of: str = "") -> Markup:
    """Draw a figure, of something that its title does not name; on a narrow screen it scrolls within its frame."""
    drawn = Markup(to_svg(figure, within=f"chart{next(_numbers)}"))  # noqa: S704  it escapes every word in it
    return Markup('<div class="scroll picture" tabindex="0" role="region" aria-label="{}">{}</div>').format(
        f"{figure.title} {of}".strip(), drawn
    )


def sparkline(values: Sequence[float | None], told: str) -> Markup:
    """Draw a row of numbers as a small line; what it tells is its name."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < _FEWEST:
        return Markup("")
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    step = _WIDE / (len(values) - 1)
    points = " ".join(
        f"{index * step:.1f},{_HIGH - 3 - (value - low) / reach * (_HIGH - 6):.1f}"
        for index, value in enumerate(values)
        if value is not None and math.isfinite(value)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">'
        '<polyline points="{3}"/></svg>'
    ).format(_WIDE, _HIGH, told, points)


def split(shares: Mapping[str, float], incumbent: str | None) -> Markup:
    """Draw how the traffic of a major is split: one bar, the challengers first."""
    order = sorted(shares.items(), key=lambda item: item[0] == incumbent)
    told = ", ".join(f"{name} {value:.0%}" for name, value in order)
    parts, x = [], 0.0
    for number, (name, value) in enumerate(order):
        tone = "second" if name == incumbent else ("main", "good", "busy", "quiet")[number % 4]
        parts.append(
            Markup(
                '<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{} {:.0%}</title></rect>'
            ).format(tone, x, max(value * _BAR_WIDE - 1.5, 0.0), _BAR_HIGH, name, value)
        )
        x += value * _BAR_WIDE
    return Markup(
        '<svg class="split" viewBox="0 0 {0} {1}" preserveAspectRatio="none" role="img" aria-label="{2}">{3}</svg>'
    ).format(_BAR_WIDE, _BAR_HIGH, told, Markup("").join(parts))
