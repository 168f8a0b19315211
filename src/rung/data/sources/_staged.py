"""Rows of one piece, read and set down on this machine's disk: from there on everything streams."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["UNREAD", "Staged", "none_unread", "spelled", "stage", "unread"]

UNREAD: Final = pl.Schema({"row": pl.Int64, "reason": pl.String, "content": pl.String})
"""Rows that cannot be taken: their number in the piece, from 1 on, why, and what they are, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What could be read of a piece, and what could not."""

    rows: pl.LazyFrame  # in the order of the piece
    height: int
    unread: pl.DataFrame  # as UNREAD


def stage(rows: pl.LazyFrame, target: Path, counted: Callable[[int], None]) -> tuple[pl.LazyFrame, int]:
    """Set rows down in a file, as they stream; give them as they lie there, and how many they are."""
    height = 0

    def count(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal height
        height += batch.height
        counted(height)
        return batch

    rows.map_batches(count, streamable=True, validate_output_schema=False).sink_ipc(target, engine="streaming")
    return pl.scan_ipc(target), height


def unread(rows: Iterable[tuple[int, str, Any]]) -> pl.DataFrame:
    """Make a frame of rows that cannot be taken: number, reason, and what they are."""
    return pl.DataFrame([(row, reason, spelled(content)) for row, reason, content in rows], schema=UNREAD, orient="row")


def none_unread() -> pl.DataFrame:
    """Make a frame of no rows."""
    return pl.DataFrame(schema=UNREAD)


def spelled(content: Any) -> str:
    """Spell a row as JSON, whatever bytes it was made of."""
    text = json.dumps(content, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()
