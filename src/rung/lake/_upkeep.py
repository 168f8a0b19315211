"""Upkeep of a table, so that its cost stays flat as it grows: the control plane looks after each one now and then.

Three things would grow for ever: files, which are joined; the commits that a reader goes through, which a checkpoint
sums up; older commits and replaced files, which go. `_retention` removes rows.

A join costs as much as what is new: a partition's small files become one of a megabyte, eight such ones of eight,
eight of these one of 64. So each row is written four times at most, and no file of 64 MB is ever read again. Appends go
on meanwhile and wait for nothing; readers that go on from a mark see no new rows.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import polars as pl
from deltalake.exceptions import DeltaError

from rung.errors import UnavailableError
from rung.lake._tables import CONFIGURATION, WITHOUT_UPKEEP, WRITER, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deltalake import DeltaTable

    from rung.lake._tables import Table

__all__ = ["Join", "Partition", "Stored", "Upkeep", "Upkept", "due", "is_small", "stored"]

Partition: TypeAlias = tuple[tuple[str, str], ...]
"""Columns of a partition with its values, as (("service", "housing"), ("date", "2026-11-21"))."""

_MEGABYTE: Final = 1 << 20
_SIZES: Final = (_MEGABYTE, 8 * _MEGABYTE, 64 * _MEGABYTE)
"""What files are joined to, bytes; one of half that size is not touched again for it."""
_MANY: Final = 32
"""Files below the smallest size that a partition may have."""
_FEW: Final = 4
"""Files of less than a quarter of the largest size that a day may have when it is over."""
_COMMITS: Final = 32
"""After so many a checkpoint sums them up: 50 ms, now and then, for appends that take no longer."""
_KEPT_COMMITS: Final = 256
"""Before the newest checkpoint: a reader whose mark is older reads all rows."""
_REPLACED_HOURS: Final = 1
"""Replaced files stay this long: longer than a query that began before they were."""
_VACUUM_S: Final = 3_600.0
_SEARCH_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One data file."""

    partition: Partition
    size: int  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Files of one partition that are to become fewer."""

    partition: Partition
    target: int  # bytes; smaller files are joined to about this size


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkept:
    """What a look did."""

    joined: int = 0  # files that became fewer
    into: int = 0  # files that they became
    checkpoints: int = 0
    commits: int = 0  # commits and checkpoints that were removed
    removed: int = 0  # data files that were removed: replaced ones, and what killed writers left
    days: int = 0  # partitions whose rows were older than they are kept
    lines: int = 0  # lines of the quarantine that were older
    waiting: int = 0  # joins that are due and were left to the next look

    def __add__(self, other: Upkept) -> Upkept:
        return Upkept(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def __bool__(self) -> bool:
        return self != Upkept()


def due(files: Iterable[Stored], *, today: date) -> list[Join]:
    """Say what is to be joined, the partitions with most files first. Pure.

    >>> small = Stored(partition=(), size=10_000)
    >>> due([small] * 31, today=date(2026, 11, 21))
    []
    >>> [join.target for join in due([small] * 32, today=date(2026, 11, 21))]
    [1048576]
    """
    partitions: dict[Partition, list[int]] = defaultdict(list)
    for file in files:
        partitions[file.partition].append(file.size)
    most_first = sorted(partitions.items(), key=lambda item: (-len(item[1]), item[0]))
    targets = [(partition, _target(sizes, is_over=_is_over(partition, today))) for partition, sizes in most_first]
    return [Join(partition=partition, target=target) for partition, target in targets if target]


def is_small(file: Stored) -> bool:
    """Tell whether a file is one of those that a partition has only some of."""
    return file.size < _SIZES[0] // 2


def _target(sizes: list[int], *, is_over: bool) -> int:
    """Give the size that a partition's files are to be joined to; 0 when they stay as they are."""
    for target in reversed(_SIZES):
        smaller = [size for size in sizes if size < target // 2]
        if len(smaller) > 1 and sum(smaller) >= target:
            return target
    if is_over and sum(size < _SIZES[-1] // 4 for size in sizes) >= _FEW:
        return _SIZES[-1]
    return _SIZES[0] if sum(size < _SIZES[0] // 2 for size in sizes) >= _MANY else 0


def _is_over(partition: Partition, today: date) -> bool:
    """Tell whether hardly anything comes to a partition any more: its day was before yesterday."""
    day = dict(partition).get("date")
    return day is not None and date.fromisoformat(day) < today - timedelta(days=1)


class Upkeep:
    """That of one table. For one thread at a time; what it knows of looks before is in memory alone."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._tidy: tuple[str, int, date] | None = None  # state in which nothing was left to join
        self._futile: dict[Partition, list[int]] = {}  # sizes of files that are no fewer after a join
        self._vacuumed = -math.inf  # monotonic seconds, as the next
        self._searched = time.monotonic() - _SEARCH_S + _VACUUM_S

    def look(self, *, deadline: float, now: datetime | None = None) -> Upkept:
        """Do what is due.

        Args:
            deadline: Nothing is begun after it, monotonic seconds. One join takes about a second at most.
            now: The present.

        Raises:
            UnavailableError: The table's disk or store does not work.
        """
        table = self._table.now()
        if table is None:
            return Upkept()
        try:
            _configure(table)
            done = self._join(table, (now or datetime.now(UTC)).date(), deadline)
            return done + self._vacuum(table, deadline) + self._shorten_log(table, deadline)
        except (DeltaError, OSError) as error:
            raise _untended(self._table, error) from error

    def _join(self, table: DeltaTable, today: date, deadline: float) -> Upkept:
        state = (str(table.metadata().id), table.version(), today)
        if state == self._tidy:
            return Upkept()
        joins = self._joins(table, today)
        done = Upkept()
        while joins and time.monotonic() < deadline:
            done += self._join_one(table, joins.pop(0))
        if not joins:
            self._tidy = (state[0], table.version(), today)
        return done + Upkept(waiting=len(joins))

    def _joins(self, table: DeltaTable, today: date) -> list[Join]:
        sizes = _sizes(table)
        self._futile = {partition: known for partition, known in self._futile.items() if sizes.get(partition) == known}
        files = (Stored(partition=partition, size=size) for partition, all_ in sizes.items() for size in all_)
        return [join for join in due(files, today=today) if join.partition not in self._futile]

    def _join_one(self, table: DeltaTable, join: Join) -> Upkept:
        found = table.optimize.compact(
            partition_filters=[(column, "=", value) for column, value in join.partition] or None,
            target_size=join.target,
            max_concurrent_tasks=1,
            writer_properties=WRITER,
            post_commithook_properties=WITHOUT_UPKEEP,
        )
        self._table.settle()
        table.update_incremental()
        if not found["numFilesRemoved"]:
            self._futile[join.partition] = _sizes(table).get(join.partition, [])
        return Upkept(joined=found["numFilesRemoved"], into=found["numFilesAdded"])

    def _vacuum(self, table: DeltaTable, deadline: float) -> Upkept:
        """Remove files that were replaced a while ago; once a day look for those that no commit ever named, too."""
        now = time.monotonic()
        if now > deadline or now - self._vacuumed < _VACUUM_S:
            return Upkept()
        search = now - self._searched > _SEARCH_S
        vacuum = partial(
            table.vacuum,
            retention_hours=_REPLACED_HOURS,
            enforce_retention_duration=False,
            full=search,
            post_commithook_properties=WITHOUT_UPKEEP,
        )
        gone = vacuum(dry_run=True) and vacuum(dry_run=False)
        self._table.settle()
        self._vacuumed = now
        self._searched = now if search else self._searched
        return Upkept(removed=len(gone))

    def _shorten_log(self, table: DeltaTable, deadline: float) -> Upkept:
        place = self._table.place
        last = place.checkpoint()
        if table.version() - last < _COMMITS or time.monotonic() > deadline:
            return Upkept()
        table.create_checkpoint()
        return Upkept(checkpoints=1, commits=place.forget(place.checkpoint() - _KEPT_COMMITS))


def _configure(table: DeltaTable) -> None:
    """Give a table of an earlier Rung what a new one has."""
    configured = table.metadata().configuration
    if any(configured.get(name) != value for name, value in CONFIGURATION.items()):
        table.alter.set_table_properties(CONFIGURATION, post_commithook_properties=WITHOUT_UPKEEP)


def stored(table: DeltaTable) -> list[Stored]:
    """Give the data files of a table."""
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    columns = [name for name in actions.columns if name.startswith("partition.")]
    names = [name.removeprefix("partition.") for name in columns]
    rows = actions.select("size_bytes", *(pl.col(name).cast(pl.String) for name in columns)).iter_rows()
    return [Stored(partition=tuple(zip(names, values, strict=True)), size=size) for size, *values in rows]


def _sizes(table: DeltaTable) -> dict[Partition, list[int]]:
    sizes: dict[Partition, list[int]] = defaultdict(list)
    for file in stored(table):
        sizes[file.partition].append(file.size)
    return {partition: sorted(found) for partition, found in sizes.items()}


def _untended(table: Table, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the table {table.uri} cannot be looked after ({first_line(error)})",
        hint="nothing is lost; the next look goes on",
    )
