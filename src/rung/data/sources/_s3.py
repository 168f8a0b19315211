"""Objects of an S3-compatible store: one key, all below a prefix, or those that a pattern names."""

from __future__ import annotations

import fnmatch
import glob
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rung.data.sources._names import fixed, format_of, packing_of, partition_of
from rung.data.sources._piece import Asked, Copied, Piece
from rung.data.sources._public import public
from rung.errors import CallError, NotFoundError
from rung.objects import Entry, open_objects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.objects import Objects

__all__ = ["objects"]


def objects(url: str, asked: Asked) -> Iterator[Piece]:
    """Name the objects that a URL means: `s3://bucket/key`, `s3://bucket/prefix/` or `s3://bucket/2026-*.csv`.

    Raises:
        CallError: It has credentials in it.
        NotFoundError: The store has nothing of that name.
        UnavailableError: The store does not answer.
        WorkspaceError: The extra `rung[s3]` is not installed, or the store refuses.
    """
    parts = urlsplit(url, allow_fragments=False)
    if "@" in parts.netloc or parts.query:
        raise CallError(
            f"credentials have no place in {public(url)}", hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    bucket = f"s3://{parts.netloc}"
    store = open_objects(bucket)
    key = parts.path.strip("/")
    size = store.size(key) if key and not glob.has_magic(key) else None
    if size is not None:
        yield _piece(store, Entry(key=key, size=size, modified=store.modified(key) or 0), asked, below=None)
        return
    below = fixed(key)
    found = [_piece(store, entry, asked, below=below) for entry in store.entries(below) if _is_meant(entry.key, key)]
    if not found:
        raise NotFoundError(f"there is nothing at {url}", hint="is the name right? a prefix ends with /")
    yield from found


def _is_meant(key: str, pattern: str) -> bool:
    if not glob.has_magic(pattern):
        return True
    return fnmatch.fnmatchcase(key, pattern) and ("**" in pattern or key.count("/") == pattern.count("/"))


def _piece(store: Objects, entry: Entry, asked: Asked, *, below: str | None) -> Piece:
    def fetch(target: Path, copied: Copied) -> None:
        if not store.download(entry.key, target):
            raise NotFoundError(f"{store.url}/{entry.key} is gone", hint="the same again takes what is there now")
        copied(entry.size)

    within = None if below is None else entry.key.removeprefix(below).strip("/")
    return Piece(
        name=f"{store.url}/{entry.key}",
        format=format_of(entry.key, asked.format) or "",
        packed=packing_of(entry.key),
        fetch=fetch,
        size=entry.size,
        within=within,
        modified=datetime.fromtimestamp(entry.modified, UTC) if entry.modified else None,
        partition=partition_of(within or ""),
    )
