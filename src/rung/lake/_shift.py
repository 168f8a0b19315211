"""How the distribution of each field of the predictions changed, from production's to a shadow's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rung import stats
from rung.lake._agreement import is_number, leaves

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rung.lake._agreement import Answered

__all__ = ["Shift", "shifts"]

_BINS: Final = 16
_MOST_CATEGORIES: Final = 12
_TAILS: Final = (0.005, 0.995)
"""Quantiles of both between which the bins lie; what is beyond counts in the outer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One field's values, of both revisions. Sizes, not tests; 0 when the distributions are equal."""

    distance: float  # numbers: Kolmogorov-Smirnov; categories: Jensen-Shannon; 0 to 1
    bins: list[str]  # numbers: lower edges; categories: names, the most frequent first
    one: list[int]  # values of production in each
    other: list[int]  # values of the shadow in each
    is_numeric: bool


def shifts(pairs: Iterable[Answered]) -> dict[str, Shift]:
    """Count the values of each field that are numbers on both sides, or texts and truth values on both.

    Args:
        pairs: Instances with two predictions each.
    """
    found: dict[str, tuple[list[Any], list[Any]]] = {}
    for pair in pairs:
        for field, one, other in leaves("", pair.one, pair.other):
            values = found.setdefault(field, ([], []))
            values[0].append(one)
            values[1].append(other)
    made = {field: _shift(*values) for field, values in sorted(found.items())}
    return {field: shift for field, shift in made.items() if shift is not None}


def _shift(one: Sequence[Any], other: Sequence[Any]) -> Shift | None:
    if all(map(is_number, one)) and all(map(is_number, other)):
        return _numeric(np.asarray(one, np.float64), np.asarray(other, np.float64))
    if all(isinstance(value, str | bool) for value in (*one, *other)):
        return _categorical([str(value) for value in one], [str(value) for value in other])
    return None


def _numeric(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> Shift:
    low, high = np.quantile(np.concatenate([one, other]), _TAILS)
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low, low])
    counts = [np.bincount(_bin(values, edges), minlength=edges.size - 1).tolist() for values in (one, other)]
    return Shift(
        distance=stats.numeric_shift(other, one).ks,
        bins=[f"{edge:.6g}" for edge in edges[:-1].tolist()],
        one=counts[0],
        other=counts[1],
        is_numeric=True,
    )


def _bin(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2)


def _categorical(one: Sequence[str], other: Sequence[str]) -> Shift:
    theirs, ours = Counter(one), Counter(other)
    names = [name for name, _ in (theirs + ours).most_common(_MOST_CATEGORIES)]
    return Shift(
        distance=stats.categorical_shift(other, one).jensen_shannon,
        bins=names,
        one=[theirs[name] for name in names],
        other=[ours[name] for name in names],
        is_numeric=False,
    )
