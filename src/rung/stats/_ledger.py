"""What `Experiment` remembers of each unit: its arm, its stratum, and its totals in each metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from rung.errors import CallError
from rung.stats.arms import Arm, Stratum, vector
from rung.stats.effects import FIELDS, Floats, Kind

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ARMS", "Batch", "Ledger", "Totals"]

ARMS = ("challenger", "incumbent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Outcomes of units, checked: all arrays have one number per unit."""

    units: list[Hashable]
    y: Floats
    x: Floats
    z: Floats | None  # None: no covariates were given

    @classmethod
    def of(
        cls,
        units: Sequence[Hashable] | NDArray[np.generic],
        values: ArrayLike,
        denominators: ArrayLike | None,
        covariates: ArrayLike | None,
    ) -> Batch:
        """Check the arrays against each other.

        Raises:
            CallError: The shapes differ, a number is not finite, or a unit has no name.
        """
        names: list[Hashable] = units.tolist() if isinstance(units, np.ndarray) else list(units)
        if any(name is None or name != name for name in names):  # noqa: PLR0124  # only nan differs from itself
            raise CallError("a unit is missing", hint="leave out outcomes whose unit is not known")
        return cls(
            units=names,
            y=vector("values", values, len(names)),
            x=vector("denominators", denominators, len(names)),
            z=None if covariates is None else vector("covariates", covariates, len(names)),
        )


class Ledger:
    """The units of an experiment, each in one row, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._rows: dict[Hashable, int] = {}
        self._cells = np.zeros(0, dtype=np.int64)

    @property
    def cells(self) -> NDArray[np.int64]:
        """The cell of each unit, shape (units,): twice its stratum, plus the number of its arm."""
        return self._cells[: len(self._rows)]

    def enter(self, units: Sequence[Hashable], cell: int) -> NDArray[np.int64]:
        """Return the row of each unit; those not seen before begin in this cell, the others keep theirs.

        Raises:
            CallError: A unit belongs to the other arm; nothing was entered then.
        """
        rows = np.fromiter((self._rows.get(unit, -1) for unit in units), dtype=np.int64, count=len(units))
        known = np.flatnonzero(rows >= 0)
        moved = known[self._cells[rows[known]] % 2 != cell % 2]
        if moved.size:
            raise CallError(
                f"{moved.size} units of the {ARMS[cell % 2]} were seen in the {ARMS[1 - cell % 2]} before,"
                f" the first is {units[moved[0]]!r}",
                hint="name units by what the traffic is split by; leave out those that saw both arms",
            )
        before = len(self._rows)
        for position in np.flatnonzero(rows < 0).tolist():
            rows[position] = self._rows.setdefault(units[position], len(self._rows))
        self._cells = _grown(self._cells, len(self._rows))
        self._cells[before : len(self._rows)] = cell
        return rows


class Totals:
    """The totals of each unit in one metric."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._seen = np.zeros(0, dtype=np.bool_)
        self._columns = {letter: np.zeros(0) for letter in "yxz"}
        self._covered: bool | None = None  # covariates: given, not given, not known yet

    def check(self, batch: Batch) -> None:
        """Raise a CallError when the batch does not fit the metric or the batches before; nothing changes."""
        if self.kind == "proportion" and not ((batch.y >= 0) & (batch.y <= 1)).all():
            raise CallError(
                "a proportion has outcomes that are not between 0 and 1", hint="use the kind mean for other numbers"
            )
        if self.kind == "ratio" and not (batch.x >= 0).all():
            raise CallError("a ratio has denominators below 0", hint="count something in them: requests, sessions")
        if self._covered is not None and self._covered != (batch.z is not None):
            raise CallError(
                "some batches have covariates and some have none", hint="give them with every batch, or with none"
            )

    def add(self, rows: NDArray[np.int64], batch: Batch, size: int) -> None:
        """Add outcomes to the totals of units: rows of a ledger that has `size` units."""
        self._seen = _grown(self._seen, size)
        self._columns = {letter: _grown(column, size) for letter, column in self._columns.items()}
        if batch.z is not None:  # the first that was told of a unit stays: later ones may know of the arm
            first = ~self._seen[rows]
            self._columns["z"][rows[first]] = batch.z[first]
        self._covered = batch.z is not None
        self._seen[rows] = True
        np.add.at(self._columns["x"], rows, batch.x)
        gather = np.maximum if self.kind == "proportion" else np.add
        gather.at(self._columns["y"], rows, batch.y)

    def values(self) -> Floats:
        """Return the outcome of each unit that has one."""
        return self._columns["y"][self._seen]

    def strata(self, cells: NDArray[np.int64], count: int, limits: tuple[float, float] | None) -> list[Stratum]:
        """Return the sums of `count` strata; outcomes are clipped into the limits."""
        seen = np.flatnonzero(self._seen)
        columns = {letter: column[seen] for letter, column in self._columns.items()}
        if limits is not None:
            columns["y"] = np.clip(columns["y"], *limits)
        rows = [_sums(name, columns, cells[seen], 2 * count) for name in FIELDS]
        sums = np.stack(rows, axis=1).tolist()
        arms = [Arm(**{**dict(zip(FIELDS, cell, strict=True)), "units": int(cell[0])}) for cell in sums]
        return list(zip(arms[::2], arms[1::2], strict=True))


_Number = TypeVar("_Number", bound=np.generic)


def _grown(column: NDArray[_Number], size: int) -> NDArray[_Number]:
    """Return a column that holds `size` rows, zeros after the old ones; it doubles, so that small batches are cheap."""
    if column.size >= size:
        return column
    more = np.zeros(max(size, 2 * column.size) - column.size, dtype=column.dtype)
    return np.concatenate([column, more])


def _sums(name: str, columns: dict[str, Floats], cells: NDArray[np.int64], count: int) -> Floats:
    """Sum one product of columns, named as in `FIELDS`, for each cell."""
    weights = None if name == "units" else np.prod([columns[letter] for letter in name], axis=0)
    result: Floats = np.bincount(cells, weights=weights, minlength=count).astype(np.float64)
    return result
