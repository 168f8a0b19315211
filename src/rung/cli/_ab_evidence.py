"""The evidence of an A/B test as lines: effect, bounds, progress, and when a decision is to be expected. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rung.charts.blocks import ROW_INDENT, bar, below, coloured, column_of, row, scale
from rung.cli._duration import spell
from rung.control.course import look_of, outlook_of
from rung.schema import ABTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.charts.figure import Tone
    from rung.stats import Look

_BESIDE = 34  # characters for the numbers beside a scale
_NARROWEST, _WIDEST = 20, 62
_FARTHEST = 2.5  # an interval may reach so many times the effects; what is beyond is cut


def evidence(shown: dict[str, Any], *, now: datetime, width: int) -> Iterator[str]:
    """Draw what the deciding metric says of a test."""
    look, test = shown["look"], ABTest.model_validate(shown["design"])
    found, least = look_of(look["look"]), look["minimum_effect"]
    room = max(min(width - ROW_INDENT - _BESIDE, _WIDEST), _NARROWEST)
    kind = "" if test.decision is None else f"{test.decision.kind}, {test.decision.goal}; "
    yield row("metric", [click.style(look["metric"], bold=True), f"{kind}worth having from {least:.4g} on"])
    yield from _effect(found, least, room)
    yield from _bounds(found, room)
    yield row("progress", [bar(found.progress, room), f"{found.progress:.0%} of a test with one look"])
    if not shown["ended"]:
        yield row("decision", [_when(shown, now)])


def _effect(found: Look, least: float, room: int) -> Iterator[str]:
    """Draw the effect on its interval, beside zero and the smallest one that is worth having."""
    if not math.isfinite(found.standard_error):
        yield row("effect", ["nothing is known yet"])
        return
    widest = max(map(abs, found.interval))
    largest = max(least, abs(found.effect))
    reach = 1.15 * max(largest, min(widest, _FARTHEST * largest))
    tone: Tone = "good" if found.effect >= least else "bad" if found.effect < -found.standard_error else "main"
    points: list[tuple[float, str, Tone]] = [(0.0, "┼", "quiet"), (least, "╂", "good"), (found.effect, "●", tone)]
    drawn = scale(-reach, reach, room, points=points, span=found.interval)
    size = coloured(f"{found.effect:+.4g}", tone, bold=True)
    yield row("effect", [drawn, f"{size} ± {found.standard_error:.2g}"])
    texts = [(column_of(at, -reach, reach, room), text) for at, text in ((0.0, "0"), (least, f"{least:+.4g}"))]
    ends = " to ".join(f"{end:+.3g}" for end in found.interval)
    yield row("", [coloured(below(room, texts).ljust(room), "quiet"), coloured(ends, "quiet")])


def _bounds(found: Look, room: int) -> Iterator[str]:
    """Draw where the evidence lies between the two ends of the test."""
    low, high = found.bounds.lower, found.bounds.upper
    single, weighted = found.log_likelihood_ratio, found.weighted_log_likelihood_ratio
    points: list[tuple[float, str, Tone]] = [(low, "┃", "bad"), (high, "┃", "good"), (0.0, "┼", "quiet")]
    told = f"{single:+.2f}"
    if column_of(single, low, high, room) != column_of(weighted, low, high, room):
        points.append((weighted, "◇", "second"))
        told += coloured(f", ◇ {weighted:+.2f} with bets", "second")
    points.append((single, "◆", "main"))
    yield row("evidence", [scale(low, high, room, points=points, span=(min(0, single), max(0, single))), told])
    left, right = f"not better at {low:.2f}", f"better at {high:.2f}"
    gap = " " * max(room - len(left) - len(right), 1)
    yield row("", [coloured(left, "bad") + gap + coloured(right, "good")])


def _when(shown: dict[str, Any], now: datetime) -> str:
    if shown["paused"]:
        return "not while it is paused"
    found = outlook_of(shown, now)
    if found is None or found.if_better is None or found.if_not is None:
        return found.because if found else ""
    left = (datetime.fromisoformat(shown["deadline"]) - now).total_seconds()
    late = coloured("; that is after the deadline", "bad") if min(found.if_better, found.if_not) > left else ""
    better, nothing = coloured(spell(found.if_better), "good"), coloured(spell(found.if_not), "bad")
    return f"expected in {better} if it is better, in {nothing} if it is not{late}"
