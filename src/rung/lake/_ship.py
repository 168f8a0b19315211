"""Log files -> tables, each line exactly once, whatever is killed when.

Where a file was read up to is in the table that holds its lines (`Table.append`). A bad line goes into the quarantine
first, which counts for itself: when the process ends between the two commits, the next one sees what the first holds.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import polars as pl

from rung.lake import _lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.lake._tables import Table

__all__ = ["QUARANTINE_SCHEMA", "Shipped", "locked", "ship_stream"]

QUARANTINE_SCHEMA = pl.Schema(
    {"stream": pl.String, "file": pl.String, "position": pl.Int64, "reason": pl.String, "line": pl.Binary}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What one call of `Lake.ship` moved."""

    rows: int = 0  # lines that became rows
    quarantined: int = 0  # lines that could not
    bytes: int = 0  # of log, both kinds of lines
    files: int = 0  # log files that had something new

    def __add__(self, other: Shipped) -> Shipped:
        return Shipped(
            rows=self.rows + other.rows,
            quarantined=self.quarantined + other.quarantined,
            bytes=self.bytes + other.bytes,
            files=self.files + other.files,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of one log file."""

    file: str
    start: int  # bytes of the file before it
    data: bytes  # whole lines
    torn: bytes = b""  # what follows them, when nobody will ever complete it

    @property
    def end(self) -> int:
        return self.start + len(self.data) + len(self.torn)


@dataclass(slots=True, kw_only=True)
class _LogFile:
    """A log file as it was when the call began; lines that come later are for the next call."""

    path: Path
    offset: int  # bytes that are in the table
    size: int  # bytes
    finished: bool  # its writer is gone

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, budget: int) -> _Piece | None:
        """Take the next whole lines, about as many bytes as the budget; None when there are none.

        A file that came back from a backup may be shorter than what the table has of it since: then there are none.
        """
        if self.offset >= self.size:
            return None
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(min(budget, self.size - self.offset))
            while b"\n" not in data and self.offset + len(data) < self.size:
                data += file.read(min(budget, self.size - self.offset - len(data)))
        whole = data.rfind(b"\n") + 1
        is_torn = self.finished and self.offset + len(data) == self.size
        torn = data[whole:] if is_torn else b""
        if not whole and not torn:
            return None
        return _Piece(file=self.name, start=self.offset, data=data[:whole], torn=torn)


def ship_stream(logs: Path, stream: str, table: Table, quarantine: Table, *, batch_bytes: int) -> Shipped:
    """Move what the stream's files hold, then remove the files that are done. One process at a time (`locked`)."""
    kind = _lines.KINDS[stream]
    files = _observe(logs, stream, table)
    shipped = Shipped()
    touched: set[str] = set()
    while pieces := list(_take(files, batch_bytes)):
        rows, bad = _parse(pieces, kind, stream)
        ends = {piece.file: piece.end for piece in pieces}
        kept = _quarantine(bad, quarantine, ends)
        table.append(rows, ends)
        for file in files:
            file.offset = ends.get(file.name, file.offset)
        touched |= ends.keys()
        shipped += Shipped(rows=rows.height, quarantined=kept, bytes=sum(p.end - p.start for p in pieces))
    _remove_finished(files, table, quarantine)
    return shipped + Shipped(files=len(touched))


@contextmanager
def locked(logs: Path) -> Iterator[None]:
    """Wait until no other process or thread ships from this folder, and keep others waiting."""
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "ship.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _observe(logs: Path, stream: str, table: Table) -> list[_LogFile]:
    paths = sorted(logs.glob(f"{stream}-*.jsonl"))
    offsets = table.offsets(path.name for path in paths)
    files = []
    for path in paths:
        finished = _is_finished(path)  # asked first: the size of a finished file is final
        size = path.stat().st_size
        files.append(_LogFile(path=path, offset=offsets[path.name], size=size, finished=finished))
    return files


def _is_finished(path: Path) -> bool:
    """Tell whether the writer let go of the file: it holds a lock from before its first line to its last."""
    with path.open("rb") as file:
        return _try_lock(file.fileno())


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take(files: list[_LogFile], budget: int) -> Iterator[_Piece]:
    for file in files:
        if budget <= 0:
            return
        if piece := file.read(budget):
            budget -= piece.end - piece.start
            yield piece


def _parse(pieces: list[_Piece], kind: _lines.Kind, stream: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows of all pieces, and their bad lines as rows of the quarantine."""
    rows, bad = _lines.parse(b"".join(piece.data for piece in pieces), kind)
    starts = [0, *accumulate(len(piece.data) for piece in pieces)]
    found = []
    for line in bad:
        at = bisect_right(starts, line.position) - 1
        position = pieces[at].start + line.position - starts[at]
        found.append((stream, pieces[at].file, position, line.reason, line.line))
    for piece in pieces:
        if piece.torn:
            reason = "the process ended in the middle of the line"
            found.append((stream, piece.file, piece.end - len(piece.torn), reason, piece.torn))
    return rows, pl.DataFrame(found, schema=QUARANTINE_SCHEMA, orient="row")


def _quarantine(bad: pl.DataFrame, quarantine: Table, ends: dict[str, int]) -> int:
    """Add the bad lines that are not there yet, and return how many these are."""
    ends = {file: end for file, end in ends.items() if file in set(bad["file"])}
    if not ends:
        return 0
    known = quarantine.offsets(ends)
    new = bad.filter(pl.col("position") >= pl.col("file").replace_strict(known, return_dtype=pl.Int64))
    if new.height:
        quarantine.append(new, ends)
    return new.height


def _remove_finished(files: list[_LogFile], table: Table, quarantine: Table) -> None:
    done = [file for file in files if file.finished and file.offset >= file.size]
    if not done:
        return
    table.settle()
    quarantine.settle()
    for file in done:
        _remove(file)


def _remove(log: _LogFile) -> None:
    """Remove the file unless a writer has it: one that has just made it knows by the lock that it must make another."""
    with log.path.open("rb") as file:
        if _try_lock(file.fileno()) and os.fstat(file.fileno()).st_size <= log.offset:
            log.path.unlink()
