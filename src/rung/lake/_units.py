"""Sums over units, by sorting: one row of keys per exposure and outcome in, one row of sums per arm and stratum out.

Pure. Sorting whole numbers, each a key's upper bits with the row's number below them, brings a unit's rows together
several times faster than a hash table does, in a bounded amount of memory. Below a million rows 43 or more bits of the
key remain: among a million units the chance that any two are taken for one is 6 %, and of no consequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIELDS", "Events", "Sums", "aggregate"]

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

FIELDS: Final = ("exposed", "moved", "units", "y", "yy", "yyy", "x", "xx", "xy", "m", "mm", "mmm")
"""The columns of `Sums.cells`; `ArmSums` explains them."""

_NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Exposures and outcomes of some units, complete for each of these."""

    exposure_keys: Ints  # key of the unit, shape (exposures,)
    exposures: Ints  # 2 * microseconds since 1970, + 1 for the challenger, same shape
    outcome_keys: Ints  # key of the unit, shape (outcomes,)
    outcome_times: Ints  # microseconds since 1970, same shape
    values: Floats  # same shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over units, and what became of the outcomes."""

    cells: Floats  # shape (2 * strata, len(FIELDS)); row 2 * stratum + 1 is the challenger's
    counted: int = 0  # outcomes that are in the sums
    early: int = 0  # outcomes from before their unit's first exposure

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            cells=self.cells + other.cells, counted=self.counted + other.counted, early=self.early + other.early
        )


def aggregate(events: Events, splits: Ints) -> Sums:
    """Sum the units of each arm and stratum.

    Args:
        events: Exposures and outcomes; outcomes of units that are not exposed are left out.
        splits: Where strata begin, microseconds since 1970, ascending, shape (strata - 1,).
    """
    exposures = events.exposures.size
    cells = np.zeros((2 * (splits.size + 1), len(FIELDS)))
    if not exposures:
        return Sums(cells=cells)
    order, starts = _by_key(np.concatenate([events.exposure_keys, events.outcome_keys]))
    first, moved = _first_exposures(events.exposures, order, starts)
    unit_of = _unit_of_outcome(order, starts, exposures)
    known = first[unit_of] != _NEVER
    due = events.outcome_times >= first[unit_of] >> 1
    counted = known & due
    y = np.bincount(unit_of[counted], weights=events.values[counted], minlength=starts.size)
    x = np.bincount(unit_of[counted], minlength=starts.size).astype(np.float64)
    exposed = first != _NEVER
    cell = 2 * np.searchsorted(splits, first >> 1, side="right") + (first & 1)
    for number in range(len(cells)):
        members = exposed & (cell == number)
        cells[number] = _sum(y[members], x[members], moved[members])
    return Sums(cells=cells, counted=int(counted.sum()), early=int((known & ~due).sum()))


def _by_key(keys: Ints) -> tuple[Ints, Ints]:
    """Return the rows' numbers ordered by key, in each key by number, and where in that order each key begins."""
    bits = int(keys.size).bit_length()
    packed = keys >> bits << bits
    packed |= np.arange(keys.size)
    packed.sort()
    order = packed & ((1 << bits) - 1)
    packed >>= bits
    return order, np.flatnonzero(np.r_[True, packed[1:] != packed[:-1]])


def _first_exposures(exposures: Ints, order: Ints, starts: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return each key's first exposure, `_NEVER` without one, and whether a later one was to the other arm."""
    is_exposure = order < exposures.size
    values = np.full(order.size, _NEVER)
    values[is_exposure] = exposures[order[is_exposure]]
    first = np.minimum.reduceat(values, starts)
    arms = np.where(is_exposure, values & 1, 0)
    challenger = np.add.reduceat(arms, starts)
    times = np.add.reduceat(is_exposure.astype(np.int64), starts)
    return first, (challenger > 0) & (challenger < times)


def _unit_of_outcome(order: Ints, starts: Ints, exposures: int) -> Ints:
    """Return for each outcome the number of its key."""
    units = np.empty(order.size, dtype=np.int64)
    units[order] = np.repeat(np.arange(starts.size), np.diff(starts, append=order.size))
    return units[exposures:]


def _sum(y: Floats, x: Floats, moved: NDArray[np.bool_]) -> list[float]:
    has_outcome = x > 0
    exposed, y, x = y.size, y[has_outcome], x[has_outcome]
    m = y / x
    sums = (y.sum(), y @ y, (y * y) @ y, x.sum(), x @ x, x @ y, m.sum(), m @ m, (m * m) @ m)
    return [exposed, int(moved.sum()), y.size, *map(float, sums)]
