"""The A/B decision: may be looked at any number of times, ends early in both directions, and is final.

Called by the promotion's control loop at every tick with the sums so far. The theory: A. Wald, "Sequential tests of
statistical hypotheses", 1945; D. Siegmund, "Sequential Analysis", 1985.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from rung.errors import CallError
from rung.stats.effects import Effect, Floats, Goal, Kind, check_kind_and_goal, skewness, stack, stratified_effect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rung.stats.arms import Stratum

__all__ = ["DECISIONS", "WEIGHTS", "Bounds", "Decision", "Look", "SequentialTest", "horizon", "log_likelihood_ratios"]

Decision: TypeAlias = Literal["better", "not_better", "harmful", "continue"]

MULTIPLES = np.array([1.0, 2.0, 4.0])
"""The effects that the test bets on, as multiples of the smallest effect worth having."""

WEIGHTS = np.array([0.97, 0.02, 0.01])
"""How much it bets on each: a little on larger effects ends tests of large effects sooner."""

DECISIONS: tuple[Decision, ...] = ("continue", "better", "not_better", "harmful")

_MOST_SKEWNESS = 0.2
"""Of the difference between the arms, before the first decision: above it, tail probabilities are not normal."""

_UNITS_PER_SKEWNESS = 3.0
"""Units of each arm, times the square of one unit's skewness, before the first decision: variances are poor before."""

_POWER_MARGIN = 0.03
"""Lowers the lower bound: the variance is estimated, and where outcomes are skewed that would cost power."""

_TILTED = 0.5
"""Of the tilt that an arm's own variance would bring: the other half of the time the common variance stands in."""

_HARM = NormalDist().inv_cdf(0.975)
"""A challenger that lost is called harmful when it is this many standard errors below zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where the test ends; log-likelihood ratios have no unit."""

    lower: float  # at or below: not better
    upper: float  # at or above: better
    burn_in: float  # information, as a share of the fixed-horizon test's, before the first decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a sequential test says at one moment."""

    decision: Decision  # everything but "continue" is final
    because: str  # one sentence
    effect: float  # in the metric's unit, positive is better
    standard_error: float  # in the metric's unit; infinite before there is evidence
    interval: tuple[float, float]  # confidence sequence of the effect: right at all looks at once; for display
    log_likelihood_ratio: float  # for the smallest effect worth having, against none; judged by the lower bound
    weighted_log_likelihood_ratio: float  # the same with bets on larger effects; judged by the upper bound
    bounds: Bounds
    progress: float  # 0 to 1: information against that of a fixed-horizon test; 1 once decided

    def to_json(self) -> dict[str, Any]:
        """Return the look as JSON can hold it: numbers that are not finite become null."""
        return {
            "decision": self.decision,
            "because": self.because,
            "effect": self.effect,
            "standard_error": _finite(self.standard_error),
            "interval": [_finite(end) for end in self.interval],
            "log_likelihood_ratio": self.log_likelihood_ratio,
            "weighted_log_likelihood_ratio": self.weighted_log_likelihood_ratio,
            "bounds": {"lower": self.bounds.lower, "upper": self.bounds.upper, "burn_in": self.bounds.burn_in},
            "progress": self.progress,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """A test of "the challenger is better by at least the smallest effect worth having" against "it is not better".

    >>> from rung.stats import Arm
    >>> test = SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize")
    >>> arms = Arm(units=9_000, y=1_250, yy=1_250), Arm(units=9_000, y=1_000, yy=1_000)
    >>> test.look([arms]).decision
    'better'
    """

    minimum_effect: float  # smallest effect worth having, in the metric's unit (not relative), above 0
    kind: Kind
    goal: Goal
    alpha: float = 0.05  # probability to promote a challenger that is not better
    power: float = 0.80  # probability to promote a challenger that is better by the minimum effect
    burn_in: float = 0.10  # share of the fixed-horizon size before the first decision, at least .1

    def __post_init__(self) -> None:
        check_kind_and_goal(self.kind, self.goal)
        if not (self.minimum_effect > 0 and math.isfinite(self.minimum_effect)):
            raise CallError(
                f"the minimum effect is {self.minimum_effect}, but must be above 0 and finite",
                hint="declare the smallest change of the metric that is worth having; the goal gives the direction",
            )
        if not 0 < self.alpha < 0.5 <= self.power < 1:  # noqa: PLR2004  # worse than a coin is no test
            raise CallError(f"alpha {self.alpha} must be between 0 and 0.5, and power {self.power} from 0.5 to below 1")
        if not _LEAST_BURN_IN <= self.burn_in <= 1:
            raise CallError(f"the burn-in is {self.burn_in}, but must be {_LEAST_BURN_IN} to 1 of the fixed horizon")

    @property
    def fixed_information(self) -> float:
        """Information (1 / standard error squared) at which a test with one look would end."""
        return horizon(self.alpha, self.power) / self.minimum_effect**2

    @property
    def bounds(self) -> Bounds:
        """Wald's bounds, with the bets on larger effects paid for."""
        lower = math.log((1 - self.power) / (1 - self.alpha)) - _POWER_MARGIN
        spent = (1 - self.alpha) * WEIGHTS[0] * math.exp(lower)  # of the bet, when the test ends below
        return Bounds(lower=lower, upper=math.log((1 - spent) / self.alpha), burn_in=self.burn_in)

    def look(self, strata: Sequence[Stratum]) -> Look:
        """Judge the sums so far.

        Args:
            strata: (challenger, incumbent) per stretch of time with the same traffic split, better per day: a unit
                counts where it was first seen.

        Raises:
            CallError: There is no stratum.
        """
        found = stratified_effect(strata, kind=self.kind, goal=self.goal)
        estimate, information = np.array(found.estimate), np.array(found.information)
        sums = stack(strata)
        ready = bool(self.is_ready(information, sums))
        code = self.decide(estimate, information, tilt=self.tilt(information, sums))
        decision = DECISIONS[int(code)] if ready else "continue"
        single, weighted = log_likelihood_ratios(estimate, information, minimum_effect=self.minimum_effect)
        return Look(
            decision=decision,
            because=f"{_seen(strata)} {_because(self, decision, ready, found)}",
            effect=found.estimate,
            standard_error=found.standard_error,
            interval=confidence_sequence(found, self.fixed_information, self.alpha),
            log_likelihood_ratio=float(single),
            weighted_log_likelihood_ratio=float(weighted),
            bounds=self.bounds,
            progress=1.0 if decision != "continue" else min(found.information / self.fixed_information, 0.99),
        )

    def is_ready(self, information: Floats, sums: Floats) -> NDArray[np.bool_]:
        """Tell where the burn-in is over: enough information, and a normal approximation that can be trusted.

        Shapes: information (...), sums (FIELDS, 2 arms, strata, ...).
        """
        units = np.maximum(sums[0].sum(axis=1), 1.0)
        normal = np.abs(_difference_skewness(sums)) <= _MOST_SKEWNESS
        known = units.min(axis=0) >= _UNITS_PER_SKEWNESS * skewness(sums) ** 2
        ready: NDArray[np.bool_] = (information >= self.burn_in * self.fixed_information) & normal & known
        return ready

    def tilt(self, information: Floats, sums: Floats) -> Floats:
        """Return by how much the log-likelihood ratio is expected to lie too low, at least 0.

        The variance of a small arm of skewed outcomes is large just when its mean is: lucky challengers count less than
        unlucky ones (the mean of Student's t of skewed outcomes: N. Johnson, "Modified t tests and confidence intervals
        for asymmetrical populations", JASA 1978). Even arms cancel it. Shapes as `is_ready`.
        """
        sign = 1.0 if self.goal == "maximize" else -1.0
        lean = _TILTED * np.maximum(sign * _difference_skewness(sums), 0.0)
        result: Floats = lean * self.minimum_effect * np.sqrt(information)
        return result

    def decide(self, estimate: Floats, information: Floats, *, tilt: Floats) -> NDArray[np.int64]:
        """Return the index into `DECISIONS` of each look after the burn-in; arrays of one shape."""
        single, mixed = log_likelihood_ratios(estimate, information, minimum_effect=self.minimum_effect)
        bounds = self.bounds
        harmful = estimate * np.sqrt(information) <= -_HARM
        ended = np.where(single + tilt <= bounds.lower, np.where(harmful, 3, 2), 0)
        return np.where(mixed >= bounds.upper, 1, ended)


_LEAST_BURN_IN = 0.1


def _difference_skewness(sums: Floats) -> Floats:
    """Return the skewness of challenger less incumbent, were both arms' outcomes alike: even arms cancel it."""
    units = np.maximum(sums[0].sum(axis=1), 1.0)
    uneven: Floats = (1 / units[0] - 1 / units[1]) / np.sqrt(1 / units[0] + 1 / units[1])
    return skewness(sums) * uneven


def horizon(alpha: float, power: float) -> float:
    """Return the information at which a one-sided test with one look ends, times the effect squared."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) ** 2


def log_likelihood_ratios(estimate: Floats, information: Floats, *, minimum_effect: float) -> tuple[Floats, Floats]:
    """Return (at the minimum effect, of the weighted bets), each against no effect; arrays of one shape."""
    score, clock = minimum_effect * estimate * information, minimum_effect**2 * information
    bets = np.multiply.outer(MULTIPLES, score) - np.multiply.outer(MULTIPLES**2 / 2, clock)
    return bets[0], np.logaddexp.reduce(bets + np.log(WEIGHTS).reshape((-1,) + (1,) * np.ndim(score)), axis=0)


def confidence_sequence(found: Effect, fixed_information: float, alpha: float) -> tuple[float, float]:
    """Return an interval that covers the effect at all looks at once with probability 1 - 2 alpha.

    It is narrowest at the fixed horizon: Robbins' normal mixture (Howard, Ramdas, McAuliffe, Sekhon, "Time-uniform
    confidence sequences", 2021; Waudby-Smith et al., arXiv 2103.06476). The test decides sooner than this interval
    leaves zero: it is for the eye.
    """
    if found.information <= 0:
        return -math.inf, math.inf
    level = -2 * math.log(2 * alpha)
    scale = fixed_information / (level + math.log1p(level))
    total = found.information + scale
    radius = math.sqrt(total * (level + math.log(total / scale))) / found.information
    return found.estimate - radius, found.estimate + radius


def _seen(strata: Sequence[Stratum]) -> str:
    challenger, incumbent = (sum(stratum[arm].units for stratum in strata) for arm in (0, 1))
    return f"after {challenger:,} challenger and {incumbent:,} incumbent units"


def _because(test: SequentialTest, decision: Decision, ready: bool, found: Effect) -> str:  # noqa: FBT001  # a fact
    if not math.isfinite(found.standard_error):
        return "there is no evidence yet: no outcome varies"
    size = f"{found.estimate:+.4g} (standard error {found.standard_error:.2g})"
    worth = f"the smallest effect worth having, {test.minimum_effect:.4g}"
    if not ready:
        return f"it is too early to decide: the challenger's effect so far is {size}"
    sentences: dict[Decision, str] = {
        "better": f"the challenger is better by {size}, tested against {worth}",
        "not_better": f"the challenger's effect of {size} does not reach {worth}",
        "harmful": f"the challenger is worse: its effect is {size}, significantly below zero",
        "continue": f"the challenger's effect of {size} is not decided yet against {worth}",
    }
    return sentences[decision]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
