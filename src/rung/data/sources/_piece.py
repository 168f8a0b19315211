"""What a source consists of: pieces, each of which is read and remembered by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

__all__ = ["Asked", "Copied", "Piece", "Step", "Tell", "silent"]

Tell: TypeAlias = "Callable[[Step], None]"
"""Takes how far it is, some times a second."""
Copied: TypeAlias = "Callable[[int], None]"
"""Takes how many bytes or rows are done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What whoever ingests says about how a source is to be read."""

    format: str | None = None  # None: as its name tells
    query: str | None = None  # SQL, of a database
    sheet: str | None = None  # of a workbook
    separator: str | None = None  # of a CSV; None: as its first line tells
    encoding: str | None = None  # of a text; None: UTF-8, or UTF-16 as its first bytes tell
    nulls: tuple[str, ...] = ()  # words of a CSV that stand for no value, beside the empty one


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One file, one object, or the answer to one query."""

    name: str  # without secrets
    format: str  # "csv", "jsonl", "json", "parquet", "arrow", "excel"; "rows" and "files": in Arrow files of a folder
    packed: str | None = None  # "gz", "bz2" or "xz"
    path: Path | None = None  # where it lies, when that is on this machine
    fetch: Callable[[Path, Copied], None] | None = None  # brings it to a path of this machine, when it does not
    size: int | None = None  # bytes, where known
    within: str | None = None  # its path below the source; None: the source names it
    modified: datetime | None = None  # when it was written last, where known
    partition: Mapping[str, str] = field(default_factory=dict)  # columns that its path tells, as year=2026


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far something is."""

    what: str  # as "reading sales.csv"
    done: int
    whole: int | None = None  # where known
    unit: str = "rows"


def silent(_: Step) -> None:
    """Tell nothing."""
