"""The gate of a data test: is the candidate significantly worse than the reference on the same rows?

The caller computes the author's metric on all rows, and again with each group of rows left out, for both revisions on
the same rows and groups; `paired_gate` turns those scores into a verdict. It works for any smooth metric. For metrics
that jump (medians, quantiles) the caller scores draws of the rows with replacement, for `bootstrap_gate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rung.errors import CallError
from rung.stats.effects import Goal, check_kind_and_goal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from rung.stats.effects import Floats

__all__ = ["DrawnScore", "Gate", "GroupedScore", "bootstrap_draws", "bootstrap_gate", "groups", "paired_gate"]

_RELIABLY = 0.80
"""Probability with which a regression of the size `Gate.reliably_caught` is rejected."""

_ROUNDING = 1e-12
"""Differences below this share of the scores are rounding."""

_DRAWS = 100
"""At least; fewer say little of a tail of 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedScore:
    """One revision's metric on all rows, and with each group of rows left out, in the order of the groups."""

    full: float
    without_group: tuple[float, ...]  # one score per group, at least 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnScore:
    """One revision's metric on all rows, and on each draw of rows, in the order of the draws."""

    full: float
    drawn: tuple[float, ...]  # one score per draw, at least 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The verdict of a paired gate, with what it can and cannot see."""

    passed: bool
    because: str  # one sentence
    difference: float  # in the metric's unit, positive is better; nan when a score is not finite
    standard_error: float  # in the metric's unit, of the difference
    p_value: float  # one-sided: probability of a difference this bad when the candidate is as good
    smallest_caught: float  # in the metric's unit: any observed loss beyond it is rejected
    reliably_caught: float  # in the metric's unit: a true loss of this size is rejected four times in five


def groups(n_rows: int, group_count: int = 50) -> NDArray[np.int64]:
    """Return the group of each row, shape (n_rows,): a fixed shuffle, groups of equal size to within one row.

    The order of the rows does not matter, sorted ones are fine. With fewer rows than groups, every row is its own.

    Raises:
        CallError: There are fewer than 2 rows or groups.

    >>> groups(6, 3).tolist()
    [2, 0, 1, 0, 2, 1]
    """
    if n_rows < 2 or group_count < 2:  # noqa: PLR2004  # a variance needs two
        raise CallError(
            f"{n_rows} rows in {group_count} groups cannot be compared", hint="hold out at least 2 rows, better 1,000"
        )
    result = np.empty(n_rows, dtype=np.int64)
    result[np.argsort(_mixed(np.arange(n_rows, dtype=np.uint64)), kind="stable")] = np.arange(n_rows) % group_count
    return result


def bootstrap_draws(n_rows: int, draws: int = 1_000, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of each draw with replacement, shape (n_rows,) each: the same for ever for the same arguments.

    Raises:
        CallError: There are fewer than 2 rows, or fewer than 100 draws.

    >>> next(bootstrap_draws(6)).tolist()
    [3, 1, 4, 4, 2, 1]
    """
    if n_rows < 2 or draws < _DRAWS:  # noqa: PLR2004  # a variance needs two
        raise CallError(
            f"{draws} draws of {n_rows} rows say too little",
            hint=f"use at least 2 rows and {_DRAWS} draws, better 1,000",
        )
    start = _mixed(np.array([seed % 2**64], dtype=np.uint64))
    rows = np.arange(n_rows, dtype=np.uint64) + start
    return ((_mixed(rows + np.uint64(draw * n_rows)) % np.uint64(n_rows)).astype(np.int64) for draw in range(draws))


def paired_gate(*, candidate: GroupedScore, reference: GroupedScore, goal: Goal, alpha: float = 0.05) -> Gate:
    """Pass unless the candidate is significantly worse than the reference, one-sided.

    Delete-a-group jackknife of the difference, Student's t with one degree of freedom less than groups (B. Efron,
    "The Jackknife, the Bootstrap and Other Resampling Plans", 1982; P. Kott, "The delete-a-group jackknife", 2001).
    A score that is not finite does not pass.

    Raises:
        CallError: The two have different numbers of groups, or fewer than 2, or alpha is not between 0 and 0.5.

    >>> same = GroupedScore(full=0.98, without_group=(0.97, 0.98, 0.99))
    >>> paired_gate(candidate=same, reference=same, goal="maximize").passed
    True
    """
    check_kind_and_goal("mean", goal)
    _check(candidate, reference, alpha)
    if broken := _not_finite(candidate, reference):
        return _refused(broken)
    sign = 1.0 if goal == "maximize" else -1.0
    difference = sign * (candidate.full - reference.full)
    left_out = sign * (np.array(candidate.without_group) - np.array(reference.without_group))
    count = left_out.size
    error = math.sqrt((count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum()))
    rounding = _ROUNDING * max(abs(candidate.full), abs(reference.full))
    return _judged(_Comparison(difference, error, count - 1, rounding), candidate, reference, alpha)


class _Comparison(NamedTuple):
    difference: float
    error: float
    freedom: int
    rounding: float


def _judged(found: _Comparison, candidate: GroupedScore, reference: GroupedScore, alpha: float) -> Gate:
    from scipy import special  # noqa: PLC0415  # half a second, which only a gate needs to wait for

    caught = float(special.stdtrit(found.freedom, 1 - alpha)) * found.error
    seen = _Seen(
        difference=found.difference,
        standard_error=found.error,
        p_value=_p_value(found, special),
        smallest_caught=caught,
        reliably_caught=caught + float(special.stdtrit(found.freedom, _RELIABLY)) * found.error,
    )
    return _gate(seen, (candidate.full, reference.full), alpha)


class _Seen(NamedTuple):
    difference: float
    standard_error: float
    p_value: float
    smallest_caught: float
    reliably_caught: float


def _gate(seen: _Seen, full: tuple[float, float], alpha: float) -> Gate:
    """Pass what is not significantly worse; `full` has the scores of candidate and reference on all rows."""
    passed = seen.p_value >= alpha
    worse = "not significantly worse than" if passed else "significantly worse than"
    return Gate(
        passed=passed,
        because=(
            f"the candidate's {full[0]:.6g} is {worse} the reference's {full[1]:.6g}:"
            f" difference {seen.difference:+.3g} (positive is better), p {seen.p_value:.2g} against {alpha:g};"
            f" a loss beyond {seen.smallest_caught:.2g} is rejected, a true loss of {seen.reliably_caught:.2g}"
            " four times in five"
        ),
        **seen._asdict(),
    )


def _refused(because: str) -> Gate:
    return Gate(passed=False, because=because, **dict.fromkeys(_Seen._fields, math.nan))


def bootstrap_gate(*, candidate: DrawnScore, reference: DrawnScore, goal: Goal, alpha: float = 0.05) -> Gate:
    """Pass unless the candidate is significantly worse than the reference, one-sided: for metrics that jump.

    Percentile bootstrap of the paired difference (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapter 13): rejected when it is below zero in all but alpha of the draws. The probability counts the rows
    themselves as one more draw. A score that is not finite does not pass.

    Args:
        candidate: Its metric on all rows, and on the rows of each draw (`bootstrap_draws`).
        reference: The same of the reference, on the same draws.
        goal: Whether more is better.
        alpha: Probability to reject a candidate that is as good.

    Raises:
        CallError: The two have different numbers of draws, or fewer than 100, or alpha is not between 0 and 0.5.

    >>> rows = list(bootstrap_draws(50, draws=200))
    >>> ours, theirs = np.arange(50.0) + 2, np.arange(50.0)
    >>> scores = [DrawnScore(full=np.median(y), drawn=tuple(np.median(y[i]) for i in rows)) for y in (ours, theirs)]
    >>> bootstrap_gate(candidate=scores[0], reference=scores[1], goal="minimize").passed
    False
    """
    check_kind_and_goal("mean", goal)
    _check_draws(candidate, reference, alpha)
    if broken := _not_finite(candidate, reference):
        return _refused(broken)
    sign = 1.0 if goal == "maximize" else -1.0
    difference = sign * (candidate.full - reference.full)
    drawn: Floats = sign * (np.array(candidate.drawn) - np.array(reference.drawn))
    rounding = _ROUNDING * max(abs(candidate.full), abs(reference.full))
    not_worse = 1 + int((drawn >= -rounding).sum())
    caught, beyond = np.quantile(drawn - difference, [1 - alpha, _RELIABLY]).tolist()
    seen = _Seen(
        difference=difference,
        standard_error=float(drawn.std(ddof=1)),
        p_value=not_worse / (drawn.size + 1),
        smallest_caught=max(caught, 0.0),
        reliably_caught=max(caught, 0.0) + max(beyond, 0.0),
    )
    return _gate(seen, (candidate.full, reference.full), alpha)


def _p_value(found: _Comparison, special: Any) -> float:
    if abs(found.difference) <= found.rounding:
        return 0.5
    if found.error <= found.rounding:
        return 0.0 if found.difference < 0 else 1.0
    return float(special.stdtr(found.freedom, found.difference / found.error))


def _check(candidate: GroupedScore, reference: GroupedScore, alpha: float) -> None:
    counts = len(candidate.without_group), len(reference.without_group)
    if counts[0] != counts[1] or counts[0] < 2:  # noqa: PLR2004  # a variance needs two
        raise CallError(
            f"the candidate has {counts[0]} groups and the reference {counts[1]}, but both need the same, at least 2",
            hint="score both revisions with the same `groups`",
        )
    _check_alpha(alpha)


def _check_draws(candidate: DrawnScore, reference: DrawnScore, alpha: float) -> None:
    counts = len(candidate.drawn), len(reference.drawn)
    if counts[0] != counts[1] or counts[0] < _DRAWS:
        raise CallError(
            f"the candidate has {counts[0]} draws and the reference {counts[1]}, but both need the same,"
            f" at least {_DRAWS}",
            hint="score both revisions on the same `bootstrap_draws`",
        )
    _check_alpha(alpha)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:  # noqa: PLR2004  # a gate at or above one half rejects what is better
        raise CallError(f"alpha is {alpha}, but must be above 0 and below 0.5")


def _not_finite(candidate: GroupedScore | DrawnScore, reference: GroupedScore | DrawnScore) -> str:
    for name, score in (("candidate", candidate), ("reference", reference)):
        if not math.isfinite(score.full):
            return f"the {name}'s score is {score.full}: a score must be finite"
        where, parts = _parts(score)
        for number, value in enumerate(parts):
            if not math.isfinite(value):
                return f"the {name}'s score {where} {number} is {value}: a score must be finite on any rows"
    return ""


def _parts(score: GroupedScore | DrawnScore) -> tuple[str, Sequence[float]]:
    if isinstance(score, GroupedScore):
        return "without group", score.without_group
    return "on draw", score.drawn


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble integers, the same way for ever (splitmix64: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
