"""The online store without a server: one SQLite file in the state folder."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from rung._sqlite import turn_on_wal
from rung.features._store import Put, Read, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["SqliteStore"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS states (view TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    view TEXT, key TEXT, made INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (view, key)
) WITHOUT ROWID;
"""
_READ: Final = """
SELECT NULL, state FROM states WHERE view = ?1
UNION ALL SELECT key, entry FROM entries WHERE view = ?1 AND key IN (SELECT value FROM json_each(?2))
"""
_WRITE: Final = """
INSERT INTO entries (view, key, made, entry) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET made = excluded.made, entry = excluded.entry
"""
_BUSY_S: Final = 30.0  # that a writer waits for another one; readers wait for nobody


class SqliteStore:
    """Entries in one file. Each thread has a connection of its own; readers and a writer do not wait for each other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            self._connection().executescript(_SCHEMA)

    def read(self, view: str, keys: Sequence[str]) -> Read:
        """Give the state and entries."""
        with self._told():
            found = dict(self._connection().execute(_READ, (view, json.dumps(keys))).fetchall())
        return Read(state=found.pop(None, None), entries=[found.get(key) for key in keys])

    def put(self, view: str, change: Put) -> bool:
        """Write all of it if the state is still the expected one."""
        with self._writing() as connection:
            found = connection.execute("SELECT state FROM states WHERE view = ?", (view,)).fetchone()
            if (None if found is None else found[0]) != change.expected:
                return False
            connection.execute("INSERT OR REPLACE INTO states (view, state) VALUES (?, ?)", (view, change.state))
            connection.executemany(_WRITE, ((view, key, change.order, entry) for key, entry in change.entries.items()))
        return True

    def remove(self, view: str, *, below: int | None = None) -> None:
        """Remove the entries of a lower order; None: all, and the state."""
        with self._writing() as connection:
            if below is None:
                connection.execute("DELETE FROM states WHERE view = ?", (view,))
                connection.execute("DELETE FROM entries WHERE view = ?", (view,))
            else:
                connection.execute("DELETE FROM entries WHERE view = ? AND made < ?", (view, below))

    def views(self) -> list[str]:
        """Name the views that have a state."""
        with self._told():
            return [view for (view,) in self._connection().execute("SELECT view FROM states ORDER BY view")]

    def close(self) -> None:
        """Close the connections of all threads."""
        while self._opened:
            self._opened.pop().close()
        self._own = threading.local()

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            # Only its own thread uses it, but whoever ends the process closes it.
            found = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            turn_on_wal(found.cursor(), within_s=_BUSY_S)
            found.execute("PRAGMA synchronous=NORMAL")  # what is lost with the machine is materialised again
            self._own.connection = found
            self._opened.append(found)
        return found

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise unreachable(str(self._path), error) from error
