"""One effect and one standard error for every kind of metric: delta method, CUPED, strata.

The arithmetic runs on arrays of sums, so that one call serves one experiment or many simulated ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.stats.arms import Arm, Stratum

__all__ = ["FIELDS", "Effect", "Floats", "Goal", "Kind", "combine", "effect", "skewness", "stack", "stratified_effect"]

Kind: TypeAlias = Literal["proportion", "mean", "ratio"]
Goal: TypeAlias = Literal["maximize", "minimize"]
Floats: TypeAlias = NDArray[np.float64]

FIELDS = ("units", "y", "yy", "x", "xx", "xy", "z", "zz", "yz", "xz", "yyy")
"""The first axis of an array of sums; cubes that are not known are nan."""

_COMMON_VARIANCE_UNITS = 100.0
"""The variance of all units together weighs like this many units of each arm, so that a handful of units that happen
to be alike cannot claim certainty."""

_ROUNDING = 1e-9
"""Of one unit's outcome, in sums."""

_MINIMUM_UNITS = 2
"""Units that an arm of a stratum needs before it has a variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How much better the challenger is, in the metric's unit; positive is better, whatever the goal."""

    estimate: float
    standard_error: float  # infinite while there is no evidence at all

    @property
    def information(self) -> float:
        """1 / standard error squared: the clock that sequential tests run on."""
        return 0.0 if math.isinf(self.standard_error) else self.standard_error**-2


def effect(challenger: Arm, incumbent: Arm, *, kind: Kind, goal: Goal) -> Effect:
    """Compare two arms whose share of the traffic stayed the same.

    A proportion has an outcome from 0 to 1 per unit, a mean any number, a ratio a numerator and a denominator (delta
    method: Deng, Knoblich, Lu, "Applying the delta method in metric analytics", KDD 2018). Covariates, where the arms
    have them, take out what they explain (CUPED: Deng et al., WSDM 2013).

    >>> from rung.stats import Arm
    >>> found = effect(Arm.of([1, 1, 1, 0]), Arm.of([0, 1, 0, 0]), kind="proportion", goal="maximize")
    >>> found.estimate, round(found.standard_error, 3)
    (0.5, 0.395)
    """
    return stratified_effect([(challenger, incumbent)], kind=kind, goal=goal)


def stratified_effect(strata: Sequence[Stratum], *, kind: Kind, goal: Goal) -> Effect:
    """Compare two arms within each stratum, and average by inverse variance.

    Make a new stratum whenever the traffic split changes, better every day, and count a unit where it was first seen:
    pooling over a ramp takes a change of the season for an effect of the challenger.

    Raises:
        CallError: The kind or the goal is not known, there is no stratum, a ratio has no denominators, or a proportion
            has outcomes that are not between 0 and 1.
    """
    check_kind_and_goal(kind, goal)
    sums = stack(strata)
    _check_kind(sums, kind)
    estimate, information = combine(sums, kind=kind)
    sign = 1.0 if goal == "maximize" else -1.0
    error = float(information) ** -0.5 if information > 0 else math.inf
    return Effect(estimate=sign * float(estimate), standard_error=error)


def check_kind_and_goal(kind: str, goal: str) -> None:
    """Raise a CallError when either is not one that is known."""
    for name, value, known in (("kind", kind, get_args(Kind)), ("goal", goal, get_args(Goal))):
        if value not in known:
            raise CallError(f"the {name} of a metric is {value!r}", hint=f"use one of {', '.join(known)}")


def _check_kind(sums: Floats, kind: Kind) -> None:
    units, y, yy, x = sums[:4]
    if kind == "ratio" and units.any() and not x.any():
        raise CallError("a ratio has no denominators", hint="give each unit's denominator, or use the kind mean")
    if kind == "proportion" and (yy > y + _ROUNDING * units).any():
        raise CallError(
            "a proportion has outcomes that are not between 0 and 1",
            hint="count a unit once, with its share of successes; use the kind mean for other numbers",
        )


def stack(strata: Sequence[Stratum]) -> Floats:
    """Return the sums as an array of shape (FIELDS, 2 arms, strata), challenger first."""
    if not strata:
        raise CallError("an effect needs at least one stratum of (challenger, incumbent)")
    rows = [[[getattr(stratum[arm], name) for stratum in strata] for arm in (0, 1)] for name in FIELDS]
    return np.array(rows, dtype=np.float64)  # None becomes nan


def skewness(sums: Floats) -> Floats:
    """Return one unit's skewness, shape (...), of sums of shape (FIELDS, 2 arms, strata, ...).

    All arms and strata in one pot; 0 where cubes are not known.
    """
    n, y, yy, yyy = (sums[FIELDS.index(name)].sum(axis=(0, 1)) for name in ("units", "y", "yy", "yyy"))
    units = np.maximum(n, 1.0)
    mean, square = y / units, yy / units
    variance = np.maximum(square - mean**2, 0.0)
    third = yyy / units - 3 * mean * square + 2 * mean**3
    result: Floats = np.nan_to_num(third / np.where(variance > 0, variance, np.inf) ** 1.5)
    return result


def combine(sums: Floats, *, kind: Kind) -> tuple[Floats, Floats]:
    """Return (challenger - incumbent, information) of sums of shape (FIELDS, 2 arms, strata, ...), each shape (...).

    Strata without two units in each arm are left out. Information is 0 where nothing varies or nothing is left.
    """
    units = sums[0]
    usable = (units >= _MINIMUM_UNITS).all(axis=0)
    if kind == "ratio":
        usable &= (sums[3] > 0).all(axis=0)
    sums = np.where(usable, sums, _EMPTY.reshape((-1,) + (1,) * (sums.ndim - 1)))
    units = sums[0] * usable
    centre, variance = _adjusted(_moments(sums, kind), units)
    difference = centre[0] - centre[1]
    error, common = _error_variances(difference, variance, units)
    share = usable / np.where(common > 0, common, np.inf)  # of what both arms share: luck must not choose the weight
    total = share.sum(axis=0)
    weight = share / np.where(total > 0, total, 1.0)
    squared_error = (weight**2 * error).sum(axis=0)
    return (weight * difference).sum(axis=0), np.where(total > 0, 1 / np.where(total > 0, squared_error, 1.0), 0.0)


_EMPTY = np.array([2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
"""Stands in for a stratum that is left out, so that no division fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Per arm and stratum: of the unit's outcome, made linear where it is a ratio, and of the covariate."""

    centre: Floats
    variance: Floats
    covariate: Floats
    covariate_variance: Floats
    covariance: Floats


def _moments(sums: Floats, kind: Kind) -> _Moments:
    n, y, yy, x, xx, xy, z, zz, yz, xz, _ = sums
    bessel = n / (n - 1)
    mean, zbar = y / n, z / n
    zvar = np.maximum(zz / n - zbar**2, 0.0) * bessel
    if kind != "ratio":
        variance = np.maximum(yy / n - mean**2, 0.0) * bessel
        return _Moments(
            centre=mean,
            variance=variance,
            covariate=zbar,
            covariate_variance=zvar,
            covariance=(yz / n - mean * zbar) * bessel,
        )
    ratio, xbar = y / x, x / n
    squares = np.maximum(yy - 2 * ratio * xy + ratio**2 * xx, 0.0)  # of y - ratio x, which sums to zero
    return _Moments(
        centre=ratio,
        variance=squares / n / xbar**2 * bessel,
        covariate=zbar,
        covariate_variance=zvar,
        covariance=(yz - ratio * xz) / n / xbar * bessel,
    )


def _adjusted(moments: _Moments, units: Floats) -> tuple[Floats, Floats]:
    """Take out of centre and variance what the covariate explains, with one slope for all arms and strata."""
    explained = (units * moments.covariance).sum(axis=(0, 1))
    spread = (units * moments.covariate_variance).sum(axis=(0, 1))
    slope = np.where(spread > 0, explained / np.where(spread > 0, spread, 1.0), 0.0)
    variance = moments.variance - 2 * slope * moments.covariance + slope**2 * moments.covariate_variance
    return moments.centre - slope * moments.covariate, np.maximum(variance, 0.0)


def _stratum_variance(difference: Floats, variance: Floats, units: Floats) -> Floats:
    """Variance of one unit within a stratum, both arms in one pot (with what lies between them)."""
    total = np.maximum(units.sum(axis=0), 1.0)
    result: Floats = (units * variance).sum(axis=0) / total + units[0] * units[1] / total**2 * difference**2
    return result


def _total_variance(difference: Floats, variance: Floats, units: Floats) -> Floats:
    """Variance of one unit over all strata together."""
    per_stratum = units.sum(axis=0)
    mean: Floats = (per_stratum * _stratum_variance(difference, variance, units)).sum(axis=0)
    mean /= np.maximum(per_stratum.sum(axis=0), 1.0)
    return mean


def _error_variances(difference: Floats, variance: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Return the variance of each stratum's difference, and what it would be if the arms shared one variance.

    An arm's own variance leans on its own outcomes (a low rate has a low variance), which tilts the test when that arm
    is small: the larger of the two counts.
    """
    total = _total_variance(difference, variance, units)
    common = _sum_of_errors(_stratum_variance(difference, variance, units), total, units)
    return np.maximum(_sum_of_errors(variance, total, units), common), common


def _sum_of_errors(variance: Floats, total: Floats, units: Floats) -> Floats:
    steadied = (units * variance + _COMMON_VARIANCE_UNITS * total) / (units + _COMMON_VARIANCE_UNITS)
    error: Floats = (steadied / np.maximum(units, 1.0)).sum(axis=0)
    return error
