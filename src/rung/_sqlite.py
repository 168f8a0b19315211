"""What SQLite files that several processes make at once have in common: the registry's and the online store's."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

__all__ = ["turn_on_wal"]

_AGAIN_S: Final = 0.01


def turn_on_wal(cursor: sqlite3.Cursor, *, within_s: float) -> None:
    """Turn the log of writes on; SQLite does not wait there for another who makes the same file.

    Args:
        cursor: Of a connection to the file.
        within_s: Seconds to wait for others.

    Raises:
        sqlite3.OperationalError: The file is locked for longer, or cannot be written.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return
