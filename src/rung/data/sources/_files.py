"""Files that are no tables, as images, sound or texts: each becomes a row. `find_any` calls it.

They are set down in Arrow files as they come, so that memory holds a few at a time, however many there are.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.sources._names import FILES
from rung.data.sources._piece import Piece
from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rung.data.sources._piece import Copied

__all__ = ["CONTENT", "LARGEST", "ROW", "as_rows"]

ROW: Final = pl.Schema(
    {
        "path": pl.String(),  # below the folder, the archive or the prefix; or as the file was named
        "size": pl.Int64(),  # bytes
        "sha256": pl.String(),
        "modified": pl.Datetime("us", "UTC"),  # null where it is not known
        "content": pl.Binary(),
    }
)
CONTENT: Final = ("path", "sha256")
"""Columns that tell whether a row is there already: a file that was only touched or copied is the same."""
LARGEST: Final = 64 << 20
"""Bytes of a file: while a version is written, memory holds up to thirty times the largest one."""
_BATCH: Final = 16 << 20
"""Bytes of the files that are set down together, unless the last of them has more."""
_BESIDE: Final = 1_000
"""Bytes that a row takes beside the content, about."""


def as_rows(files: Sequence[Piece], name: str) -> Piece:
    """Make one piece of files, with the columns of `ROW`; nothing is read of them yet.

    Raises:
        CallError: One is too large, or two would be the same row.
    """
    places: dict[str, Piece] = {}
    for file in files:
        path = file.within or file.name
        if places.setdefault(path, file) is not file:
            raise CallError(
                f"{places[path].name} and {file.name} would both be the row {path!r}",
                hint="name the folder above both, or ingest them into datasets of their own",
            )
        _check(file, file.size or 0)
    sizes = [file.size for file in files]
    return Piece(
        name=name,
        format=FILES,
        fetch=partial(_set_down, dict(sorted(places.items()))),
        size=None if None in sizes else sum(size or 0 for size in sizes),
    )


def _set_down(places: dict[str, Piece], target: Path, copied: Copied) -> None:
    target.mkdir()
    rows: list[dict[str, Any]] = []
    number = size = 0
    for path, file in places.items():
        content = b"".join(_content(file, target.with_name("file"), copied))
        sha = hashlib.sha256(content).hexdigest()
        rows.append(dict(zip(ROW, (path, len(content), sha, file.modified, content), strict=True)))
        size += len(content) + _BESIDE
        if size >= _BATCH or len(rows) == len(places) - number:
            pl.DataFrame(rows, schema=ROW).write_ipc(target / f"{number:09}.arrow")
            number, size = number + len(rows), 0
            rows = []


def _content(file: Piece, beside: Path, copied: Copied) -> Iterator[bytes]:
    """Give what is in a file, which is brought here where it lies elsewhere; no more than it may have."""
    done = 0

    def counted(more: int) -> None:
        nonlocal done
        done += more
        _check(file, done)
        copied(more)

    if file.path is None:
        assert file.fetch is not None  # noqa: S101  a piece is here, or can be brought
        file.fetch(beside, counted)
    try:
        with (file.path or beside).open("rb") as opened:
            while chunk := opened.read(_BATCH):
                yield chunk
                if file.path is not None:
                    counted(len(chunk))
    except OSError as error:
        raise CallError(f"{file.name} cannot be read ({error.strerror})", hint="nothing was written") from None
    beside.unlink(missing_ok=True)


def _check(file: Piece, size: int) -> None:
    if size > LARGEST:
        raise CallError(
            f"{file.name} has {size:,} bytes or more, and a file of a dataset has at most {LARGEST:,}",
            hint="leave it out with a glob, as 'photos/**/*.jpg', or keep it elsewhere and ingest a table of addresses",
        )
