"""The registry as one file that any of its databases can be filled from: JSON lines, whole or refused.

The first line tells the schema and how many rows each table has, each further line is a row, and the last one is the
SHA-256 of everything before it. Documents stand in it as text, so nothing is rounded or reordered on the way.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from sqlalchemy import JSON, MetaData, Text, cast, func, insert, inspect, select, text

from rung import errors
from rung.registry import _tables as tables
from rung.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

FORMAT: Final = "rung registry 1"
_BATCH: Final = 500  # rows in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """What a dump holds."""

    schema: str
    """The migration that its tables have."""
    rows: Mapping[str, int]
    """How many, by table."""
    written: datetime
    digest: str
    """Of everything in it: `sha256:` and 64 hexadecimal digits."""


def read_dump(path: Path) -> Dump:
    """Read a dump from its first line to its last, and see that it is whole.

    Raises:
        IntegrityError: It is not.
        NotFoundError: There is no such file.
    """
    try:
        with path.open("rb") as file:
            return _checked(file)
    except FileNotFoundError:
        raise errors.NotFoundError(f"there is no file {path}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise errors.IntegrityError(
            f"{path} is not a whole dump of a registry ({error})", hint="take another one"
        ) from error


def write_dump(connection: Connection, path: Path, *, schema: str) -> Dump:
    """Write all tables, as one transaction sees them; the file is there when it is whole and on disk, or not at all.

    Args:
        connection: In a transaction that sees all tables as they are at one time.
        path: The file, readable by its owner only; one that is there is replaced.
        schema: The migration that the tables have.
    """
    found = reflected(connection)
    counts = {table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in found}
    written = datetime.now(UTC).replace(microsecond=0)
    header = {
        "format": FORMAT,
        "schema": schema,
        "written": written.isoformat(),
        "tables": {
            table.name: {"columns": [column.name for column in table.columns], "rows": counts[table.name]}
            for table in found
        },
    }
    with _whole_file(path) as file:
        sha = hashlib.sha256()
        _write_line(file, sha, header)
        for table in found:
            for row in _rows(connection, table):
                _write_line(file, sha, [table.name, *row])
        digest = f"sha256:{sha.hexdigest()}"
        file.write(json.dumps({"digest": digest}).encode() + b"\n")
    return Dump(schema=schema, rows=counts, written=written, digest=digest)


def fill(connection: Connection, path: Path) -> None:
    """Insert the rows of a dump that was found whole into empty tables of its schema."""
    known = {table.name: table for table in reflected(connection)}
    with path.open("rb") as file:
        header = json.loads(file.readline())
        columns = {name: told["columns"] for name, told in header["tables"].items()}
        rows = (json.loads(line) for line in file if line.startswith(b"["))
        for name, group in groupby(rows, key=lambda row: str(row[0])):
            _insert(connection, known[name], (dict(zip(columns[name], row[1:], strict=True)) for row in group))
    for table in known.values():
        _go_on_counting(connection, table)


def is_empty(connection: Connection) -> bool:
    """Tell whether no table of the registry has a row."""
    return all(connection.execute(select(1).select_from(one).limit(1)).first() is None for one in reflected(connection))


def reflected(connection: Connection) -> list[Table]:
    """Read the tables of a registry from the database, whatever its schema: those that others need come first."""
    there = set(inspect(connection).get_table_names())
    metadata = MetaData()
    metadata.reflect(connection, only=sorted(there & tables.metadata.tables.keys()))
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, JSON):
                column.type = JSON(none_as_null=True)
    return metadata.sorted_tables


def _rows(connection: Connection, table: Table) -> Iterator[Any]:
    columns = [cast(column, Text) if isinstance(column.type, JSON) else column for column in table.columns]
    query = select(*columns).order_by(*table.primary_key.columns)
    return iter(connection.execute(query, execution_options={"yield_per": _BATCH}))


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    documents = [column.name for column in table.columns if isinstance(column.type, JSON)]
    given = iter(rows)
    while batch := list(islice(given, _BATCH)):
        for row in batch:
            row |= {name: json.loads(row[name]) for name in documents if row[name] is not None}
        connection.execute(insert(table), batch)


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Let PostgreSQL count on from the last id; SQLite does so by itself."""
    column = table.autoincrement_column
    if connection.dialect.name != "postgresql" or column is None:
        return
    last = connection.execute(select(func.max(column))).scalar()
    if last is not None:
        sequence = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)")
        connection.execute(sequence, {"table": table.name, "column": column.name, "last": last})


def _checked(file: BinaryIO) -> Dump:
    first = file.readline()
    header = json.loads(first)
    if header["format"] != FORMAT:
        raise ValueError(f"its format is {header['format']!r}")
    sha = hashlib.sha256(first)
    counts = dict.fromkeys(header["tables"], 0)
    for line in file:
        if line.startswith(b"{"):
            _check_end(line, file.read(1), digest=f"sha256:{sha.hexdigest()}")
            break
        sha.update(line)
        counts[json.loads(line)[0]] += 1
    else:
        raise ValueError("its end is missing")
    if counts != {name: told["rows"] for name, told in header["tables"].items()}:
        raise ValueError("rows are missing")
    return Dump(
        schema=str(header["schema"]),
        rows=counts,
        written=datetime.fromisoformat(header["written"]),
        digest=f"sha256:{sha.hexdigest()}",
    )


def _check_end(last: bytes, rest: bytes, *, digest: str) -> None:
    if json.loads(last) != {"digest": digest}:
        raise ValueError("its digest is not that of its content")
    if rest:
        raise ValueError("something follows its end")


def _write_line(file: BinaryIO, sha: Any, value: object) -> None:
    line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
    sha.update(line)
    file.write(line)


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file that takes its name once it is written and on disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    settle(path.parent)
