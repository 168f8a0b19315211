"""What an A/B test will cost, before it starts: units and days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.errors import CallError
from rung.stats.sequential import WEIGHTS, SequentialTest, horizon

if TYPE_CHECKING:
    from rung.stats.effects import Goal, Kind

__all__ = ["Duration", "expected_duration", "required_units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long a sequential test is expected to run."""

    if_better: float  # days, mean, when the challenger is better by just the minimum effect
    if_no_effect: float  # days, mean, when it is not better
    at_most: float  # days within which 95 of 100 tests end, at whichever of the two is longer
    fixed_horizon: float  # days that a test with one look at the end would take


def required_units(  # keyword-only: the numbers of a plan
    *,
    kind: Kind,
    minimum_effect: float,
    baseline: float | None = None,
    variance: float | None = None,
    goal: Goal = "maximize",
    alpha: float = 0.05,
    power: float = 0.80,
    share: float = 0.5,
) -> int:
    """Return the units of both arms together that a test with one look at the end needs.

    Args:
        kind: The kind of the metric; a proportion may give its baseline in place of its variance.
        minimum_effect: The smallest effect worth having, in the metric's unit, above 0.
        baseline: The proportion of the incumbent, above 0 and below 1.
        variance: Of one unit's outcome; for a ratio, of (y - ratio x) / mean x. With a covariate of correlation r,
            (1 - r**2) of it.
        goal: Whether the proportion would rise or fall; its variance changes with it.
        alpha: Probability to promote a challenger that is not better.
        power: Probability to promote one that is better by the minimum effect.
        share: The challenger's share of the traffic, above 0 and below 1.

    Raises:
        CallError: A number is out of its range, or there is neither variance nor baseline.

    >>> required_units(kind="proportion", baseline=0.1, minimum_effect=0.01)
    23235
    """
    if not (minimum_effect > 0 and 0 < share < 1):
        raise CallError(f"the minimum effect {minimum_effect} must be above 0 and the share {share} between 0 and 1")
    if variance is None and kind == "proportion" and baseline is not None:
        variance = _proportion_variance(
            baseline, baseline + (minimum_effect if goal == "maximize" else -minimum_effect)
        )
    if variance is None or not variance > 0:
        raise CallError(
            f"a {kind} with variance {variance} and baseline {baseline} cannot be planned",
            hint="give a variance above 0, or for a proportion its baseline",
        )
    return math.ceil(horizon(alpha, power) * variance / (minimum_effect**2 * share * (1 - share)))


def expected_duration(units: int, *, units_per_day: float, alpha: float = 0.05, power: float = 0.80) -> Duration:
    """Return how many days a sequential test runs whose fixed-horizon size is `units` (from `required_units`).

    Wald's mean sample sizes, and the leading term of the time at which a Brownian motion with drift leaves an interval
    (Siegmund, "Sequential Analysis", 1985, chapter 3). Looks are frequent: each takes a four-hundredth of the units.

    Raises:
        CallError: There is no traffic.

    >>> expected_duration(22_258, units_per_day=3_000)
    Duration(if_better=4.7, if_no_effect=3.4, at_most=11.8, fixed_horizon=7.4)
    """
    if not units_per_day > 0:
        raise CallError(
            f"the traffic is {units_per_day} units a day, but must be above 0",
            hint="send traffic to the incumbent first, so that it can be measured",
        )
    bounds = SequentialTest(minimum_effect=1, kind="mean", goal="maximize", alpha=alpha, power=power).bounds
    up, down = bounds.upper - math.log(WEIGHTS[0]) + _OVERSHOOT, _OVERSHOOT - bounds.lower
    clock = horizon(alpha, power) * units_per_day / units  # information of one day, times the effect squared
    better = 2 * (power * up - (1 - power) * down) / clock
    nothing = 2 * ((1 - alpha) * down - alpha * up) / clock
    return Duration(
        if_better=round(better, 1),
        if_no_effect=round(nothing, 1),
        at_most=round(_exit_time(up, down, 0.95) / clock, 1),
        fixed_horizon=round(units / units_per_day, 1),
    )


_OVERSHOOT = 0.07
"""How far a test runs past its bound: .58 standard deviations of one look's step (Siegmund, 1985, chapter 10)."""


def _exit_time(up: float, down: float, share: float) -> float:
    """Information by which `share` of the tests have ended, with drift one half either way."""
    width = up + down
    rate = math.pi**2 / (2 * width**2) + 1 / 8

    def still_running(drift: float) -> float:
        edges = math.exp(drift * up) + math.exp(-drift * down)
        shape = math.pi / width**2 * math.sin(math.pi * down / width) / rate
        return shape * edges

    return max(math.log(max(still_running(drift), 1.0) / (1 - share)) / rate for drift in (-0.5, 0.5))


def _proportion_variance(baseline: float, moved: float) -> float:
    """Return the mean of the arms' variances, were the challenger better by the minimum effect."""
    if not (0 < baseline < 1 and 0 <= moved <= 1):
        raise CallError(
            f"a proportion of {baseline:g} that moves to {moved:g} is not between 0 and 1",
            hint="the minimum effect is absolute: 0.01 is one percentage point",
        )
    return (baseline * (1 - baseline) + moved * (1 - moved)) / 2
