"""Traffic shares that follow the evidence: Thompson sampling over any number of arms, and the rule that ends it.

The control plane calls it every minute or so with each arm's sums. Nothing is drawn at random here: the same sums give
the same shares. W. Thompson, 1933; S. Scott, "A modern Bayesian look at the multi-armed bandit", 2010.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rung.errors import CallError
from rung.stats.arms import Arm
from rung.stats.effects import FIELDS, Floats, Goal, Kind, check_kind_and_goal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BanditLook",
    "Posterior",
    "best_probabilities",
    "discounted",
    "expected_regret",
    "judge_bandit",
    "posterior",
    "shares_of",
    "thompson_shares",
    "within",
]

_STEPS = np.linspace(-6.0, 6.0, 49)
"""Standard deviations at which every arm's distribution is taken for the quadrature."""

_COMMON_VARIANCE_UNITS = 100.0
"""The variance of all arms together weighs like this many units of each, as in `effects`."""

_PARTS = 2**20
"""Shares are multiples of one part: sums of them are exact in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditLook:
    """What a bandit says at one moment."""

    winner: str | None  # the arm to keep; None: go on
    because: str  # one sentence
    shares: Mapping[str, float]  # of the traffic from now on; sums to 1 exactly
    best: Mapping[str, float]  # probability of each arm to be the best
    value_remaining: float  # in the metric's unit: with the asked confidence nothing better than this is missed
    expected_regret: float  # in the metric's unit, per unit of traffic under `shares`


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What is believed of each arm's metric, turned so that more is better; arrays of shape (arms, ...)."""

    mean: Floats
    deviation: Floats
    alpha: Floats | None = None  # of a Beta distribution; None: normal
    beta: Floats | None = None

    def grid(self) -> Floats:
        """Return the points at which every arm's distribution is known well, sorted, shape (points, ...)."""
        steps = _STEPS.reshape((-1,) + (1,) * self.mean.ndim)
        points = (self.mean + steps * self.deviation).reshape((-1, *self.mean.shape[1:]))
        reach = 4 * self.deviation.max(axis=0)  # beyond six of its own
        points = np.concatenate([points, [points.min(axis=0) - reach, points.max(axis=0) + reach]])
        if self.alpha is not None:
            points = np.clip(points, 0.0, 1.0)
            points[-2:] = np.array([0.0, 1.0]).reshape((-1,) + (1,) * (points.ndim - 1))
        return np.sort(points, axis=0)

    def cdf(self, points: Floats) -> Floats:
        """Return each arm's distribution function, shape (arms, points, ...)."""
        from scipy import special  # noqa: PLC0415  # a fifth of a second, which only a bandit needs to wait for

        result: Floats
        if self.alpha is None or self.beta is None:
            result = special.ndtr((points - self.mean[:, None]) / self.deviation[:, None])
        else:
            result = special.betainc(self.alpha[:, None], self.beta[:, None], np.clip(points, 0.0, 1.0))
        return result


def posterior(sums: Floats, *, kind: Kind, goal: Goal) -> Posterior:
    """Return what sums of shape (FIELDS, arms, ...) tell of each arm.

    A proportion is Beta, from a uniform prior. Means and ratios are normal around the arm's own estimate, after one
    unit like the average of all arms; variances lean on that of all arms.
    """
    units, y = sums[0], sums[1]
    if kind == "proportion":
        won, lost = 1 + np.maximum(y, 0.0), 1 + np.maximum(units - y, 0.0)
        alpha, beta = (won, lost) if goal == "maximize" else (lost, won)
        total = alpha + beta
        return Posterior(
            mean=alpha / total, deviation=np.sqrt(alpha * beta / (total + 1)) / total, alpha=alpha, beta=beta
        )
    centre, variance = _normal(sums, kind)
    sign = 1.0 if goal == "maximize" else -1.0
    known = (variance > 0).all(axis=0)
    deviation = np.where(known, np.sqrt(variance / (units + 1)), 1.0)
    return Posterior(mean=np.where(known, sign * centre, 0.0), deviation=deviation)


def _normal(sums: Floats, kind: Kind) -> tuple[Floats, Floats]:
    """Return centre and variance of one unit's outcome for each arm; variance 0 while nothing varies."""
    units, y, yy, x, xx, xy = sums[:6]
    everyone = np.maximum(units.sum(axis=0), 1.0)
    base = x if kind == "ratio" else units
    total = base.sum(axis=0)
    size = np.where(total > 0, total, everyone) / everyone  # of one unit, in the denominator
    prior = y.sum(axis=0) / everyone / size
    centre = (y + prior * size) / (base + size)
    if kind == "ratio":
        own = np.maximum(yy - 2 * centre * xy + centre**2 * xx, 0.0) / size**2
        common = np.maximum(yy - 2 * prior * xy + prior**2 * xx, 0.0).sum(axis=0) / size**2 / everyone
    else:
        own = np.maximum(yy - 2 * centre * y + centre**2 * units, 0.0)
        common = np.maximum(yy - 2 * prior * y + prior**2 * units, 0.0).sum(axis=0) / everyone
    return centre, (own + _COMMON_VARIANCE_UNITS * common) / (units + _COMMON_VARIANCE_UNITS)


def best_probabilities(believed: Posterior) -> Floats:
    """Return the probability of each arm to be the best, shape (arms, ...), by quadrature over all arms' grids."""
    below = believed.cdf(believed.grid())
    mass, others = np.diff(below, axis=1), _others(below)
    chances = (mass * (others[:, 1:] + others[:, :-1]) / 2).sum(axis=1)
    result: Floats = chances / chances.sum(axis=0)
    return result


def within(believed: Posterior, margin: float) -> Floats:
    """Return the probability that no arm is better than each arm by more than `margin`, shape (arms, ...)."""
    grid = believed.grid()
    points = np.sort(np.concatenate([grid, grid - margin]), axis=0)
    mass, others = np.diff(believed.cdf(points), axis=1), _others(believed.cdf(points + margin))
    result: Floats = (mass * (others[:, 1:] + others[:, :-1]) / 2).sum(axis=1)
    return result


def _others(below: Floats) -> Floats:
    """Return the product of the distribution functions of all arms but each."""
    return np.stack([np.prod(np.delete(below, arm, axis=0), axis=0) for arm in range(below.shape[0])])


def _expected_best(believed: Posterior) -> Floats:
    grid = believed.grid()
    mass = np.diff(np.prod(believed.cdf(grid), axis=0), axis=0)
    result: Floats = (mass * (grid[1:] + grid[:-1]) / 2).sum(axis=0)
    return result


def shares_of(chances: Floats, floor: float) -> Floats:
    """Return shares of shape (arms, ...): the floor for every arm, the rest by its chance; sums are exactly 1."""
    count = chances.shape[0]
    least = min(math.ceil(floor * _PARTS), _PARTS // count)  # a third of the parts, thrice, would be one too many
    free = _PARTS - least * count
    parts = least + np.floor(free * chances / chances.sum(axis=0))
    largest = chances.argmax(axis=0)[None]
    rest = _PARTS - parts.sum(axis=0, keepdims=True)
    np.put_along_axis(parts, largest, np.take_along_axis(parts, largest, axis=0) + rest, axis=0)
    result: Floats = parts / _PARTS
    return result


def thompson_shares(arms: Mapping[str, Arm], *, kind: Kind, goal: Goal, floor: float = 0.05) -> dict[str, float]:
    """Return each arm's share of the traffic: its probability to be the best, and at least the floor.

    Shares are multiples of 2**-20, so that they sum to exactly 1 in any order.

    Args:
        arms: The sums of each arm so far, at least two arms.
        kind: Of the metric.
        goal: Whether more is better.
        floor: The least share of every arm, at least 0; all floors together at most 1.

    Raises:
        CallError: There are fewer than two arms, the floors are above 1 together, or kind or goal are not known.

    >>> arms = {"new": Arm.of([1] * 30 + [0] * 170), "old": Arm.of([1] * 20 + [0] * 180)}
    >>> shares = thompson_shares(arms, kind="proportion", goal="maximize")
    >>> round(shares["new"], 2), sum(shares.values())
    (0.89, 1.0)
    """
    _check(arms, floor, kind, goal)
    shares = shares_of(best_probabilities(posterior(_stacked(arms), kind=kind, goal=goal)), floor)
    return dict(zip(arms, shares.tolist(), strict=True))


def expected_regret(arms: Mapping[str, Arm], shares: Mapping[str, float], *, kind: Kind, goal: Goal) -> float:
    """Return what one unit of traffic is expected to lose under these shares, against the best arm if it were known.

    In the metric's unit. Arguments and errors as `thompson_shares`; every arm has a share.

    >>> arms = {"new": Arm.of([1] * 30 + [0] * 170), "old": Arm.of([1] * 20 + [0] * 180)}
    >>> round(expected_regret(arms, {"new": 0.5, "old": 0.5}, kind="proportion", goal="maximize"), 3)
    0.026
    """
    _check(arms, 0.0, kind, goal)
    if set(shares) != set(arms):
        raise CallError(f"shares are of {sorted(shares)}, arms are {sorted(arms)}, but both must name the same")
    believed = posterior(_stacked(arms), kind=kind, goal=goal)
    return _regret(believed, np.array([shares[name] for name in arms]))


def _regret(believed: Posterior, shares: Floats) -> float:
    return max(0.0, float(_expected_best(believed) - shares @ believed.mean / shares.sum()))


def judge_bandit(
    arms: Mapping[str, Arm],
    *,
    kind: Kind,
    goal: Goal,
    minimum_effect: float,
    floor: float = 0.05,
    confidence: float = 0.995,
    burn_in: int = 100,
) -> BanditLook:
    """Set the shares, and name the winner once little is left to be gained by going on.

    The value remaining is what the best of the other arms may be better by; the arm that is most likely the best wins
    when, with the asked confidence, that is no more than the smallest effect worth having (S. Scott, "Multi-armed
    bandit experiments in the online service economy", 2015, which compares with a share of the arm's own value).

    Args:
        arms: The sums of each arm so far, at least two arms.
        kind: Of the metric.
        goal: Whether more is better.
        minimum_effect: The smallest effect worth having, in the metric's unit, above 0.
        floor: The least share of every arm.
        confidence: Probability with which the value remaining is no more than it says, above .5 and below 1. It is read
            at every look, so the winner is wrong more often than once in 200: `docs/statistics.md` has by how much.
        burn_in: Units of every arm before a winner is named.

    Raises:
        CallError: As `thompson_shares`, or the minimum effect or the confidence is out of its range.

    >>> arms = {"new": Arm.of([1] * 300 + [0] * 1700), "old": Arm.of([1] * 200 + [0] * 1800)}
    >>> judge_bandit(arms, kind="proportion", goal="maximize", minimum_effect=0.01).winner
    'new'
    """
    _check(arms, floor, kind, goal)
    if not (minimum_effect > 0 and 0.5 < confidence < 1):  # noqa: PLR2004  # a coin is no confidence
        raise CallError(f"the minimum effect {minimum_effect} must be above 0, the confidence {confidence} in (0.5, 1)")
    names, sums = list(arms), _stacked(arms)
    believed = posterior(sums, kind=kind, goal=goal)
    chances = best_probabilities(believed)
    leader = int(chances.argmax())
    remaining = _value_remaining(believed, leader, confidence)
    ended = bool(remaining <= minimum_effect and sums[0].min() >= burn_in)
    shares = shares_of(chances, floor)
    return BanditLook(
        winner=names[leader] if ended else None,
        because=_because(names[leader], float(chances[leader]), remaining, ended=ended, few=sums[0].min() < burn_in)
        + f" (smallest effect worth having {minimum_effect:.4g}, confidence {confidence:.1%})",
        shares=dict(zip(names, shares.tolist(), strict=True)),
        best=dict(zip(names, chances.tolist(), strict=True)),
        value_remaining=remaining,
        expected_regret=_regret(believed, shares),
    )


def _value_remaining(believed: Posterior, leader: int, confidence: float) -> float:
    """Return the quantile of how much the best other arm is better than the leader, at least 0."""
    low, high = 0.0, float(np.ptp(believed.grid()))
    if within(believed, low)[leader] >= confidence:
        return low
    for _ in range(40):  # halvings: to a millionth of a millionth of the range
        middle = (low + high) / 2
        enough = within(believed, middle)[leader] >= confidence
        low, high = (low, middle) if enough else (middle, high)
    return high


def _because(leader: str, chance: float, remaining: float, *, ended: bool, few: bool) -> str:
    told = f"{leader} is the best with probability {chance:.1%}, and another may be better by {remaining:.3g} at most"
    if ended:
        return f"{told}: that is not worth going on"
    return f"{told}: too few units yet" if few else f"{told}: that is worth going on"


def discounted(sums: Sequence[Arm], factor: float) -> Arm:
    """Add up one arm's sums of successive periods, each older one counted `factor` times the next.

    For metrics that change: with periods of a minute and a half-life of a day the factor is 0.5 ** (1 / 1440).

    Args:
        sums: Of each period, oldest first.
        factor: Above 0 and at most 1.

    Raises:
        CallError: The factor is out of its range.

    >>> discounted([Arm.of([1, 1]), Arm.of([0, 1])], 0.5)  # doctest: +ELLIPSIS
    Arm(units=3, y=2.0, yy=2.0, ...)
    """
    if not 0 < factor <= 1:
        raise CallError(f"the factor is {factor}, but must be above 0 and at most 1", hint="1 forgets nothing")
    if not sums:
        return Arm(units=0, y=0.0, yy=0.0)
    rows = np.array([[getattr(arm, name) for name in FIELDS] for arm in sums], dtype=np.float64)
    weights = factor ** np.arange(len(sums) - 1, -1, -1.0)
    total = dict(zip(FIELDS, (weights @ rows).tolist(), strict=True))
    cubes = total.pop("yyy")
    return Arm(units=round(total.pop("units")), yyy=None if math.isnan(cubes) else cubes, **total)


def _stacked(arms: Mapping[str, Arm]) -> Floats:
    return np.array([[getattr(arm, name) for arm in arms.values()] for name in FIELDS], dtype=np.float64)


def _check(arms: Mapping[str, Arm], floor: float, kind: Kind, goal: Goal) -> None:
    check_kind_and_goal(kind, goal)
    if len(arms) < 2:  # noqa: PLR2004  # one arm is no choice
        raise CallError(f"{len(arms)} arms are no choice", hint="give the sums of at least two arms")
    if not 0 <= floor <= 1 / len(arms):
        raise CallError(
            f"a floor of {floor:g} for each of {len(arms)} arms is more than all traffic, or below 0",
            hint=f"at most {1 / len(arms):.4g}",
        )
