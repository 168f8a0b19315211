"""The index behind `rung knowledge search`: SQLite's FTS5 in one file, which holds nothing that is not elsewhere.

It is brought up to date before each search, at the cost of what changed; a file that cannot be used is made anew.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from rung.documents._library import passages_of, reasons_of
from rung.errors import CallError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from rung.documents._library import Page, Passage
    from rung.registry import Event

_VERSION: Final = 1
"""Of the tables: another one is made anew."""
_SCHEMA: Final = f"""
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE passages (id INTEGER PRIMARY KEY, source INTEGER NOT NULL, revision TEXT NOT NULL, place TEXT NOT NULL);
CREATE INDEX passages_by_source ON passages (source);
CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = "porter unicode61 remove_diacritics 2");
PRAGMA user_version = {_VERSION};
"""
_SEARCH: Final = """
SELECT passages.revision, passages.place, snippet(texts, 0, ?, ?, ' … ', 24), bm25(texts), sources.name
FROM texts JOIN passages ON passages.id = texts.rowid JOIN sources ON sources.id = passages.source
WHERE texts MATCH ? AND (? IS NULL OR passages.revision = ? OR passages.revision LIKE ? || '.%')
ORDER BY bm25(texts), passages.revision DESC, passages.id LIMIT ?
"""
_REASONS: Final = "registry"
_WORD: Final = re.compile(r"\w+")
_BUSY_S: Final = 10.0  # that a search waits for another one that brings the index up to date
MARKS: Final = ("\x02", "\x03")
"""Around each word that was found, in a snippet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Something that was found."""

    revision: str
    place: str
    """A heading of its document, or the gate or move whose reason it is."""
    snippet: str
    """The text around what was found, which is between `MARKS`."""
    rank: float
    """BM25: the smaller, the better."""
    is_document: bool

    @property
    def command(self) -> str:
        """How to look further."""
        return f"rung doc show {self.revision}" if self.is_document else f"rung why {self.revision}"


class Index:
    """An index in a file, or in memory where the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self._connection = _open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def refresh(self, pages: Sequence[Page], events_after: Callable[[int], Sequence[Event]], newest: int) -> int:
        """Take in what is new, and leave out what is gone; tell how many sources were read.

        Args:
            pages: All documents that there are.
            events_after: Gives some of the registry's events after an id, in order; none at the end.
            newest: Id of the newest event; 0 without any.

        Raises:
            UnavailableError: Another search holds the file.
        """
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                return self._take_pages(pages) + self._take_reasons(events_after, newest)
        except sqlite3.OperationalError as error:
            raise UnavailableError(f"the index of documents is busy ({error})", hint="try again") from error

    def search(self, words: str, *, service: str | None = None, limit: int = 10) -> list[Hit]:
        """Find passages with all of the words, the best first; with any of them, where none has all.

        Args:
            words: As people write them; endings and accents do not matter.
            service: Only of this one.
            limit: Hits at most.

        Raises:
            CallError: There is no word to look for.
        """
        wanted = [f'"{word}"' for word in _WORD.findall(words)]
        if not wanted:
            raise CallError(f"{words!r} has no word to look for", hint='as: rung knowledge search "late outcomes"')
        for query in dict.fromkeys([" AND ".join(wanted), " OR ".join(wanted)]):
            rows = self._connection.execute(_SEARCH, (*MARKS, query, service, service, service, limit)).fetchall()
            if rows:
                return [_hit(row) for row in rows]
        return []

    def _take_pages(self, pages: Sequence[Page]) -> int:
        known = dict(self._connection.execute("SELECT name, stamp FROM sources WHERE name != ?", (_REASONS,)))
        present = {str(page.revision): page for page in pages}
        for gone in known.keys() - present.keys():
            self._forget(gone)
        changed = [page for name, page in present.items() if known.get(name) != page.stamp]
        for page in changed:
            self._put(str(page.revision), page.stamp, passages_of(page))
        return len(changed)

    def _take_reasons(self, events_after: Callable[[int], Sequence[Event]], newest: int) -> int:
        row = self._connection.execute("SELECT stamp FROM sources WHERE name = ?", (_REASONS,)).fetchone()
        after = 0 if row is None else int(row[0])
        if after == newest:
            return 0
        if after > newest:  # another registry lies there now
            self._forget(_REASONS)
            after = 0
        while events := events_after(after):
            after = events[-1].id
            self._put(_REASONS, str(after), reasons_of(events), keeps=True)
        return 1

    def _forget(self, source: str) -> None:
        mine = "SELECT id FROM passages WHERE source = (SELECT id FROM sources WHERE name = ?)"
        self._connection.execute(f"DELETE FROM texts WHERE rowid IN ({mine})", (source,))  # noqa: S608  a constant
        self._connection.execute(f"DELETE FROM passages WHERE id IN ({mine})", (source,))  # noqa: S608  as above
        self._connection.execute("DELETE FROM sources WHERE name = ?", (source,))

    def _put(self, source: str, stamp: str, passages: Iterable[Passage], *, keeps: bool = False) -> None:
        if not keeps:
            self._forget(source)
        added = (
            "INSERT INTO sources (name, stamp) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET stamp = excluded.stamp"
        )
        self._connection.execute(added, (source, stamp))
        (identity,) = self._connection.execute("SELECT id FROM sources WHERE name = ?", (source,)).fetchone()
        for passage in passages:
            row = (identity, passage.revision, passage.place)
            made = self._connection.execute("INSERT INTO passages (source, revision, place) VALUES (?, ?, ?)", row)
            self._connection.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", (made.lastrowid, passage.text))


def _hit(row: tuple[str, str, str, float, str]) -> Hit:
    revision, place, snippet, rank, source = row
    text = " ".join(snippet.split())
    return Hit(revision=revision, place=place, snippet=text, rank=rank, is_document=source != _REASONS)


def _open(path: Path) -> sqlite3.Connection:
    """Open the file; make it where it is not there, not whole, or of another version."""
    for _ in range(2):
        with contextlib.suppress(sqlite3.DatabaseError):
            connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            if _made(connection):
                return connection
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(_SCHEMA)
    return connection


def _made(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds an index of this version, once it was made where it was empty."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
        connection.execute("COMMIT")
        is_ours = bool(connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    if not is_ours:
        connection.close()
    return is_ours
