"""What an ingest did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rung.data._version import Version

__all__ = ["Ingested"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """Counts are rows, unless they are of something else."""

    dataset: str
    mode: str
    version: Version | None = None  # None: there was nothing new, or it was a dry run
    columns: dict[str, str]  # name -> type, of the dataset after it
    read: int = 0
    added: int = 0  # in a dry run: those that would be
    changed: int = 0
    removed: int = 0
    known: int = 0  # were there already
    late: int = 0  # were not there, but are older than the newest that was: left out, unless they were asked for
    repeated: int = 0  # their key came again later: the last one counts
    quarantined: int = 0  # were refused
    refused: list[dict[str, Any]] = field(default_factory=list)  # the first of them, with source, row, reason, content
    pieces: list[str] = field(default_factory=list)  # files that were read
    pieces_known: list[str] = field(default_factory=list)  # files whose content was taken before
    passed_over: list[str] = field(default_factory=list)  # files of a folder that are no tables by their names
    files: int = 0  # each a row, since none of them is a table by its name
    new_columns: list[str] = field(default_factory=list)
    missing_columns: list[str] = field(default_factory=list)
    is_dry: bool = False
    seconds: float = 0.0
