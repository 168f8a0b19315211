"""An additive model of scores, from columns of numbers and texts. Pure; `estimated` leaves out group after group."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from rung.stats.effects import Floats

__all__ = ["Additive"]

_BINS = 8
"""Of a column of numbers, with equally many held-out rows in each."""
_VALUES = 15
"""Of a column of texts that are told apart; the others are one."""
_PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0)
"""In rows: a value with so many rows moves half as far as they say."""


class Additive:
    """Ridge on the bins of all columns; the sums of each group are kept, so that leaving one out costs nothing."""

    def __init__(self, rows: Mapping[str, NDArray[Any]], scores: Floats, members: NDArray[np.int64]) -> None:
        self._columns = {name: _column(values) for name, values in rows.items()}
        self._starts = np.cumsum([0, *(column.size for column in self._columns.values())])
        self._groups = range(int(members.max()) + 1)
        design = self._design(rows)
        self._mean = float(scores.mean())
        self._grams = np.stack([design[members == group].T @ design[members == group] for group in self._groups])
        self._moments = np.stack(
            [design[members == group].T @ (scores[members == group] - self._mean) for group in self._groups]
        )
        self._penalty = min(_PENALTIES, key=lambda penalty: self._error(design, scores, members, penalty))

    def without(self, group: int) -> Callable[[Mapping[str, NDArray[Any]]], Floats]:
        weights = self._weights(group, self._penalty)

        def model(rows: Mapping[str, NDArray[Any]]) -> Floats:
            found: Floats = self._mean + self._design(rows) @ weights
            return found

        return model

    def outside(self, rows: Mapping[str, NDArray[Any]]) -> tuple[float, str]:
        shares = {name: column.outside(rows[name]) for name, column in self._columns.items()}
        most = max(shares, key=shares.__getitem__)
        return shares[most], most

    def _weights(self, group: int, penalty: float) -> Floats:
        gram = self._grams.sum(axis=0) - self._grams[group]
        moments = self._moments.sum(axis=0) - self._moments[group]
        found: Floats = np.linalg.solve(gram + penalty * np.eye(len(gram)), moments)
        return found

    def _error(self, design: Floats, scores: Floats, members: NDArray[np.int64], penalty: float) -> float:
        errors = 0.0
        for group in self._groups:
            own = members == group
            foretold = self._mean + design[own] @ self._weights(group, penalty)
            errors += float(((scores[own] - foretold) ** 2).sum())
        return errors

    def _design(self, rows: Mapping[str, NDArray[Any]]) -> Floats:
        """Mark the bin of each row in each column, shape (rows, bins of all columns)."""
        count = len(next(iter(rows.values())))
        design = np.zeros((count, int(self._starts[-1])))
        for (name, column), start in zip(self._columns.items(), self._starts, strict=False):
            design[np.arange(count), start + column.bins(rows[name])] = 1.0
        return design


class Column(Protocol):
    """How one column is cut into bins."""

    size: int

    def bins(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Give the bin of each value."""

    def outside(self, values: NDArray[Any]) -> float:
        """Tell which share of the values is unlike all held-out ones."""


def _column(values: NDArray[Any]) -> Column:
    if values.dtype.kind in "fiub":
        return _Numbers(values.astype(np.float64))
    return _Texts(values.tolist())


class _Numbers:
    def __init__(self, values: Floats) -> None:
        known = values[np.isfinite(values)]
        shares = np.linspace(0, 1, _BINS + 1)[1:-1]
        self._edges = np.unique(np.quantile(known, shares)) if known.size else np.empty(0)
        self._low, self._high = (float(known.min()), float(known.max())) if known.size else (math.inf, -math.inf)
        self.size = self._edges.size + 2  # the last one is for what is no number

    def bins(self, values: NDArray[Any]) -> NDArray[np.int64]:
        numbers = _as_numbers(values)
        found = np.searchsorted(self._edges, numbers, side="right")
        return np.where(np.isfinite(numbers), found, self.size - 1)

    def outside(self, values: NDArray[Any]) -> float:
        numbers = _as_numbers(values)
        return float(((numbers < self._low) | (numbers > self._high)).mean())


def _as_numbers(values: NDArray[Any]) -> Floats:
    """Give numbers; what holds texts now has none."""
    is_number = values.dtype.kind in "fiub"
    return values.astype(np.float64) if is_number else np.full(len(values), math.nan)


class _Texts:
    def __init__(self, values: Sequence[str]) -> None:
        names, counts = np.unique(np.asarray(values, dtype=np.str_), return_counts=True)
        frequent = names[np.argsort(-counts, kind="stable")][:_VALUES].tolist()
        self._known = frozenset(names.tolist())
        self._bins = {name: number for number, name in enumerate(frequent)}
        self.size = len(frequent) + 1  # the last one is for the others

    def bins(self, values: NDArray[Any]) -> NDArray[np.int64]:
        return np.array([self._bins.get(value, self.size - 1) for value in values.tolist()], dtype=np.int64)

    def outside(self, values: NDArray[Any]) -> float:
        return sum(value not in self._known for value in values.tolist()) / max(len(values), 1)
