"""The Delta table of a dataset: which files it has, and the one step in which files come and go. `_write` calls it."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from arro3.core import Table as ArrowTable
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction, Transaction

from rung.errors import ConflictError, UnavailableError
from rung.lake._places import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.data._version import Facts, File

__all__ = ["Commit", "DatasetTable"]

_MESSAGE: Final = "rung"
"""Name under which a commit carries what its version is to say."""
_CONFIGURATION: Final[Mapping[str, str | None]] = {
    "delta.deletedFileRetentionDuration": "interval 36500 days",  # a vacuum by others would take older versions away
    "delta.logRetentionDuration": "interval 7 days",  # versions are read by their manifests
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one write makes of a dataset."""

    number: int  # of the version
    columns: Mapping[str, pl.DataType]
    facts: Facts
    added: int  # rows
    changed: int
    removed: int
    files: Sequence[File] = ()  # that come
    gone: Sequence[File] = ()  # none, where the files that come are all
    is_whole: bool = False  # the files that come are all that the dataset has from now on

    @property
    def message(self) -> dict[str, Any]:
        """What the version says, beside what can be read from its files."""
        counts = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return {"number": self.number, "time": time.time(), **counts, "facts": asdict(self.facts)}


class DatasetTable:
    """One Delta table, in a folder or an object store."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._place = place_of(uri)

    def files(self) -> dict[str, tuple[int, int]]:
        """Give rows and bytes of each file that the newest commit leaves, by path; nothing when there is no table."""
        table = self._open()
        if table is None:
            return {}
        actions = pl.DataFrame(table.get_add_actions(flatten=True))
        return {path: (rows, size) for path, rows, size in actions["path", "num_records", "size_bytes"].iter_rows()}

    def message(self, number: int) -> dict[str, Any] | None:
        """Give what the commit of a version says; None when the last commits have none of that number."""
        table = self._open()
        for commit in table.history(16) if table is not None else ():
            told = json.loads(commit.get(_MESSAGE, "null"))
            if told is not None and told["number"] == number:
                return dict(told)
        return None

    def columns(self) -> dict[str, pl.DataType]:
        """Give the columns that the table has now."""
        table = self._open()
        if table is None:
            return {}
        return dict(pl.DataFrame(ArrowTable.from_batches([], schema=table.schema().to_arrow())).schema)

    def commit(self, commit: Commit) -> None:
        """Let files come and go in one step, which is on the disk when this returns.

        Raises:
            ConflictError: Another writer changed the same files meanwhile.
            UnavailableError: The disk or the store does not take it.
        """
        schema = Schema.from_arrow(ArrowTable(pl.DataFrame(schema=commit.columns)).schema)
        try:
            table = self._prepared(commit, schema)
            table.create_write_transaction(
                [*map(_add, commit.files), *map(_remove, commit.gone)],
                mode="overwrite" if commit.is_whole else "append",
                schema=schema,
                commit_properties=CommitProperties(
                    custom_metadata={_MESSAGE: json.dumps(commit.message)},
                    app_transactions=[Transaction(_MESSAGE, commit.number)],  # of two at once, one is refused
                ),
            )
            self._place.settle(DeltaTable(self.uri, storage_options=self._place.options).version())
        except (DeltaError, OSError) as error:
            reason = str(error).partition("\n")[0][:200]
            if "conflict" in reason.lower() or "concurrent" in reason.lower():
                raise ConflictError(
                    f"another writer changed {self.uri} at the same time ({reason})", hint="try the same again"
                ) from error
            raise UnavailableError(
                f"{self.uri} does not take a version ({reason})",
                hint="see to its disk or its store; then the same again: what was there is unchanged",
            ) from error

    def _prepared(self, commit: Commit, schema: Schema) -> DeltaTable:
        """Make the table when there is none, and give it the columns that it lacks."""
        table = self._open()
        if table is None:
            return DeltaTable.create(
                self.uri,
                schema=schema,
                mode="ignore",
                configuration=_CONFIGURATION,
                storage_options=self._place.options,
            )
        known = {field.name for field in table.schema().fields}
        new = [field for field in schema.fields if field.name not in known]
        if new and not commit.is_whole:
            table.alter.add_columns(new)
            table.update_incremental()
        return table

    def _open(self) -> DeltaTable | None:
        try:
            if not self._place.has_table():
                return None
            return DeltaTable(self.uri, storage_options=self._place.options)
        except (DeltaError, OSError) as error:
            raise UnavailableError(
                f"the table {self.uri} cannot be read ({str(error).partition(chr(10))[0][:200]})",
                hint="is its disk or its store there? the same again works when it is",
            ) from error


def _add(file: File) -> AddAction:
    return AddAction(
        path=file.path,
        size=file.size,
        partition_values={},
        modification_time=int(time.time() * 1000),
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def _remove(file: File) -> RemoveAction:
    return RemoveAction(
        path=file.path,
        data_change=True,
        deletion_timestamp=int(time.time() * 1000),
        size=file.size,
        partition_values={},
    )
