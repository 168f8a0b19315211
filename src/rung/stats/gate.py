"""The gate of a data test: is the candidate significantly worse than the reference on the same rows?

The caller computes the author's metric on all rows, and again with each group of rows left out, for both revisions on
the same rows and groups; the gate turns those scores into a verdict. It works for any smooth metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rung.errors import CallError
from rung.stats.effects import Goal, check_kind_and_goal

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Gate", "GroupedScore", "groups", "paired_gate"]

_RELIABLY = 0.80
"""Probability with which a regression of the size `Gate.reliably_caught` is rejected."""

_ROUNDING = 1e-12
"""Differences below this share of the scores are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedScore:
    """One revision's metric on all rows, and with each group of rows left out, in the order of the groups."""

    full: float
    without_group: tuple[float, ...]  # one score per group, at least 2


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
        nothing = math.nan
        return Gate(
            passed=False,
            because=broken,
            difference=nothing,
            standard_error=nothing,
            p_value=nothing,
            smallest_caught=nothing,
            reliably_caught=nothing,
        )
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

    p_value = _p_value(found, special)
    caught = float(special.stdtrit(found.freedom, 1 - alpha)) * found.error
    reliably = caught + float(special.stdtrit(found.freedom, _RELIABLY)) * found.error
    passed = p_value >= alpha
    worse = "not significantly worse than" if passed else "significantly worse than"
    return Gate(
        passed=passed,
        because=(
            f"the candidate's {candidate.full:.6g} is {worse} the reference's {reference.full:.6g}:"
            f" difference {found.difference:+.3g} (positive is better), p {p_value:.2g} against {alpha:g};"
            f" a loss beyond {caught:.2g} is rejected, a true loss of {reliably:.2g} four times in five"
        ),
        difference=found.difference,
        standard_error=found.error,
        p_value=p_value,
        smallest_caught=caught,
        reliably_caught=reliably,
    )


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
    if not 0 < alpha < 0.5:  # noqa: PLR2004  # a gate at or above one half rejects what is better
        raise CallError(f"alpha is {alpha}, but must be above 0 and below 0.5")


def _not_finite(candidate: GroupedScore, reference: GroupedScore) -> str:
    for name, score in (("candidate", candidate), ("reference", reference)):
        if not math.isfinite(score.full):
            return f"the {name}'s score is {score.full}: a score must be finite"
        for group, value in enumerate(score.without_group):
            if not math.isfinite(value):
                return f"the {name}'s score without group {group} is {value}: a score must be finite on any rows"
    return ""


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble integers, the same way for ever (splitmix64: Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
