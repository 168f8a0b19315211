"""Exposures and outcomes -> sums over units, by sorting.

Pure. Units come as keys of 64 bits. Sorting those, and looking them up in order, is several times faster than a hash
table of them, in a third of the memory. `_arms` gives the units of an experiment in shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COVARIATES",
    "FIELDS",
    "Exposures",
    "Flags",
    "Floats",
    "Ints",
    "Outcomes",
    "Sums",
    "find",
    "shorten",
    "sort_order",
    "summarize",
]

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

COVARIATES: Final = ("covered", "z", "zz", "yz", "xz", "mz", "yc", "xc", "mc")
"""Over the units with a covariate z: their number, the sums with z, and the sums of y, x and m alone."""

FIELDS: Final = ("exposed", "moved", "units", "y", "yy", "yyy", "x", "xx", "xy", "m", "mm", "mmm", *COVARIATES)
"""The columns of `Sums.cells`; `ArmSums` explains those that are not covariates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposures:
    """Requests of units that were assigned to an arm, in any order."""

    units: Ints  # key of the unit, shape (exposures,)
    moments: Ints  # 2 * microseconds since 1970, + 1 when the arm is the challenger's, same shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Measurements, in any order."""

    units: Ints  # key of the unit, shape (outcomes,)
    same: Ints  # equal for outcomes that are the same, same shape
    times: Ints  # microseconds since 1970, same shape
    values: Floats  # same shape

    @classmethod
    def none(cls) -> Outcomes:
        """Return no outcome."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(units=empty, same=empty, times=empty, values=np.zeros(0))

    def only(self, rows: Ints) -> Outcomes:
        """Return some of them, in the order of the rows' numbers."""
        return Outcomes(units=self.units[rows], same=self.same[rows], times=self.times[rows], values=self.values[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over units, and what became of the outcomes."""

    cells: Floats  # shape (2 * strata, len(FIELDS)); row 2 * stratum is the incumbent's, the next the challenger's
    counted: int  # outcomes in the sums
    early: int  # outcomes from before their unit's first exposure
    duplicate: int  # outcomes that came again

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            cells=self.cells + other.cells,
            counted=self.counted + other.counted,
            early=self.early + other.early,
            duplicate=self.duplicate + other.duplicate,
        )

    def __sub__(self, other: Sums) -> Sums:
        return Sums(
            cells=self.cells - other.cells,
            counted=self.counted - other.counted,
            early=self.early - other.early,
            duplicate=self.duplicate - other.duplicate,
        )


def summarize(exposures: Exposures, outcomes: Outcomes, before: Outcomes, splits: Ints) -> Sums:
    """Sum over the units of each arm and stratum.

    Of outcomes that are the same the earliest counts; an outcome counts from its unit's first exposure on.

    Args:
        exposures: All exposures of some units.
        outcomes: All outcomes of these units, and of others, which are left out.
        before: Outcomes from before the experiment; a unit's covariate is the mean of its own.
        splits: Where strata begin, microseconds since 1970, ascending, shape (strata - 1,).
    """
    keys, first, moved = _first_exposures(exposures)
    once = _once(outcomes)
    places, order = _known(keys, once)
    due = once.times[order] >= first[places] >> 1
    y, x = _totals(places[due], once.values[order[due]], keys.size)
    z = _means(keys, before)
    cell = (first & 1) + 2 * np.searchsorted(splits, first >> 1, side="right")
    members = [cell == number for number in range(2 * (splits.size + 1))]
    counted = int(np.count_nonzero(due))
    return Sums(
        cells=np.array([_cell(y[some], x[some], moved[some], None if z is None else z[some]) for some in members]),
        counted=counted,
        early=places.size - counted,
        duplicate=outcomes.same.size - once.same.size,
    )


def _first_exposures(exposures: Exposures) -> tuple[Ints, Ints, Flags]:
    """Return each unit's key, ascending, its first exposure, and whether it was exposed to both arms."""
    order = sort_order(exposures.units)
    keys, moments = exposures.units[order], exposures.moments[order]
    starts = _starts(keys)
    arms = (moments & 1).astype(np.bool_)
    moved = _reduce(np.logical_or, arms, starts) ^ _reduce(np.logical_and, arms, starts)
    return keys[starts], _reduce(np.minimum, moments, starts), moved


def _once(outcomes: Outcomes) -> Outcomes:
    """Keep the earliest of outcomes that are the same."""
    ordered = np.sort(outcomes.same)
    if not (ordered[1:] == ordered[:-1]).any():
        return outcomes
    order = np.lexsort((outcomes.values, outcomes.times, outcomes.same))
    return outcomes.only(order[_starts(outcomes.same[order])])


def _known(keys: Ints, outcomes: Outcomes) -> tuple[Ints, Ints]:
    """Return the places of the outcomes' units among the keys, ascending, and the outcomes' rows in that order."""
    order = sort_order(outcomes.units)
    places = find(keys, outcomes.units[order])
    known = places >= 0
    return places[known], order[known]


def _totals(places: Ints, values: Floats, size: int) -> tuple[Floats, Floats]:
    """Return each place's sum of values, and how many it has; places ascend."""
    starts = _starts(places)
    y, x = np.zeros(size), np.zeros(size)
    y[places[starts]] = _reduce(np.add, values, starts)
    x[places[starts]] = np.diff(starts, append=places.size)
    return y, x


def _means(keys: Ints, before: Outcomes) -> Floats | None:
    """Return each unit's mean before the experiment, NaN for a unit without; None when there is nothing at all."""
    if not before.units.size:
        return None
    once = _once(before)
    places, order = _known(keys, once)
    y, x = _totals(places, once.values[order], keys.size)
    x[x == 0] = np.nan
    return y / x


def _cell(y: Floats, x: Floats, moved: Flags, z: Floats | None) -> list[float]:
    measured = x > 0
    exposed, y, x = y.size, y[measured], x[measured]
    m = y / x
    # einsum, not @: its threads would wait for the threads of the other shares.
    products = [np.einsum("i,i->", *pair) for pair in ((y, y), (y * y, y), (x, x), (x, y), (m, m), (m * m, m))]
    yy, yyy, xx, xy, mm, mmm = map(float, products)
    sums = [float(y.sum()), yy, yyy, float(x.sum()), xx, xy, float(m.sum()), mm, mmm]
    covariates = [0.0] * len(COVARIATES) if z is None else _covariate_sums(y, x, m, z[measured])
    return [exposed, int(np.count_nonzero(moved)), y.size, *sums, *covariates]


def _covariate_sums(y: Floats, x: Floats, m: Floats, z: Floats) -> list[float]:
    covered = ~np.isnan(z)
    y, x, m, z = y[covered], x[covered], m[covered], z[covered]
    products = [float(np.einsum("i,i->", column, z)) for column in (z, y, x, m)]
    return [z.size, float(z.sum()), *products, float(y.sum()), float(x.sum()), float(m.sum())]


def shorten(exposures: Exposures) -> Exposures:
    """Return at most two exposures of each unit that say as much as all of them, in the order of the units' keys.

    These are the first one, and for a unit that moved one under the other arm, a microsecond later.
    """
    keys, first, moved = _first_exposures(exposures)
    later = ((first[moved] >> 1) + 1) * 2 + (1 - (first[moved] & 1))
    rows = np.repeat(np.arange(keys.size), 1 + moved)
    moments = first[rows]
    moments[np.flatnonzero(np.diff(rows, prepend=-1) == 0)] = later
    return Exposures(units=keys[rows], moments=moments)


def find(ascending: Ints, keys: Ints) -> Ints:
    """Return the place of each key among ascending ones, -1 for a key that is not there. Fast when keys ascend, too.

    >>> find(np.array([10, 30]), np.array([10, 20, 30, 40])).tolist()
    [0, -1, 1, -1]
    """
    if not ascending.size:
        return np.full(keys.size, -1)
    places = np.searchsorted(ascending, keys)
    places[places == ascending.size] = 0
    places[ascending[places] != keys] = -1
    return places


def sort_order(keys: Ints) -> Ints:
    """Return the order that makes the keys ascend, equal keys in the order of their rows.

    Sorts one array of whole numbers, each a key's upper bits with the row's number below them: three times faster
    than `argsort`. Keys that differ only below, a handful of random ones, are put in order afterwards.
    """
    if (keys[1:] >= keys[:-1]).all():
        return np.arange(keys.size)
    bits = int(keys.size).bit_length()
    order = keys >> bits
    order <<= bits
    order |= np.arange(keys.size)
    order.sort()
    order &= (1 << bits) - 1
    ordered = keys[order]
    wrong = np.flatnonzero(ordered[1:] < ordered[:-1])
    if wrong.size:
        upper = ordered >> bits
        for prefix in np.unique(upper[wrong]):
            first, end = np.searchsorted(upper, prefix), np.searchsorted(upper, prefix, side="right")
            order[first:end] = order[first:end][np.argsort(ordered[first:end], kind="stable")]
    return order


def _starts(ordered: Ints) -> Ints:
    """Return where runs of equal numbers begin."""
    begins = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _reduce(function: np.ufunc, values: NDArray[Any], starts: Ints) -> NDArray[Any]:
    """Reduce each run of values."""
    return values if starts.size == values.size else function.reduceat(values, starts)
