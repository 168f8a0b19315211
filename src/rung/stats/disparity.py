"""How far a metric is apart between groups of people or things, and what is known of that.

The caller measures each group on rows of its own; `compare_shares` and `compare_scores` tell the largest difference,
with an interval that holds although the two groups were picked after the fact; `hold_to` holds it against a limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

from rung.errors import CallError
from rung.stats.proportions import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "SMALLEST_GROUP",
    "Disparity",
    "GroupLimit",
    "MeasuredGroup",
    "Score",
    "Share",
    "compare_scores",
    "compare_shares",
    "hold_to",
]

_Measured = TypeVar("_Measured")

SMALLEST_GROUP = 30
"""Rows; a smaller group is shown and takes no part in comparisons: normal approximations do not hold for it."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How often something was so in one group."""

    group: str
    successes: int  # rows
    trials: int  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A metric in one group, with its standard error from as many parts of the group as `freedom` + 1."""

    group: str
    rows: int
    value: float | None  # in the metric's unit; None: it has no number on these rows
    standard_error: float | None = None  # in the metric's unit; None: not known
    freedom: int = 0  # degrees of freedom of the standard error


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredGroup:
    """One group as it is shown."""

    name: str
    rows: int  # that the value was measured on
    value: float | None
    interval: Interval | None  # 95 %, of this group alone
    is_compared: bool  # large enough, and with a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """A metric by group. With fewer than two groups to compare there is no difference."""

    groups: tuple[MeasuredGroup, ...]
    lowest: str | None = None  # group
    highest: str | None = None  # group
    difference: float | None = None  # highest minus lowest, in the metric's unit
    interval: Interval | None = None  # simultaneous over all pairs: of the largest true difference
    ratio: float | None = None  # lowest / highest; None unless all values are above 0
    ratio_interval: Interval | None = None  # simultaneous, of the smallest true ratio

    @property
    def too_small(self) -> tuple[str, ...]:
        """Groups that take no part in the comparison."""
        return tuple(group.name for group in self.groups if not group.is_compared)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimit:
    """A difference held against what was declared."""

    passed: bool
    because: str  # one sentence


def compare_shares(shares: Sequence[Share], *, confidence: float = 0.95) -> Disparity:
    """Compare how often something was so in each group.

    Wilson's interval of each group, Newcombe's of each difference (R. G. Newcombe, "Interval estimation for the
    difference between independent proportions", method 10, Statistics in Medicine 1998), and that of the logarithm of
    each ratio (D. Katz et al., Biometrics 1978), with Bonferroni's correction for the number of pairs: with the given
    confidence the largest true difference is inside, whichever two groups that is between.

    Raises:
        CallError: There are more successes than trials, or the confidence is not between 0 and 1.

    >>> found = compare_shares([Share(group="a", successes=80, trials=100), Share(group="b", successes=60, trials=100)])
    >>> found.lowest, round(found.difference, 2), [round(end, 2) for end in found.interval], round(found.ratio, 2)
    ('b', 0.2, [0.07, 0.32], 0.75)
    """
    groups = tuple(
        MeasuredGroup(
            name=one.group,
            rows=one.trials,
            value=one.successes / one.trials if one.trials else None,
            interval=wilson_interval(one.successes, one.trials, confidence=confidence) if one.trials else None,
            is_compared=one.trials >= SMALLEST_GROUP,
        )
        for one in shares
    )
    compared = [one for one in shares if one.trials >= SMALLEST_GROUP]
    return _of_pairs(groups, compared, confidence, difference=_newcombe, ratio=_katz)


def compare_scores(scores: Sequence[Score], *, confidence: float = 0.95) -> Disparity:
    """Compare a metric between groups, each measured on rows of its own.

    Student's t with the smaller number of degrees of freedom of each pair (never too narrow; B. Welch 1947), of the
    difference and, by the delta method, of the logarithm of the ratio; Bonferroni as in `compare_shares`.

    Raises:
        CallError: The confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise CallError(f"the confidence is {confidence}, but must be above 0 and below 1")
    groups = tuple(_measured(one, confidence) for one in scores)
    compared = [one for one, group in zip(scores, groups, strict=True) if group.is_compared]
    return _of_pairs(groups, compared, confidence, difference=_welch, ratio=_log_welch)


def hold_to(disparity: Disparity, *, limit: float) -> GroupLimit:
    """Pass unless the largest difference is surely above the limit.

    Args:
        disparity: What was found.
        limit: Largest difference that is accepted, in the metric's unit.

    Raises:
        CallError: The limit is not a number from 0 on.

    >>> apart = [Share(group="a", successes=900, trials=1_000), Share(group="b", successes=500, trials=1_000)]
    >>> hold_to(compare_shares(apart), limit=0.1).passed
    False
    """
    if not 0 <= limit < math.inf:
        raise CallError(f"the limit is {limit}, but must be a number from 0 on")
    if disparity.difference is None or disparity.interval is None:
        return GroupLimit(
            passed=True, because=f"fewer than two groups have {SMALLEST_GROUP} rows and a number: nothing is compared"
        )
    low, high = disparity.interval
    between = f"{disparity.highest} and {disparity.lowest} are {disparity.difference:.3g} apart"
    known = f"95 % interval of the largest difference {low:.3g} to {high:.3g}; limit {limit:g}"
    if low > limit:
        return GroupLimit(passed=False, because=f"{between}, surely more than allowed ({known})")
    said = "within what is allowed" if high <= limit else "not surely more than allowed"
    return GroupLimit(passed=True, because=f"{between}, {said} ({known})")


@dataclass(frozen=True, slots=True)
class _Pair:
    lower: str
    higher: str
    value: float  # >= 0 for differences, <= 1 for ratios
    low: float
    high: float


def _of_pairs(
    groups: tuple[MeasuredGroup, ...],
    compared: Sequence[_Measured],
    confidence: float,
    *,
    difference: Callable[[_Measured, _Measured, float], _Pair],
    ratio: Callable[[_Measured, _Measured, float], _Pair | None],
) -> Disparity:
    """Compare each two groups, with Bonferroni's correction for the number of pairs."""
    pairs = list(combinations(compared, 2))
    if not pairs:
        return Disparity(groups=groups)
    each = 1 - (1 - confidence) / len(pairs)
    return _disparity(
        groups,
        differences=[difference(one, other, each) for one, other in pairs],
        ratios=[ratio(one, other, each) for one, other in pairs],
    )


def _disparity(groups: tuple[MeasuredGroup, ...], *, differences: list[_Pair], ratios: list[_Pair | None]) -> Disparity:
    largest = max(differences, key=lambda pair: pair.value)
    known = [pair for pair in ratios if pair is not None]
    smallest = min(known, key=lambda pair: pair.value) if len(known) == len(ratios) else None
    return Disparity(
        groups=groups,
        lowest=largest.lower,
        highest=largest.higher,
        difference=largest.value,
        interval=(max(pair.low for pair in differences), max(pair.high for pair in differences)),
        ratio=None if smallest is None else smallest.value,
        ratio_interval=None
        if smallest is None
        else (min(pair.low for pair in known), min(pair.high for pair in known)),
    )


def _newcombe(one: Share, other: Share, confidence: float) -> _Pair:
    """Give the absolute difference of two shares; its interval does not go below 0."""
    lower, higher = sorted((one, other), key=lambda share: share.successes / share.trials)
    p, q = higher.successes / higher.trials, lower.successes / lower.trials
    p_low, p_high = wilson_interval(higher.successes, higher.trials, confidence=confidence)
    q_low, q_high = wilson_interval(lower.successes, lower.trials, confidence=confidence)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return _Pair(lower.group, higher.group, p - q, max(0.0, low), high)


def _katz(one: Share, other: Share, confidence: float) -> _Pair | None:
    lower, higher = sorted((one, other), key=lambda share: share.successes / share.trials)
    if lower.successes == 0:
        return None
    ratio = (lower.successes / lower.trials) / (higher.successes / higher.trials)
    error = math.sqrt(1 / lower.successes - 1 / lower.trials + 1 / higher.successes - 1 / higher.trials)
    return _ratio(lower.group, higher.group, ratio, NormalDist().inv_cdf((1 + confidence) / 2) * error)


def _measured(score: Score, confidence: float) -> MeasuredGroup:
    known = score.value is not None and score.standard_error is not None and score.freedom >= 1
    half = _student(score.freedom, confidence) * (score.standard_error or 0.0) if known else 0.0
    value = score.value
    return MeasuredGroup(
        name=score.group,
        rows=score.rows,
        value=value,
        interval=(value - half, value + half) if known and value is not None else None,
        is_compared=known and score.rows >= SMALLEST_GROUP,
    )


def _welch(one: Score, other: Score, confidence: float) -> _Pair:
    lower, higher = sorted((one, other), key=_value)
    difference = _value(higher) - _value(lower)
    error = math.hypot(higher.standard_error or 0.0, lower.standard_error or 0.0)
    half = _student(min(one.freedom, other.freedom), confidence) * error
    return _Pair(lower.group, higher.group, difference, max(0.0, difference - half), difference + half)


def _log_welch(one: Score, other: Score, confidence: float) -> _Pair | None:
    lower, higher = sorted((one, other), key=_value)
    if _value(lower) <= 0:
        return None
    error = math.hypot(*((score.standard_error or 0.0) / _value(score) for score in (lower, higher)))
    half = _student(min(one.freedom, other.freedom), confidence) * error
    return _ratio(lower.group, higher.group, _value(lower) / _value(higher), half)


def _ratio(lower: str, higher: str, ratio: float, half: float) -> _Pair:
    """Give a ratio with its interval, which does not go above 1: the two were sorted."""
    high = min(0.0, math.log(ratio) + half)  # before exp, which has no number for very wide ones
    return _Pair(lower, higher, ratio, ratio * math.exp(-half), math.exp(high))


def _value(score: Score) -> float:
    return 0.0 if score.value is None else score.value


def _student(freedom: int, confidence: float) -> float:
    from scipy import special  # noqa: PLC0415  # half a second, which only a comparison needs to wait for

    return float(special.stdtrit(freedom, (1 + confidence) / 2))
