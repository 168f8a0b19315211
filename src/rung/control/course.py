"""The course of an A/B test or a bandit: as a figure, and when a decision is to be expected. Pure.

`rung ab plot`, `rung ab watch` and the dashboard show it, from what the API tells of a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rung.charts.figure import Band, Curve, Figure, Mark, Panel, Rule, Tone, padded
from rung.errors import ConflictError
from rung.schema import ABTest
from rung.stats import Look, Outlook, outlook
from rung.stats.sequential import Bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLOCKS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
_FEWEST = 2  # looks of which there is a course
_TONES: tuple[Tone, ...] = ("main", "good", "bad", "quiet")
_CALM_FROM = 0.25
"""Share of the time after which the interval is no longer so wide that it would hide everything else."""
_POINTS = 100.0


@dataclass(frozen=True, slots=True)
class _Clock:
    """Counts time since the start in a unit that suits the length of the test."""

    started: datetime
    unit: float  # seconds
    name: str

    @classmethod
    def of(cls, started: datetime, last: datetime) -> _Clock:
        length = (last - started).total_seconds()
        unit, name = next((unit, name) for least, unit, name in _CLOCKS if length >= least)
        return cls(started, unit, name)

    def at(self, instant: str) -> float:
        return (datetime.fromisoformat(instant) - self.started).total_seconds() / self.unit


def figure_of(shown: dict[str, Any]) -> Figure:
    """Make the figure of a test's course.

    Raises:
        ConflictError: There are too few looks yet.
    """
    course = [look for look in shown["course"] if "arms" in look or look.get("look", {}).get("standard_error")]
    if len(course) < _FEWEST:
        raise ConflictError(
            f"the test of {shown['challenger']} has no course yet that could be drawn",
            hint="consumers POST outcomes to /outcomes at the gateway; `rung ab watch` shows what came",
        )
    clock = _Clock.of(datetime.fromisoformat(shown["started"]), datetime.fromisoformat(course[-1]["time"]))
    panels = _bandit_panels(shown, course, clock) if "arms" in course[-1] else _panels(shown, course, clock)
    rivals = [name for name in shown["shares"] if name != shown["incumbent"]]
    last = clock.at(course[-1]["time"])
    return Figure(
        title=f"{' and '.join(rivals)} against {shown['incumbent']}: {course[-1]['metric']}",
        told=_told(shown, course[-1]),
        x_title=f"{clock.name} since the start ({clock.started:%Y-%m-%d %H:%M} UTC)",
        low=0.0,
        high=last * 1.01,
        panels=panels,
        marks=() if shown["bandit"] else _marks(shown, clock, last),
    )


def look_of(figures: dict[str, Any]) -> Look:
    """Read a look of the sequential test from its JSON: what is null there is infinite."""
    low, high = figures["interval"]
    error = figures["standard_error"]
    known = {
        "standard_error": math.inf if error is None else error,
        "interval": (-math.inf if low is None else low, math.inf if high is None else high),
        "bounds": Bounds(**figures["bounds"]),
    }
    return Look(**{**figures, **known})


def active_seconds(shown: dict[str, Any], now: datetime) -> float:
    """Give how long a test ran, without its pauses."""
    end = datetime.fromisoformat(shown["ended"]) if shown["ended"] else now
    since = [datetime.fromisoformat(split["since"]) for split in shown["splits"]]
    stretches = zip(shown["splits"], since, [*since[1:], end], strict=True)
    return sum((until - begin).total_seconds() for split, begin, until in stretches if split["kind"] != "pause")


def outlook_of(shown: dict[str, Any], now: datetime) -> Outlook | None:
    """Tell when a test will be decided; None where no sequential test decides."""
    look = shown["look"]
    if not look or "look" not in look:
        return None
    return outlook(look_of(look["look"]), minimum_effect=look["minimum_effect"], elapsed=active_seconds(shown, now))


def _told(shown: dict[str, Any], last: dict[str, Any]) -> str:
    outcome = last.get("outcome")
    if outcome:
        told = f"Ended, {outcome.replace('_', ' ')}: "
    else:
        told = "Ended undecided: " if shown["ended"] else "Still running: "
    return f"{told}{last['progress']}."


def _panels(shown: dict[str, Any], course: Sequence[dict[str, Any]], clock: _Clock) -> tuple[Panel, ...]:
    test = ABTest.model_validate(shown["design"])
    kind = "mean" if test.decision is None else test.decision.kind
    return _effect_panel(course, clock, kind), _evidence_panel(course, clock)


def _effect_panel(course: Sequence[dict[str, Any]], clock: _Clock, kind: str) -> Panel:
    factor, unit = (_POINTS, "percentage points") if kind == "proportion" else (1.0, "in the metric's own unit")
    least = course[-1]["minimum_effect"] * factor
    points = tuple((clock.at(look["time"]), look["look"]["effect"] * factor) for look in course)
    band = tuple(
        (clock.at(look["time"]), *(end * factor for end in look["look"]["interval"]))
        for look in course
        if None not in look["look"]["interval"]
    )
    calm = [point for point in band if point[0] >= _CALM_FROM * band[-1][0]]
    low, high = padded([0.0, least, points[-1][1], *(end for _, *ends in calm for end in ends)])
    return Panel(
        title=f"effect of the challenger on {course[-1]['metric']} ({unit})",
        low=low,
        high=high,
        bands=(Band(points=band, label="interval, right at all looks at once"),),
        curves=(Curve(points=points, label=f"effect {points[-1][1]:+.3g}"),),
        rules=(
            Rule(y=0.0, label="no effect"),
            Rule(y=least, label=f"worth having {least:+.3g}", tone="good"),
        ),
    )


def _evidence_panel(course: Sequence[dict[str, Any]], clock: _Clock) -> Panel:
    bounds = course[-1]["look"]["bounds"]

    def path(name: str) -> tuple[tuple[float, float], ...]:
        return tuple((clock.at(look["time"]), look["look"][name]) for look in course)

    single, weighted = path("log_likelihood_ratio"), path("weighted_log_likelihood_ratio")
    ends = [*(y for _, y in single), *(y for _, y in weighted)]
    reach = 2 * bounds["upper"], 2 * bounds["lower"]
    low, high = padded([bounds["lower"], bounds["upper"], max(min(ends), reach[1]), min(max(ends), reach[0])])
    return Panel(
        title="evidence: log-likelihood ratio (no unit)",
        low=low,
        high=high,
        curves=(
            Curve(points=weighted, label="with bets", tone="second"),
            Curve(points=single, label=f"evidence {single[-1][1]:+.2f}"),
        ),
        rules=(
            Rule(y=bounds["upper"], label="better from here on", tone="good"),
            Rule(y=bounds["lower"], label="not better below", tone="bad"),
            Rule(y=0.0, label=""),
        ),
    )


def _bandit_panels(shown: dict[str, Any], course: Sequence[dict[str, Any]], clock: _Clock) -> tuple[Panel, ...]:
    names = sorted(
        {name for look in course for name in look["arms"]}, key=lambda name: (name == shown["incumbent"], name)
    )

    def curves(value: Callable[[dict[str, Any]], float | None], spelled: str) -> tuple[Curve, ...]:
        found = []
        for number, name in enumerate(names):
            arms = [(clock.at(look["time"]), look["arms"][name]) for look in course if name in look["arms"]]
            points = tuple((x, y) for x, arm in arms if (y := value(arm)) is not None)
            if points:
                tone: Tone = "second" if name == shown["incumbent"] else _TONES[number % len(_TONES)]
                label = f"{name.rpartition('.')[2]} {format(points[-1][1], spelled)}"
                found.append(Curve(points=points, label=label, tone=tone))
        return tuple(found)

    shares = curves(lambda arm: arm["share"] * _POINTS, ".0f")
    means = curves(lambda arm: arm["mean"], ".4g")
    low, high = padded([y for curve in means for _, y in curve.points] or [0.0, 1.0])
    return (
        Panel(title="share of the units (percent)", low=0.0, high=_POINTS, curves=shares),
        Panel(title=f"mean of {course[-1]['metric']} (in its own unit)", low=low, high=high, curves=means),
    )


def _marks(shown: dict[str, Any], clock: _Clock, last: float) -> tuple[Mark, ...]:
    marks = []
    for split in shown["splits"]:
        x = clock.at(split["since"])
        share = split["shares"].get(shown["challenger"], 0.0)
        if x <= last:
            marks.append(Mark(x=max(x, 0.0), label="paused" if split["kind"] == "pause" else f"{share:.0%}"))
    return tuple(marks)
