"""What a source consists of: one file, those of a folder or a glob, objects of a store, the answer to a query."""

from __future__ import annotations

import glob
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import polars as pl

from rung.data.sources._names import FORMATS, fixed, format_of, is_hidden, packing_of, partition_of
from rung.data.sources._piece import Asked, Piece
from rung.data.sources._public import public, scheme
from rung.errors import CallError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "find"]

_FILES: Final = frozenset({"file", None})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source consists of."""

    pieces: list[Piece]
    passed_over: list[str] = field(default_factory=list)  # files of a folder that are no data by their names


def find(source: str, asked: Asked) -> Found:
    """Tell what a source consists of; nothing is read of it yet, except lists of names.

    Args:
        source: A path, a folder, a glob, or a URL.
        asked: How it is to be read.

    Raises:
        NotFoundError: There is nothing.
        CallError: It cannot be told what it is, or what was asked does not go with it.
        UnavailableError: A place that was asked for its names does not answer.
    """
    kind = scheme(source)
    if asked.query is not None:
        from rung.data.sources._database import query  # noqa: PLC0415  most sources are files

        return Found(pieces=[query(source, asked.query)])
    if kind in _FILES:
        return _local(unquote(urlsplit(source).path) if kind else source, asked)
    if "::" not in source and kind in {"http", "https"}:
        from rung.data.sources._http import fetched  # noqa: PLC0415  as above

        return Found(pieces=[fetched(source, asked)])
    if "::" not in source and kind == "s3":
        from rung.data.sources._s3 import objects  # noqa: PLC0415  as above

        return _chosen(list(objects(source, asked)), source, asked)
    from rung.data.sources._other import opened  # noqa: PLC0415  as above

    return _chosen(list(opened(source, asked)), source, asked)


def _local(source: str, asked: Asked) -> Found:
    path = Path(source).expanduser()
    if path.is_dir():
        return _chosen(list(_in_folder(path, asked)), source, asked)
    if path.exists():
        return Found(pieces=[_known(_file(path, asked))])
    names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  a pattern may be absolute
    found = [_file(Path(name), asked, below=Path(fixed(str(path)))) for name in names if Path(name).is_file()]
    if not found:
        raise NotFoundError(f"there is nothing at {source}", hint="a path, a folder, a glob or a URL names a source")
    return _chosen(found, source, asked)


def _in_folder(folder: Path, asked: Asked) -> Iterator[Piece]:
    if (folder / "_delta_log").is_dir():
        from deltalake import DeltaTable  # noqa: PLC0415  a folder is seldom a table

        names = [unquote(path) for path in pl.DataFrame(DeltaTable(str(folder)).get_add_actions())["path"]]
    else:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    for name in names:
        if not is_hidden(name):
            yield _file(folder / name, asked, below=folder)


def _file(path: Path, asked: Asked, below: Path | None = None) -> Piece:
    return Piece(
        name=str(path),
        format=format_of(path.name, asked.format) or "",
        packed=packing_of(path.name),
        path=path,
        size=path.stat().st_size,
        partition=partition_of(path.relative_to(below).as_posix()) if below else {},
    )


def _chosen(pieces: list[Piece], source: str, asked: Asked) -> Found:
    """Keep what is data by its name, in the order of names; a single piece must be."""
    if len(pieces) == 1:
        return Found(pieces=[_known(pieces[0])])
    data = sorted((piece for piece in pieces if piece.format), key=lambda piece: piece.name)
    if not data:
        raise NotFoundError(
            f"there are no data in {public(source)}",
            hint=f"files are known by their names, as a.csv or a.parquet; --format takes {', '.join(FORMATS)}"
            if pieces and asked.format is None
            else "is the name right?",
        )
    return Found(pieces=data, passed_over=sorted(piece.name for piece in pieces if not piece.format))


def _known(piece: Piece) -> Piece:
    if not piece.format:
        raise CallError(f"{piece.name} does not tell what it is", hint=f"give --format: {', '.join(FORMATS)}")
    return piece
