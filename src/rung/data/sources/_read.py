"""One piece, from where it lies to rows on this machine's disk."""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import shutil
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.sources import _csv, _json, _tables
from rung.data.sources._piece import Step
from rung.data.sources._staged import Staged
from rung.errors import CallError, RungError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from rung.data.sources._piece import Asked, Piece, Tell

__all__ = ["bring", "digest", "read"]

_CHUNK: Final = 1 << 20
_OPENERS: Final[dict[str, Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_TEXT: Final = frozenset({"csv", "json", "jsonl"})
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def bring(piece: Piece, target: Path, tell: Tell) -> Path:
    """Give where a piece lies on this machine; what lies elsewhere is copied to the target."""
    if piece.path is not None:
        return piece.path
    done = 0
    unit = "rows" if piece.format == "rows" else "bytes"

    def copied(more: int) -> None:
        nonlocal done
        done += more
        tell(Step(what=f"fetching {piece.name}", done=done, whole=piece.size, unit=unit))

    assert piece.fetch is not None  # noqa: S101  a piece is here, or can be brought
    piece.fetch(target, copied)
    return target


def digest(path: Path, tell: Tell) -> str:
    """Hash a file, or the files of a folder one after the other."""
    sha = hashlib.sha256()
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    size = sum(one.stat().st_size for one in paths)
    done = 0
    for one in paths:
        with one.open("rb") as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
                done += len(chunk)
                tell(Step(what=f"hashing {path.name}", done=done, whole=size, unit="bytes"))
    return f"sha256:{sha.hexdigest()}"


def read(
    piece: Piece, path: Path, asked: Asked, *, folder: Path, types: Mapping[str, pl.DataType], tell: Tell
) -> Staged:
    """Read the rows of a piece.

    Args:
        piece: What it is.
        path: Where it lies on this machine.
        asked: How it is to be read.
        folder: For what is set down; it exists, and is empty.
        types: Of columns that are known. Text is read as these; files with types of their own keep theirs.
        tell: Takes how far it is.

    Raises:
        CallError: It cannot be read; the message names the piece.
    """

    def counted(rows: int) -> None:
        tell(Step(what=f"reading {piece.name}", done=rows))

    try:
        plain = _plain(piece, path, asked, folder)
        staged = _read(piece.format, plain, asked, types=types, counted=counted)
    except RungError as error:
        raise type(error)(f"{piece.name}: {error.message}", hint=error.hint) from None
    except (pl.exceptions.PolarsError, EOFError, lzma.LZMAError, gzip.BadGzipFile, LookupError, UnicodeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise CallError(
            f"{piece.name} cannot be read as {piece.format} ({reason})", hint="is it whole? --format says what it is"
        ) from None
    return _partitioned(staged, piece)


def _read(kind: str, path: Path, asked: Asked, *, types: Mapping[str, pl.DataType], counted: Any) -> Staged:
    readers: dict[str, Callable[[], Staged]] = {
        "csv": lambda: _csv.read_csv(path, asked, types=types, counted=counted),
        "jsonl": lambda: _json.read_lines(path, counted=counted),
        "json": lambda: _json.read_json(path, counted=counted),
        "excel": lambda: _tables.read_excel(path, asked.sheet, counted=counted),
        "parquet": lambda: _tables.read_parquet(path),
        "arrow": lambda: _tables.read_arrow(path),
        "rows": lambda: _tables.read_rows(path),
        "files": lambda: _tables.read_rows(path),
    }
    return readers[kind]()


def _plain(piece: Piece, path: Path, asked: Asked, folder: Path) -> Path:
    """Give the file unpacked, and text in UTF-8, in a folder that is ours; what needs neither is linked there."""
    target = folder / "piece"
    encoding = _encoding(piece, path, asked)
    if piece.packed is None and encoding is None:
        target.symlink_to(path.absolute())
        return target
    opened = _OPENERS[piece.packed] if piece.packed else open
    if encoding is None:
        with opened(path, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
        return target
    with (
        opened(path, "rt", encoding=encoding, newline="") as source,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        shutil.copyfileobj(source, copy, _CHUNK)
    return target


def _encoding(piece: Piece, path: Path, asked: Asked) -> str | None:
    """Tell in which encoding a text is; None for UTF-8 and for what is no text."""
    if piece.format not in _TEXT:
        return None
    if asked.encoding is not None:
        return None if codecs.lookup(asked.encoding).name in {"utf-8", "utf-8-sig"} else asked.encoding
    opened = _OPENERS[piece.packed] if piece.packed else open
    with opened(path, "rb") as file:
        return _MARKS.get(file.read(2))


def _partitioned(staged: Staged, piece: Piece) -> Staged:
    """Add the columns that the path of a piece tells."""
    new = {name: value for name, value in piece.partition.items() if name not in staged.rows.collect_schema()}
    if not new:
        return staged
    columns = [_typed(value).alias(name) for name, value in new.items()]
    return Staged(rows=staged.rows.with_columns(columns), height=staged.height, unread=staged.unread)


def _typed(value: str) -> pl.Expr:
    if value == "__HIVE_DEFAULT_PARTITION__":
        return pl.lit(None, dtype=pl.String)
    is_number = value.isascii() and value.isdigit() and (value == "0" or value[0] != "0")
    return pl.lit(int(value), dtype=pl.Int64) if is_number else pl.lit(value)
