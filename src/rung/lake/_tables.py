"""A Delta table of the lake: rows go in once, and are on the disk before anybody relies on it.

Each commit carries, as Delta application transactions, how far every log file has been read. So the table itself says
what it holds, in the same atomic step, and no other state can disagree with it.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import polars as pl
from arro3.core import Table as ArrowTable
from deltalake import (
    ColumnProperties,
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import DeltaError
from deltalake.transaction import Transaction

from rung.errors import UnavailableError
from rung.lake._places import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CONFIGURATION", "WITHOUT_UPKEEP", "WRITER", "Changes", "Mark", "Table", "first_line"]

_PART_ROWS: Final = 1_000_000
"""A part ends with the file that passes this many rows."""
_UNSETTLED: Final = 16
"""Commits at the end of a log that a killed process may have left unsynced: upkeep and appends make theirs apart."""
_DISTINCT: Final = ("id", "id_key", "unit_key", "prediction_key", "same_key", "time", "instances", "predictions")
"""Columns of which nearly every value is another: a dictionary of them takes time, and a quarter more space."""
WRITER: Final = WriterProperties(
    compression="ZSTD",
    compression_level=1,
    max_row_group_size=131_072,
    column_properties={name: ColumnProperties(dictionary_enabled=False) for name in _DISTINCT},
)
CONFIGURATION: Final = {
    "delta.logRetentionDuration": "interval 1 days",
    "delta.deletedFileRetentionDuration": "interval 3 hours",  # of what the log says of files that are replaced
}
WITHOUT_UPKEEP: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""Checkpoints and the cleaning of the log are `_upkeep`'s: an append waits for neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A state of a table: up to where a reader has read."""

    table: str = ""  # the table's own id; empty as long as there is none
    version: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Rows that a reader has not seen."""

    mark: Mark  # the state that they lead to
    parts: list[pl.LazyFrame]  # of some files each, to be read one by one
    whole: bool  # these are all rows of the table: what was added since the reader's mark cannot be told


class Table:
    """One Delta table, made at its first append. Appends are for one process at a time; anybody may read."""

    def __init__(self, uri: str, schema: pl.Schema, partition_by: Iterable[str] = ()) -> None:
        self.uri = uri
        self._schema = schema
        self._partition_by = list(partition_by)
        self._settled = -1  # version that is known to be on the disk
        self._opened = threading.local()

    @cached_property
    def place(self) -> Place:
        """Where its files lie."""
        return place_of(self.uri)

    def scan(self) -> pl.LazyFrame:
        """Return the rows as they are now, to be filtered by the caller."""
        _, files = self.state()
        return self._rows_of(files) if files else pl.LazyFrame(schema=self._schema)

    def mark(self) -> Mark:
        """Return the state of the table now; equal states hold equal rows."""
        table = self.now()
        return Mark() if table is None else _mark(table)

    def state(self) -> tuple[Mark, list[str]]:
        """Return the state of the table now, and the files that it then consists of, by their paths in it."""
        table = self.now()
        return (Mark(), []) if table is None else (_mark(table), list(_files(table)))

    def changes(self, mark: Mark | None) -> Changes:
        """Return the rows that were added after a mark, in parts of some files each; without a mark all rows.

        All rows, too, when the table was made anew, when rows were removed from it, and when files that were added are
        gone already (an hour after a compaction). A reader takes the parts one by one: the engine keeps several hundred
        megabytes for itself when it reads a large table at once.
        """
        table = self.now()
        if table is None:
            return Changes(mark=Mark(), parts=[], whole=mark != Mark())
        now = _mark(table)
        added = self._added(mark, now) if mark is not None else None
        if added is not None and self.place.has_all(added, partial(_files, table)):
            return Changes(mark=now, parts=self._parts(added), whole=False)
        return Changes(mark=now, parts=self._parts(_files(table)), whole=True)

    def _added(self, mark: Mark, now: Mark) -> dict[str, int] | None:
        """Return the files with new rows, and how many each has; None when that cannot be told."""
        if mark.table not in {"", now.table} or mark.version > now.version:
            return None
        files: dict[str, int] = {}
        for version in range(mark.version + 1, now.version + 1):
            actions = self.place.commit(version)
            if actions is None or any(action.get("remove", {}).get("dataChange") for action in actions):
                return None
            added = [action["add"] for action in actions if action.get("add", {}).get("dataChange")]
            files |= {unquote(add["path"]): int(json.loads(add["stats"])["numRecords"]) for add in added}
        return files

    def _parts(self, files: Mapping[str, int]) -> list[pl.LazyFrame]:
        groups: dict[int, list[str]] = {}
        rows = 0
        for path, count in files.items():
            rows += count
            groups.setdefault(rows // _PART_ROWS, []).append(path)
        return [self._rows_of(paths) for paths in groups.values()]

    def _rows_of(self, paths: Iterable[str]) -> pl.LazyFrame:
        return pl.scan_parquet(
            [f"{self.uri}/{path}" for path in paths],
            schema=self._schema,
            hive_partitioning=True,
            hive_schema={name: self._schema[name] for name in self._partition_by},
            missing_columns="insert",
            storage_options=self.place.scan_options,
        )

    def offsets(self, files: Iterable[str]) -> dict[str, int]:
        """Return how many bytes of each log file are in the table."""
        table = self.now()
        if table is None:
            return dict.fromkeys(files, 0)
        return {file: table.transaction_version(file) or 0 for file in files}

    def append(self, rows: pl.DataFrame, offsets: Mapping[str, int]) -> None:
        """Add rows and advance the offsets in one commit, which is on the disk when this returns."""
        table = self.now() or self._make()
        self._settle(table)
        progress = CommitProperties(app_transactions=[Transaction(file, end) for file, end in offsets.items()])
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode="merge" if self._lacks_columns(table) else None,
            commit_properties=progress,
            post_commithook_properties=WITHOUT_UPKEEP,
            writer_properties=WRITER,
        )
        self._settle(table)

    def _lacks_columns(self, table: DeltaTable) -> bool:
        """Tell whether an earlier Rung made the table, which logged less; its rows have nulls there."""
        return not self._schema.keys() <= {field.name for field in table.schema().fields}

    def settle(self) -> None:
        """Put the newest commits and the files that they added on the disk.

        Older ones are there already: whoever commits settles before going on, and a process that was killed before that
        left its commit among the newest.
        """
        table = self.now()
        if table is not None:
            self._settle(table)

    def _settle(self, table: DeltaTable) -> None:
        version = table.version()
        known = self._settled if self._settled <= version else -1  # -1: the table was made anew
        for unsettled in range(max(known + 1, version + 1 - _UNSETTLED, 0), version + 1):
            self.place.settle(unsettled)
        self._settled = version

    def now(self) -> DeltaTable | None:
        """Return the table as it is now; None when there is none.

        Each thread opens it once: reading the whole log anew takes ten times as long as reading what is new in it.
        """
        try:
            return self._opened_now()
        except (DeltaError, OSError) as error:
            raise UnavailableError(
                f"the table {self.uri} cannot be read ({first_line(error)})",
                hint="is its disk or its store there? the same again works when it is",
            ) from error

    def _opened_now(self) -> DeltaTable | None:
        birth = self.place.birth()
        table: DeltaTable | None = getattr(self._opened, "table", None)
        if table is not None and self._opened.birth == birth:
            with suppress(DeltaError):  # upkeep removed what it knew the table by: it is opened anew
                table.update_incremental()
                return table
        if not self.place.has_table():
            return None
        self._opened.table, self._opened.birth = DeltaTable(self.uri, storage_options=self.place.options), birth
        found: DeltaTable = self._opened.table
        return found

    def _make(self) -> DeltaTable:
        return DeltaTable.create(
            self.uri,
            schema=Schema.from_arrow(ArrowTable(pl.DataFrame(schema=self._schema)).schema),
            mode="ignore",
            partition_by=self._partition_by,
            configuration=CONFIGURATION,
            storage_options=self.place.options,
        )


def first_line(error: Exception) -> str:
    """Shorten what a library says: the rest is a chain of causes."""
    return str(error).partition("\n")[0][:200]


def _mark(table: DeltaTable) -> Mark:
    return Mark(table=str(table.metadata().id), version=table.version())


def _files(table: DeltaTable) -> dict[str, int]:
    """Return the files of a table, and how many rows each has."""
    files = pl.DataFrame(table.get_add_actions(flatten=True)).select("path", "num_records")
    return dict(files.iter_rows())
