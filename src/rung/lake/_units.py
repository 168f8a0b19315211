"""The units of an experiment as sorted arrays: who was exposed first to what, and what each unit's outcomes add up to.

Pure. Ten million units come as keys of 64 bits. Sorting those, and looking them up in order, is several times faster
than a hash table of them, in a third of the memory. `_arms` feeds it from the tables, batch by batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FIELDS", "Floats", "Ints", "Units", "find", "sort_order"]

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

FIELDS: Final = ("exposed", "moved", "units", "y", "yy", "yyy", "x", "xx", "xy", "m", "mm", "mmm")
"""The columns of `Units.sums`; `ArmSums` explains them."""

_SHARES: Final = 16
"""Ten million units in parts that fit the processor's caches; a power of two."""


class Units:
    """The units that were exposed, with the sum and the number of the outcomes that each has so far."""

    def __init__(self, exposures: Iterable[tuple[NDArray[Any], ...]]) -> None:
        """Find the first exposure of each unit.

        Args:
            exposures: Batches of two arrays, a row per exposure in any order: the unit's key, and 2 * microseconds
                since 1970, + 1 when the arm is the challenger's.
        """
        nothing = np.empty(0, dtype=np.int64)
        parts: list[list[tuple[NDArray[Any], ...]]] = [[(nothing, nothing)] for _ in range(_SHARES)]
        for batch in exposures:
            for part, rows in zip(parts, _split(*batch), strict=True):
                part.append(rows)
        self._shares: list[_Share] = []
        for part in parts:
            self._shares.append(_Share(*map(np.concatenate, zip(*part, strict=True))))
            part.clear()  # the rows are not needed once the units are known

    def add(self, keys: Ints, times: Ints, values: Floats) -> tuple[int, int]:
        """Count the outcomes of units that are here, from their first exposure on.

        Args:
            keys: The unit of each outcome, shape (outcomes,), in any order.
            times: Microseconds since 1970, same shape.
            values: The outcomes, same shape.

        Returns:
            How many outcomes were counted, and how many are from before the first exposure of their unit.
        """
        found = [share.add(*rows) for share, rows in zip(self._shares, _split(keys, times, values), strict=True)]
        return sum(counted for counted, _ in found), sum(early for _, early in found)

    def sums(self, splits: Ints) -> Floats:
        """Sum over the units of each arm and stratum.

        Args:
            splits: Where strata begin, microseconds since 1970, ascending, shape (strata - 1,).

        Returns:
            The `FIELDS` of each arm, shape (2 * strata, 12); row 2 * stratum is the incumbent's, the next the
            challenger's.
        """
        cells = np.zeros((2 * (splits.size + 1), len(FIELDS)))
        for share in self._shares:
            cells += share.sums(splits)
        return cells


class _Share:
    """Some of the units; the methods are those of `Units`."""

    def __init__(self, keys: Ints, exposures: Ints) -> None:
        order = sort_order(keys)
        keys, exposures = keys[order], exposures[order]
        starts = _starts(keys)
        self._keys = keys[starts]
        self._first = _reduce(np.minimum, exposures, starts)
        arms = (exposures & 1).astype(np.bool_)
        self._moved: Flags = _reduce(np.logical_or, arms, starts) ^ _reduce(np.logical_and, arms, starts)
        self._y = np.zeros(starts.size)
        self._x = np.zeros(starts.size, dtype=np.int32)

    def add(self, keys: Ints, times: Ints, values: Floats) -> tuple[int, int]:
        order = sort_order(keys)
        places = find(self._keys, keys[order])
        known = places >= 0
        places, order = places[known], order[known]
        due = times[order] >= self._first[places] >> 1
        counted, order = places[due], order[due]
        starts = _starts(counted)
        self._y[counted[starts]] += _reduce(np.add, values[order], starts)
        self._x[counted[starts]] += np.diff(starts, append=counted.size).astype(np.int32)
        return counted.size, places.size - counted.size

    def sums(self, splits: Ints) -> Floats:
        cells = self._first & 1
        cells += 2 * np.searchsorted(splits, self._first >> 1, side="right")
        return np.array([self._sum(cells == cell) for cell in range(2 * (splits.size + 1))])

    def _sum(self, members: Flags) -> list[float]:
        measured = members & (self._x > 0)
        y, x = self._y[measured], self._x[measured].astype(np.float64)
        m = y / x
        exposed, moved = int(np.count_nonzero(members)), int(np.count_nonzero(members & self._moved))
        sums = (y.sum(), y @ y, (y * y) @ y, x.sum(), x @ x, x @ y, m.sum(), m @ m, (m * m) @ m)
        return [exposed, moved, y.size, *map(float, sums)]


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


def _split(keys: Ints, *columns: NDArray[Any]) -> Iterable[tuple[NDArray[Any], ...]]:
    """Yield the rows of each share."""
    share = (keys & (_SHARES - 1)).astype(np.uint8)
    order = np.argsort(share, kind="stable")  # sorts bytes by counting
    ends = np.cumsum(np.bincount(share, minlength=_SHARES))[:-1]
    parts = [np.split(column[order], ends) for column in (keys, *columns)]
    return zip(*parts, strict=True)


def _starts(ascending: Ints) -> Ints:
    """Return where runs of equal numbers begin."""
    begins = np.ones(ascending.size, dtype=np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    return np.flatnonzero(begins)


def _reduce(function: np.ufunc, values: NDArray[Any], starts: Ints) -> NDArray[Any]:
    """Reduce each run of values."""
    return values if starts.size == values.size else function.reduceat(values, starts)
