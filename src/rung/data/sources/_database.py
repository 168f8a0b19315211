"""The answer to a query: read-only, in batches, from SQLite, PostgreSQL, or whatever SQLAlchemy knows."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

import polars as pl

from rung.data.sources._piece import Copied, Piece
from rung.data.sources._public import public, scheme, without_secrets
from rung.errors import CallError, NotFoundError, UnavailableError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["query"]

_BATCH_ROWS: Final = 50_000
_VALUES: Final = (bool, int, float, str, bytes, datetime, date, time, timedelta, Decimal, dict, list, type(None))


def query(url: str, sql: str) -> Piece:
    """Name the answer to a query.

    Args:
        url: As `sqlite:///sales.db`, `postgresql://host/sales`, or another URL of SQLAlchemy's.
        sql: A query that only reads.

    Raises:
        CallError: That is no URL of a database.
    """
    if scheme(url) is None:
        raise CallError(f"{url} is no URL of a database, and there is a query", hint="give one, as sqlite:///sales.db")
    return Piece(
        name=f"{public(url)} {' '.join(sql.split())}",
        format="rows",
        fetch=lambda folder, copied: _fetch(url, sql, folder, copied),
    )


def _fetch(url: str, sql: str, folder: Path, copied: Copied) -> None:
    """Write the rows into files of some rows each."""
    folder.mkdir()
    for number, (names, rows) in enumerate(_batches(url, sql)):
        _frame(names, rows).write_ipc(folder / f"{number:08}.arrow")
        copied(len(rows))


def _batches(url: str, sql: str) -> Iterator[tuple[list[str], Sequence[Sequence[Any]]]]:
    opened = {"sqlite": _sqlite, "postgresql": _postgresql, "postgres": _postgresql}.get(scheme(url) or "", _sqlalchemy)
    with _told(url), opened(url, sql) as (names, result):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CallError(
                f"the query gives {', '.join(twice)} twice", hint="name each column: select a.id as a_id, ..."
            )
        yield names, result.fetchmany(_BATCH_ROWS)  # even when there are none: the columns are known
        while rows := result.fetchmany(_BATCH_ROWS):
            yield names, rows


@contextlib.contextmanager
def _sqlite(url: str, sql: str) -> Iterator[tuple[list[str], Any]]:
    path = Path(unquote(urlsplit(url).path).removeprefix("/"))
    if not path.is_file():
        raise NotFoundError(
            f"there is no database {path}", hint="an absolute path has four slashes: sqlite:////data/a.db"
        )
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
        connection.execute("PRAGMA query_only = on")
        yield _answered(connection.execute(sql))


@contextlib.contextmanager
def _postgresql(url: str, sql: str) -> Iterator[tuple[list[str], Any]]:
    try:
        import psycopg  # noqa: PLC0415  optional: the extra postgresql
    except ImportError:
        raise WorkspaceError("PostgreSQL cannot be read here", hint="pip install 'rung[postgresql]'") from None
    with psycopg.connect(url) as connection:
        connection.read_only = True
        with connection.cursor(name="rung") as cursor:  # the server keeps what was not asked for yet
            yield _answered(cursor.execute(sql.encode()))


@contextlib.contextmanager
def _sqlalchemy(url: str, sql: str) -> Iterator[tuple[list[str], Any]]:
    try:
        import sqlalchemy  # noqa: PLC0415  optional: whoever has such a database has it
    except ImportError:
        raise WorkspaceError(
            f"{scheme(url)}:// cannot be read here", hint="pip install sqlalchemy, and the driver of that database"
        ) from None
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect().execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS) as connection:
            result = connection.exec_driver_sql(sql)
            yield list(result.keys()), result
            connection.rollback()
    finally:
        engine.dispose()


def _answered(cursor: Any) -> tuple[list[str], Any]:
    if cursor.description is None:
        raise CallError("the query gives no rows: it is no SELECT", hint="give one that only reads")
    return [column[0] for column in cursor.description], cursor


def _frame(names: list[str], rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    """Make a frame of rows; a column with values of several kinds becomes text, one with unknown kinds too."""
    if not rows:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Null()))
    return pl.DataFrame([_column(name, values) for name, values in zip(names, zip(*rows, strict=True), strict=True)])


def _column(name: str, values: tuple[Any, ...]) -> pl.Series:
    if all(isinstance(value, _VALUES) for value in values):
        with contextlib.suppress(TypeError, OverflowError, pl.exceptions.PolarsError):
            return pl.Series(name, values, strict=True)
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what a driver raises into what the caller does next, without what must not be read."""
    try:
        yield
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__]
        if not {"Error", "SQLAlchemyError"} & set(kinds):
            raise
        told = without_secrets(str(error).strip().partition("\n")[0], url)
        if {"OperationalError", "InterfaceError"} & set(kinds) and scheme(url) != "sqlite":
            raise UnavailableError(
                f"{public(url)} did not answer ({told})", hint="is it up, and are user and password right?"
            ) from None
        raise CallError(
            f"{public(url)} does not take the query ({told})", hint="only queries that read are taken"
        ) from None
