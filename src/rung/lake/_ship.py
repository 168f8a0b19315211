"""Log files -> tables, each line exactly once, whatever is killed when.

Where a file was read up to is in the table that holds its lines (`Table.append`). A bad line goes into the quarantine
first, which counts for itself: when the process ends between the two commits, the next one sees what the first holds.
"""

from __future__ import annotations

import fcntl
import os
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake import _lines
from rung.lake.log import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.lake._redact import Redaction
    from rung.lake._tables import Table

__all__ = ["QUARANTINE_SCHEMA", "Route", "Shipped", "locked", "ship_stream"]

QUARANTINE_SCHEMA = pl.Schema(
    {"stream": pl.String, "file": pl.String, "position": pl.Int64, "reason": pl.String, "line": pl.Binary}
)

_TORN: Final = "the process ended in the middle of the line"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What one commit takes."""

    rows: pl.DataFrame
    bad: pl.DataFrame  # lines that are no rows, as rows of the quarantine
    ends: dict[str, int]  # of each log file, bytes that are in the table after it
    size: int  # bytes of log


@dataclass(slots=True, kw_only=True)
class _LogFile:
    """A log file as it was when the call began; lines that come later are for the next call."""

    path: Path
    offset: int  # bytes that are in the table
    taken: int  # bytes that are in the table, or on their way there
    size: int  # bytes
    finished: bool  # its writer is gone

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, budget: int) -> _Piece | None:
        """Take the next whole lines, about as many bytes as the budget; None when there are none.

        A file that came back from a backup may be shorter than what the table has of it since: then there are none.
        """
        if self.taken >= self.size:
            return None
        with self.path.open("rb") as file:
            file.seek(self.taken)
            data = file.read(min(budget, self.size - self.taken))
            while b"\n" not in data and self.taken + len(data) < self.size:
                data += file.read(min(budget, self.size - self.taken - len(data)))
        whole = data.rfind(b"\n") + 1
        is_torn = self.finished and self.taken + len(data) == self.size
        torn = data[whole:] if is_torn else b""
        if not whole and not torn:
            return None
        piece = _Piece(file=self.name, start=self.taken, data=data[:whole], torn=torn)
        self.taken = piece.end
        return piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where the lines of a stream come from, and where they go."""

    logs: Path
    stream: str
    table: Table
    quarantine: Table
    redaction: Redaction
    batch_bytes: int  # about how many bytes of log one commit takes


def ship_stream(route: Route) -> Shipped:
    """Move what the stream's files hold, then remove the files that are done. One process at a time (`locked`).

    While one batch is written, another thread reads the next.
    """
    files = _observe(route)
    shipped = Shipped()
    touched: set[str] = set()
    with ThreadPoolExecutor(1, "reading") as reader:
        read = partial(reader.submit, _read, route, files)
        following = read()
        while (batch := following.result()) is not None:
            following = read()
            kept = _quarantine(batch, route.quarantine)
            route.table.append(batch.rows, batch.ends)
            for file in files:
                file.offset = batch.ends.get(file.name, file.offset)
            touched |= batch.ends.keys()
            shipped += Shipped(rows=batch.rows.height, quarantined=kept, bytes=batch.size)
    _remove_finished(files, route.table, route.quarantine)
    return shipped + Shipped(files=len(touched))


@contextmanager
def locked(logs: Path) -> Iterator[None]:
    """Wait until no other process or thread ships from this folder, and keep others waiting."""
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "ship.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _observe(route: Route) -> list[_LogFile]:
    paths = sorted(route.logs.glob(f"{route.stream}-*.jsonl"))
    offsets = route.table.offsets(path.name for path in paths)
    files = []
    for path in paths:
        finished = _is_finished(path)  # asked first: the size of a finished file is final
        size, offset = path.stat().st_size, offsets[path.name]
        files.append(_LogFile(path=path, offset=offset, taken=offset, size=size, finished=finished))
    return files


def _is_finished(path: Path) -> bool:
    """Tell whether the writer let go of the file."""
    with path.open("rb") as file:
        return try_lock(file.fileno())


def _read(route: Route, files: list[_LogFile]) -> _Batch | None:
    """Take the next lines of the files; None when there are no more."""
    pieces = list(_take(files, route.batch_bytes))
    if not pieces:
        return None
    kind, redact = _lines.KINDS[route.stream], partial(route.redaction.fields, route.stream)
    data = pieces[0].data if len(pieces) == 1 else b"".join(piece.data for piece in pieces)
    rows, bad = _lines.parse(data, kind, redact)
    return _Batch(
        rows=rows,
        bad=_refused(pieces, bad, route),
        ends={piece.file: piece.end for piece in pieces},
        size=sum(piece.end - piece.start for piece in pieces),
    )


def _take(files: list[_LogFile], budget: int) -> Iterator[_Piece]:
    for file in files:
        if budget <= 0:
            return
        if piece := file.read(budget):
            budget -= piece.end - piece.start
            yield piece


def _refused(pieces: list[_Piece], bad: list[_lines.BadLine], route: Route) -> pl.DataFrame:
    """Return the lines of some pieces that are no rows, as rows of the quarantine."""
    starts = [0, *accumulate(len(piece.data) for piece in pieces)]
    found = []
    for line in bad:
        at = bisect_right(starts, line.position) - 1
        position = pieces[at].start + line.position - starts[at]
        found.append((route.stream, pieces[at].file, position, *_kept(line.line, line.reason, route)))
    for piece in pieces:
        if piece.torn:
            kept = _kept(piece.torn, _TORN, route)
            found.append((route.stream, piece.file, piece.end - len(piece.torn), *kept))
    return pl.DataFrame(found, schema=QUARANTINE_SCHEMA, orient="row")


def _kept(line: bytes, reason: str, route: Route) -> tuple[str, bytes]:
    """Give reason and line as they may be kept; what the library says of a line may repeat a part of it."""
    kept = route.redaction.line(line)
    if kept == line:
        return reason, line
    own = {_TORN, *(sentence for _, sentence in _lines.KINDS[route.stream].rules)}
    return f"{reason if reason in own else 'it cannot be read'}; the line is not kept, for privacy", kept


def _quarantine(batch: _Batch, quarantine: Table) -> int:
    """Add the bad lines that are not there yet, and return how many these are."""
    files = set(batch.bad["file"])
    ends = {file: end for file, end in batch.ends.items() if file in files}
    if not ends:
        return 0
    known = quarantine.offsets(ends)
    new = batch.bad.filter(pl.col("position") >= pl.col("file").replace_strict(known, return_dtype=pl.Int64))
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
        if try_lock(file.fileno()) and os.fstat(file.fileno()).st_size <= log.offset:
            log.path.unlink()
