"""What a source consists of: one file, those of a folder or a glob, objects of a store, the answer to a query."""

from __future__ import annotations

import glob
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import polars as pl

from rung.data.sources._files import as_rows
from rung.data.sources._names import (
    FILES,
    FORMATS,
    archive_of,
    fixed,
    format_of,
    is_hidden,
    packing_of,
    partition_of,
)
from rung.data.sources._piece import Asked, Piece
from rung.data.sources._public import public, scheme
from rung.errors import CallError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Found", "find", "find_any"]

_FILES: Final = frozenset({"file", None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source consists of."""

    pieces: list[Piece]
    passed_over: list[str] = field(default_factory=list)  # files of a folder that are no tables by their names
    files: int = 0  # each a row, since none of them is a table by its name


def find(source: str, asked: Asked) -> Found:
    """Tell what tables a source consists of; nothing is read of it yet, except lists of names.

    Args:
        source: A path, a folder, an archive, a glob, or a URL.
        asked: How it is to be read.

    Raises:
        NotFoundError: There is nothing.
        CallError: It cannot be told what it is, or what was asked does not go with it.
        UnavailableError: A place that was asked for its names does not answer.
    """
    if asked.format == FILES:
        raise CallError("files are no table", hint=f"the formats are {', '.join(FORMATS[:-1])}")
    return _tables(source, list(_pieces(source, asked)), asked)


def find_any(sources: Sequence[str], asked: Asked) -> Found:
    """Tell what sources consist of. Where no file is a table by its name, or files are asked for, each is a row.

    Raises:
        NotFoundError: There is nothing.
        CallError: It cannot be told what it is, or what was asked does not go with it.
        UnavailableError: A place that was asked for its names does not answer.
    """
    listed = {source: list(_pieces(source, asked)) for source in sources}
    every = {piece.name: piece for found in listed.values() for piece in found}
    files = [piece for piece in every.values() if not is_hidden(piece.within or "", marks=".")]
    is_one = len(files) == 1 and files[0].within is None
    has_tables = any(piece.format and not is_hidden(piece.within or "") for piece in files)
    is_asked = asked.format == FILES and asked.query is None
    if files and (is_asked or not (is_one or has_tables)):
        name = public(sources[0]) + (f" and {len(sources) - 1:,} more" if len(sources) > 1 else "")
        return Found(pieces=[as_rows(files, name)], files=0 if is_asked else len(files))
    found = [_tables(source, pieces, asked) for source, pieces in listed.items()]
    tables = {piece.name: piece for one in found for piece in one.pieces}
    return Found(pieces=list(tables.values()), passed_over=[name for one in found for name in one.passed_over])


def _pieces(source: str, asked: Asked) -> Iterable[Piece]:
    """Name all that a source has, tables or not."""
    kind = scheme(source)
    if asked.query is not None:
        from rung.data.sources._database import query  # noqa: PLC0415  most sources are files

        return [query(source, asked.query)]
    if kind in _FILES:
        return _local(unquote(urlsplit(source).path) if kind else source, asked)
    if "::" not in source and kind in {"http", "https"}:
        from rung.data.sources._http import fetched  # noqa: PLC0415  as above

        return [fetched(source, asked)]
    if "::" not in source and kind == "s3":
        from rung.data.sources._s3 import objects  # noqa: PLC0415  as above

        return objects(source, asked)
    return _opened(source, asked)


def _opened(source: str, asked: Asked) -> Iterator[Piece]:
    from rung.data.sources._other import opened  # noqa: PLC0415  as above

    return opened(source, asked)


def _local(source: str, asked: Asked) -> Iterable[Piece]:
    path = Path(source).expanduser()
    if path.is_dir():
        return _in_folder(path, asked)
    if path.exists():
        archive = archive_of(path.name)
        return _opened(f"{archive}://**::{path}", asked) if archive else [_file(path, asked)]
    names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  a pattern may be absolute
    found = [_file(Path(name), asked, below=Path(fixed(str(path)))) for name in names if Path(name).is_file()]
    if not found:
        raise NotFoundError(f"there is nothing at {source}", hint="a path, a folder, a glob or a URL names a source")
    return found


def _in_folder(folder: Path, asked: Asked) -> Iterator[Piece]:
    if (folder / "_delta_log").is_dir():
        from deltalake import DeltaTable  # noqa: PLC0415  a folder is seldom a table

        names = [unquote(path) for path in pl.DataFrame(DeltaTable(str(folder)).get_add_actions())["path"]]
    else:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    for name in names:
        yield _file(folder / name, asked, below=folder)


def _file(path: Path, asked: Asked, below: Path | None = None) -> Piece:
    state = path.stat()
    within = path.relative_to(below).as_posix() if below else None
    return Piece(
        name=str(path),
        format=format_of(path.name, asked.format) or "",
        packed=packing_of(path.name),
        path=path,
        size=state.st_size,
        within=within,
        modified=datetime.fromtimestamp(state.st_mtime, UTC),
        partition=partition_of(within or ""),
    )


def _tables(source: str, pieces: list[Piece], asked: Asked) -> Found:
    """Keep what is a table by its name, in the order of names; a single piece must be."""
    pieces = [piece for piece in pieces if not is_hidden(piece.within or "")]
    if len(pieces) == 1:
        return Found(pieces=[_known(pieces[0])])
    tables = sorted((piece for piece in pieces if piece.format), key=lambda piece: piece.name)
    if not tables:
        raise NotFoundError(
            f"there are no data in {public(source)}",
            hint=f"files are known by their names, as a.csv or a.parquet; --format takes {', '.join(FORMATS)}"
            if pieces and asked.format is None
            else "is the name right?",
        )
    return Found(pieces=tables, passed_over=sorted(piece.name for piece in pieces if not piece.format))


def _known(piece: Piece) -> Piece:
    if not piece.format:
        raise CallError(
            f"{piece.name} does not tell what it is",
            hint=f"give --format: {', '.join(FORMATS[:-1])}; or {FILES}, which takes it as it is, as a row",
        )
    return piece
