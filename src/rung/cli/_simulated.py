"""What `rung simulate-ab` tells and draws of simulated tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.charts.blocks import coloured
from rung.charts.figure import Band, Curve, Figure, Panel, Rule, padded
from rung.cli._duration import spell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.stats import Simulated

_DAY_S = 86_400.0
_PERCENT = 100.0
_HEADER = (
    "EFFECT",
    "BETTER",
    "NOT BETTER",
    "HARMFUL",
    "UNDECIDED",
    "UNITS MEAN",
    "UNITS MEDIAN",
    "TIME MEAN",
    "TIME MEDIAN",
    "95 % WITHIN",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The A/B test that was simulated."""

    name: str  # as housing.v1
    metric: str
    minimum_effect: float  # in the metric's unit
    alpha: float
    power: float
    units: int  # that were recorded
    units_per_day: float
    deadline_s: float

    def seconds(self, units: float) -> float:
        """Give how long units take to come."""
        return units / self.units_per_day * _DAY_S


def rows(found: Sequence[Simulated], declared: Declared) -> tuple[list[list[str]], tuple[str, ...]]:
    """Give the table: its rows, and its header."""
    return [_row(one, declared) for one in found], _HEADER


def _row(one: Simulated, declared: Declared) -> list[str]:
    size = one.effect * declared.minimum_effect
    name = "none (A/A)" if one.effect == 0 else f"{size:+.4g} ({one.effect:g} x)"
    shares = (one.better, one.not_better, one.harmful, one.undecided)
    times = (one.mean_units, one.median_units, one.p95_units)
    return [
        name,
        *(f"{share:.1%}" for share in shares),
        *(f"{units:,.0f}" for units in (one.mean_units, one.median_units)),
        *(spell(declared.seconds(units)) for units in times),
    ]


def verdicts(found: Sequence[Simulated], declared: Declared) -> list[str]:
    """Say what the figures mean: how often it is wrong, and whether the minimum effect can be seen in time."""
    told = []
    for one in found:
        if one.effect == 0:
            told.append(_false_positives(one, declared))
        if one.effect == 1:
            told.append(_power(one, declared))
    return told


def _false_positives(one: Simulated, declared: Declared) -> str:
    low, high = one.better_interval
    figures = f"{one.better:.2%} of {one.repeats:,} A/A tests ({low:.2%} to {high:.2%})"
    if low > declared.alpha:
        return coloured(f"false positives: {figures}, which is more than the declared {declared.alpha:.0%}", "bad")
    return f"false positives: {figures}, and {declared.alpha:.0%} are declared"


def _power(one: Simulated, declared: Declared) -> str:
    low, high = one.better_interval
    deadline = spell(declared.deadline_s)
    figures = f"{one.better:.1%} of {one.repeats:,} tests ({low:.1%} to {high:.1%})"
    subject = f"a challenger that is better by {declared.minimum_effect:g}"
    if high < declared.power:
        return coloured(
            f"no: {subject} wins only {figures} before the deadline of {deadline}, and {declared.power:.0%} are"
            " declared; declare a larger minimum_effect or a later deadline, or bring more units",
            "bad",
        )
    mean = spell(declared.seconds(one.mean_units))
    return coloured(f"yes: {subject} wins {figures} before the deadline of {deadline}, after {mean} on average", "good")


def can_be_seen(found: Sequence[Simulated], declared: Declared) -> bool | None:
    """Tell whether the minimum effect is seen before the deadline as often as declared; None: not simulated."""
    return next((one.better_interval[1] >= declared.power for one in found if one.effect == 1), None)


def figure_of(found: Sequence[Simulated], declared: Declared) -> Figure:
    """Make the figure: how often the challenger is promoted, and how long that takes, by its effect."""
    ordered = sorted(found, key=lambda one: one.effect)
    low, high = padded([one.effect for one in ordered], by=0.03)
    return Figure(
        title=f"{declared.name}: A/B tests of {declared.metric}, simulated",
        told=(
            f"{ordered[0].repeats:,} tests for each effect, on the outcomes of {declared.units:,} recorded units, with"
            f" {declared.units_per_day:,.0f} new units a day."
        ),
        x_title=f"effect of the challenger, in minimum effects of {declared.minimum_effect:g}",
        low=low,
        high=high,
        panels=(_power_panel(ordered, declared), _time_panel(ordered, declared)),
    )


def _power_panel(ordered: Sequence[Simulated], declared: Declared) -> Panel:
    return Panel(
        title="tests that promote the challenger (percent)",
        low=-3.0,
        high=_PERCENT + 3.0,
        bands=(
            Band(
                points=tuple(
                    (one.effect, one.better_interval[0] * _PERCENT, one.better_interval[1] * _PERCENT)
                    for one in ordered
                ),
                label="Wilson interval, 95 %",
            ),
        ),
        curves=(
            Curve(points=tuple((one.effect, one.better * _PERCENT) for one in ordered), label="promoted", dotted=True),
        ),
        rules=(
            Rule(y=declared.power * _PERCENT, label=f"power declared {declared.power:.0%}", tone="good"),
            Rule(y=declared.alpha * _PERCENT, label=f"errors declared {declared.alpha:.0%}", tone="bad"),
        ),
    )


def _time_panel(ordered: Sequence[Simulated], declared: Declared) -> Panel:
    unit, name = (_DAY_S, "days") if declared.deadline_s >= 2 * _DAY_S else (3_600.0, "hours")

    def path(units: Sequence[float]) -> tuple[tuple[float, float], ...]:
        return tuple((one.effect, declared.seconds(taken) / unit) for one, taken in zip(ordered, units, strict=True))

    mean = path([one.mean_units for one in ordered])
    median = path([one.median_units for one in ordered])
    slow = path([one.p95_units for one in ordered])
    deadline = declared.deadline_s / unit
    most = max(y for _, y in slow)
    is_near = deadline <= 3 * most
    _, high = padded([0.0, most, *([deadline] if is_near else [])])
    return Panel(
        title=f"time to the decision ({name})",
        low=0.0,
        high=high,
        curves=(
            Curve(points=slow, label="95 % within", tone="quiet", dotted=True),
            Curve(points=median, label="median", tone="second", dotted=True),
            Curve(points=mean, label="mean", dotted=True),
        ),
        rules=(Rule(y=deadline, label="deadline", tone="bad"),) if is_near else (),
    )
