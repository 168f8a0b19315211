"""Whether the lake keeps up with what is logged: what waits in the logs, and what upkeep has left undone."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rung.lake._upkeep import is_small, stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rung.lake._tables import Table

__all__ = ["Condition", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The lake at one moment."""

    waiting: int  # bytes of log that no table has yet
    waiting_since: datetime | None  # when the oldest of these lines was written; None: there is none
    small_files: int  # most small files in one partition
    commits: int  # most commits of one table since its last checkpoint


def look(logs: Path, streams: Mapping[str, Table], others: Mapping[str, Table]) -> Condition:
    """Look at logs and tables.

    Args:
        logs: Folder of the log files.
        streams: Tables of the streams that are logged, by name.
        others: Further tables.

    Raises:
        UnavailableError: A table cannot be read.
    """
    waiting = [found for stream, table in streams.items() for found in _waiting(logs, stream, table)]
    states = [_state(table) for table in (*streams.values(), *others.values())]
    return Condition(
        waiting=sum(size for size, _ in waiting),
        waiting_since=min((since for _, since in waiting), default=None),
        small_files=max(files for files, _ in states),
        commits=max(commits for _, commits in states),
    )


def _waiting(logs: Path, stream: str, table: Table) -> Iterator[tuple[int, datetime]]:
    paths = sorted(logs.glob(f"{stream}-*.jsonl"))
    offsets = table.offsets(path.name for path in paths)
    for path in paths:
        with suppress(FileNotFoundError):  # shipped meanwhile
            size = path.stat().st_size - offsets[path.name]
            if size > 0:
                yield size, _written(path, offsets[path.name])


def _written(path: Path, offset: int) -> datetime:
    """Tell when a line was written: as it says, or when its file was written last."""
    with path.open("rb") as file:
        file.seek(offset)
        line = file.readline()
    with suppress(ValueError, TypeError, KeyError, OverflowError):
        told = json.loads(line)
        return datetime.fromtimestamp((told["received"] if "received" in told else told["time"]) / 1e6, UTC)
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _state(table: Table) -> tuple[int, int]:
    opened = table.now()
    if opened is None:
        return 0, 0
    small = Counter(file.partition for file in stored(opened) if is_small(file))
    return max(small.values(), default=0), opened.version() - table.place.checkpoint()
