"""The online store in PostgreSQL, for servers on several machines that have one anyway."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rung.errors import WorkspaceError
from rung.features._store import SILENT_S, Put, Read, not_installed, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["PostgresqlStore"]

_LOCK: Final = 0x46656174  # held while the tables are made; "Feat"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS rung_feature_states (view text PRIMARY KEY, state text NOT NULL);
CREATE TABLE IF NOT EXISTS rung_feature_entries (
    view text, key text, made bigint NOT NULL, entry text NOT NULL, PRIMARY KEY (view, key)
);
"""
_READ: Final = """
SELECT NULL, state FROM rung_feature_states WHERE view = %(view)s
UNION ALL SELECT key, entry FROM rung_feature_entries WHERE view = %(view)s AND key = ANY(%(keys)s)
"""
_FIRST: Final = "INSERT INTO rung_feature_states (view, state) VALUES (%(view)s, %(state)s) ON CONFLICT DO NOTHING"
_NEXT: Final = "UPDATE rung_feature_states SET state = %(state)s WHERE view = %(view)s AND state = %(expected)s"
_WRITE: Final = """
INSERT INTO rung_feature_entries (view, key, made, entry)
SELECT %(view)s, key, %(made)s, entry FROM unnest(%(keys)s::text[], %(entries)s::text[]) AS given (key, entry)
ON CONFLICT (view, key) DO UPDATE SET made = excluded.made, entry = excluded.entry
"""
_PATIENT: Final = "SET LOCAL statement_timeout = 60000"  # a writer waits for others, and has more to do
_SETTINGS: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "application_name": "rung features",
    "tcp_user_timeout": int(SILENT_S * 1000),
    "options": f"-c statement_timeout={int(SILENT_S * 1000)}",
}


class PostgresqlStore:
    """Entries in two tables. One connection, that threads take in turn; it is made again when it was lost."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._where = f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        try:
            import psycopg  # noqa: PLC0415  from an extra
        except ModuleNotFoundError:
            raise not_installed(self._where, "psycopg", "postgresql") from None
        self._psycopg = psycopg
        self._url = url
        self._turn = threading.Lock()
        self._connection: Any = None
        self._do(self._make, writes=True)

    def read(self, view: str, keys: Sequence[str]) -> Read:
        """Give the state and entries."""
        rows = self._do(lambda cursor: cursor.execute(_READ, {"view": view, "keys": list(keys)}).fetchall())
        found = dict(rows)
        return Read(state=found.pop(None, None), entries=[found.get(key) for key in keys])

    def put(self, view: str, change: Put) -> bool:
        """Write all of it if the state is still the expected one; another writer of the view waits meanwhile."""

        def write(cursor: Any) -> bool:
            given = {"view": view, "state": change.state, "expected": change.expected}
            if cursor.execute(_FIRST if change.expected is None else _NEXT, given).rowcount != 1:
                return False
            if change.entries:
                keys, entries = list(change.entries), list(change.entries.values())
                cursor.execute(_WRITE, {"view": view, "made": change.order, "keys": keys, "entries": entries})
            return True

        written: bool = self._do(write, writes=True)
        return written

    def remove(self, view: str, *, below: int | None = None) -> None:
        """Remove the entries of a lower order; None: all, and the state."""

        def delete(cursor: Any) -> None:
            if below is None:
                cursor.execute("DELETE FROM rung_feature_states WHERE view = %s", (view,))
                cursor.execute("DELETE FROM rung_feature_entries WHERE view = %s", (view,))
            else:
                cursor.execute("DELETE FROM rung_feature_entries WHERE view = %s AND made < %s", (view, below))

        self._do(delete, writes=True)

    def views(self) -> list[str]:
        """Name the views that have a state."""
        rows = self._do(lambda cursor: cursor.execute("SELECT view FROM rung_feature_states").fetchall())
        return sorted(view for (view,) in rows)

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._drop()

    def _make(self, cursor: Any) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        cursor.execute(_SCHEMA)

    def _do(self, work: Callable[[Any], Any], *, writes: bool = False) -> Any:
        """Do something on the connection; what only reads is tried again on a new one when the old one was lost."""
        with self._turn, self._told():
            was_open = self._connection is not None
            try:
                return self._once(work, writes=writes)
            except self._psycopg.OperationalError:
                is_lost = was_open and self._connection.closed
                self._drop()
                if writes or not is_lost:
                    raise
            return self._once(work, writes=writes)

    def _once(self, work: Callable[[Any], Any], *, writes: bool) -> Any:
        if self._connection is None:
            settings = {name: value for name, value in _SETTINGS.items() if f"{name}=" not in self._url}
            self._connection = self._psycopg.connect(self._url, autocommit=True, **settings)
        transaction = self._connection.transaction() if writes else contextlib.nullcontext()
        with transaction, self._connection.cursor() as cursor:
            if writes:
                cursor.execute(_PATIENT)
            return work(cursor)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.OperationalError as error:
            raise unreachable(self._where, error) from error
        except self._psycopg.Error as error:
            raise WorkspaceError(f"the online store {self._where} refuses ({type(error).__name__})") from error
