"""Rows that are older than a service keeps them, removed: whole days at a time, without a file being read.

`Lake.upkeep` calls it. Readers that go on from a mark read all rows afterwards: there is no other way to tell them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import polars as pl
from deltalake.exceptions import DeltaError

from rung.errors import UnavailableError
from rung.lake._tables import WITHOUT_UPKEEP, WRITER, first_line
from rung.lake._upkeep import Upkept, stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.lake._tables import Table

_BEGUN: Final = "split_part(file, '-', 3)"
"""When a log file was begun, from its name: nanoseconds since 1970, 19 digits until the year 2286."""


def remove_days(table: Table, keep_from: Mapping[str, date]) -> Upkept:
    """Remove the rows of days before those from which services keep theirs; the table has both as partitions.

    Raises:
        UnavailableError: The table's disk or store does not work.
    """
    opened = table.now()
    if opened is None:
        return Upkept()
    old: Counter[str] = Counter()
    for partition in {file.partition for file in stored(opened)}:
        told = dict(partition)
        first = keep_from.get(told["service"])
        old[told["service"]] += first is not None and date.fromisoformat(told["date"]) < first
    for service in +old:
        _remove(table, f"service = '{service}' AND date < '{keep_from[service].isoformat()}'")
    return Upkept(days=old.total())


def remove_lines(quarantine: Table, first: date) -> Upkept:
    """Remove lines of log files that were begun before a day.

    Raises:
        UnavailableError: The table's disk or store does not work.
    """
    nanoseconds = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * 1_000_000_000
    begun = pl.col("file").str.split("-").list.get(2, null_on_oob=True).cast(pl.Int64, strict=False)
    lines = int(quarantine.scan().filter(begun < nanoseconds).select(pl.len()).collect(engine="streaming").item())
    if lines:
        _remove(quarantine, f"{_BEGUN} < '{nanoseconds}'")
    return Upkept(lines=lines)


def _remove(table: Table, predicate: str) -> None:
    opened = table.now()
    if opened is None:
        return
    try:
        opened.delete(predicate, writer_properties=WRITER, post_commithook_properties=WITHOUT_UPKEEP)
    except (DeltaError, OSError) as error:
        raise UnavailableError(
            f"the table {table.uri} does not give up old rows ({first_line(error)})",
            hint="the next look tries again",
        ) from error
    table.settle()
