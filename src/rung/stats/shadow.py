"""Two revisions that answered the same requests: how often, and by how much, do they differ, and which is better?

Called when a challenger is shadowed or replayed. Answers are paired by request, so that most of what makes requests
differ falls out of the comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rung.errors import CallError
from rung.stats.arms import vector
from rung.stats.effects import Effect, Goal, check_kind_and_goal
from rung.stats.proportions import wilson_interval
from rung.stats.sequential import confidence_sequence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from rung.stats.effects import Floats

__all__ = [
    "Agreement",
    "CategoricalShift",
    "Differences",
    "NumericShift",
    "PairedEffect",
    "agreement",
    "categorical_shift",
    "differences",
    "numeric_shift",
    "paired_effect",
]

_BINS = 10
_NARROWEST = 1_000
"""Pairs at which the interval of a paired effect is narrowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often two revisions gave the same answer."""

    share: float  # of the requests; nan without requests
    interval: tuple[float, float]  # Wilson, of requests that are independent
    requests: int


def agreement(
    challenger: ArrayLike, incumbent: ArrayLike, *, tolerance: float = 0.0, confidence: float = 0.95
) -> Agreement:
    """Count equal answers; numbers are equal when they differ by at most `tolerance`, and nan equals nan.

    Raises:
        CallError: There is not one answer of each for each request, or the tolerance is below 0.

    >>> agreement([1.0, 2.0, 3.0], [1.0, 2.004, 4.0], tolerance=0.01).share
    0.6666666666666666
    >>> agreement(["cat", "dog"], ["cat", "cat"]).share
    0.5
    """
    if not tolerance >= 0:
        raise CallError(f"the tolerance is {tolerance}, but must be at least 0", hint="0 asks for equal answers")
    ours, theirs = (np.asarray(answers) for answers in (challenger, incumbent))
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise CallError(
            f"the answers have shapes {ours.shape} and {theirs.shape}, but must be one of each for each request"
        )
    kinds = {ours.dtype.kind, theirs.dtype.kind}
    if kinds <= set("biuf") and ("f" in kinds or tolerance > 0):
        same = _close(ours.astype(np.float64), theirs.astype(np.float64), tolerance)
    else:
        same = ours == theirs
    equal, count = int(same.sum()), int(same.size)
    return Agreement(
        share=equal / count if count else math.nan,
        interval=wilson_interval(equal, count, confidence=confidence),
        requests=count,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Sizes of the differences between numeric answers, challenger less incumbent, in the answers' unit."""

    mean: float
    mean_absolute: float
    median_absolute: float
    p95_absolute: float
    p99_absolute: float
    largest: float  # absolute


def differences(challenger: ArrayLike, incumbent: ArrayLike) -> Differences:
    """Measure by how much numeric answers to the same requests differ.

    Raises:
        CallError: There are no answers, not one of each for each request, or one is not finite.

    >>> differences([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).largest
    1.0
    """
    difference = _differences(challenger, incumbent)
    if not difference.size:
        raise CallError("no answers differ by nothing", hint="compare at least one request")
    size = np.abs(difference)
    median, p95, p99 = np.quantile(size, [0.5, 0.95, 0.99]).tolist()
    return Differences(
        mean=float(difference.mean()),
        mean_absolute=float(size.mean()),
        median_absolute=median,
        p95_absolute=p95,
        p99_absolute=p99,
        largest=float(size.max()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedEffect:
    """How much better the challenger's answers were on the same units; positive is better, whatever the goal."""

    estimate: float  # in the score's unit
    standard_error: float  # in the score's unit; infinite while nothing varies
    interval: tuple[float, float]  # right at all looks at once
    units: int


def paired_effect(challenger: ArrayLike, incumbent: ArrayLike, *, goal: Goal, alpha: float = 0.05) -> PairedEffect:
    """Compare two revisions' scores, given by the same truth, unit by unit.

    The interval is a confidence sequence (Waudby-Smith et al., arXiv 2103.06476): it covers the effect with probability
    1 - 2 alpha however often it is looked at, from some dozens of units on.

    Args:
        challenger: The score of the challenger's answers for each unit, shape (units,): the error, the revenue. A unit
            with several requests has the mean of their scores.
        incumbent: The same of the incumbent, for the same units in the same order.
        goal: Whether a higher score is better (`maximize`) or a lower one.
        alpha: Probability with which the interval misses the effect on one side.

    Raises:
        CallError: There is not one finite score of each for each unit, or alpha is not between 0 and 0.5.

    >>> found = paired_effect([0.9, 1.0, 1.1, 0.8], [1.0, 1.2, 1.1, 1.0], goal="minimize")
    >>> round(found.estimate, 3), round(found.standard_error, 3)
    (0.125, 0.048)
    """
    check_kind_and_goal("mean", goal)
    if not 0 < alpha < 0.5:  # noqa: PLR2004  # half on each side covers nothing
        raise CallError(f"alpha is {alpha}, but must be above 0 and below 0.5")
    difference = _differences(challenger, incumbent) * (1.0 if goal == "maximize" else -1.0)
    count = difference.size
    spread = float(difference.std(ddof=1)) if count > 1 else 0.0
    found = Effect(
        estimate=float(difference.mean()) if count else 0.0,
        standard_error=spread / math.sqrt(count) if spread > 0 else math.inf,
    )
    tuned = found.information * _NARROWEST / max(count, 1)
    return PairedEffect(
        estimate=found.estimate,
        standard_error=found.standard_error,
        interval=confidence_sequence(found, tuned, alpha),
        units=count,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericShift:
    """How far two distributions of numbers lie apart: sizes, not tests; 0 when they are equal."""

    ks: float  # largest distance between the distribution functions, 0 to 1
    psi: float  # population stability index over tenths of the incumbent's answers; above .25 is taken as large


def numeric_shift(challenger: ArrayLike, incumbent: ArrayLike) -> NumericShift:
    """Measure how the distribution of numeric answers changed.

    Kolmogorov 1933 and Smirnov 1948; N. Siddiqi, "Credit Risk Scorecards", 2006 (stability index), with half an answer
    added to each bin so that an empty one is no infinity.

    Raises:
        CallError: There are no answers of one, or one is not finite.

    >>> numeric_shift([1, 2, 3, 4], [1, 2, 3, 4])
    NumericShift(ks=0.0, psi=0.0)
    """
    ours, theirs = (np.sort(vector("answers", answers, None)) for answers in (challenger, incumbent))
    _not_empty(ours, theirs)
    everything = np.concatenate([ours, theirs])
    below = [np.searchsorted(answers, everything, side="right") / answers.size for answers in (ours, theirs)]
    edges = np.unique(np.quantile(theirs, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, answers), minlength=edges.size + 1) for answers in (ours, theirs)]
    first, second = ((count + 0.5) / (count.sum() + 0.5 * count.size) for count in counts)
    return NumericShift(
        ks=float(np.abs(below[0] - below[1]).max()), psi=float(((first - second) * np.log(first / second)).sum())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoricalShift:
    """How far two distributions of categories lie apart: sizes, not tests; 0 when they are equal."""

    cramers_v: float  # from the chi-square statistic, 0 to 1
    jensen_shannon: float  # distance, root of the divergence in bits, 0 to 1


def categorical_shift(challenger: ArrayLike, incumbent: ArrayLike) -> CategoricalShift:
    """Measure how the distribution of categorical answers changed.

    H. Cramér, "Mathematical Methods of Statistics", 1946; J. Lin, "Divergence measures based on the Shannon entropy",
    1991.

    Raises:
        CallError: There are no answers of one.

    >>> categorical_shift(["yes", "no"], ["no", "yes"])
    CategoricalShift(cramers_v=0.0, jensen_shannon=0.0)
    """
    ours, theirs = (np.asarray(answers).astype(np.str_) for answers in (challenger, incumbent))
    _not_empty(ours, theirs)
    names, numbered = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    counts = np.stack([np.bincount(part, minlength=names.size) for part in np.split(numbered, [ours.size])])
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    middle = shares.mean(axis=0)
    bits = np.where(shares > 0, shares * np.log2(np.where(shares > 0, shares, 1.0) / middle), 0.0)
    return CategoricalShift(
        cramers_v=math.sqrt(chi_square / counts.sum()), jensen_shannon=math.sqrt(max(float(bits.sum()) / 2, 0.0))
    )


def _differences(challenger: ArrayLike, incumbent: ArrayLike) -> Floats:
    theirs = vector("the incumbent's answers", incumbent, None)
    return vector("the challenger's answers", challenger, theirs.size) - theirs


def _close(ours: Floats, theirs: Floats, tolerance: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):  # infinity less infinity
        near = np.abs(ours - theirs) <= tolerance
    result: NDArray[np.bool_] = near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return result


def _not_empty(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> None:
    if not (ours.size and theirs.size):
        raise CallError(f"{ours.size} answers cannot be compared with {theirs.size}", hint="each needs at least one")
