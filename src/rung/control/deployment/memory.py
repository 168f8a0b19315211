"""What a server takes of the memory that was declared for it: every worker holds its own copy of the artifacts.

A deployment measures it when the server answers; what it found is an event, from which `rung status` shows it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEMORY = "memory"
"""Kind of the events."""

_MIB = 1024**2
_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a server takes, in bytes."""

    workers: int
    worker_bytes: int
    """That the largest worker shares with no other process."""
    shared_bytes: int
    """That the processes share with each other, and the server's part of what it shares with the rest."""
    total_bytes: int
    declared_bytes: int
    """`memory_gib` of the serving hardware."""

    @property
    def is_above(self) -> bool:
        """The server takes more than was declared."""
        return self.total_bytes > self.declared_bytes

    @property
    def told(self) -> str:
        """Say it in one sentence.

        >>> Memory(workers=2, worker_bytes=148 << 20, shared_bytes=14 << 20, total_bytes=310 << 20,
        ...        declared_bytes=2 << 30).told
        '2 workers, 148 MiB each, 310 MiB in all; 2 GiB declared'
        """
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        told = (
            f"{workers}, {spell_bytes(self.worker_bytes)} each, {spell_bytes(self.total_bytes)} in all;"
            f" {spell_bytes(self.declared_bytes)} declared"
        )
        return f"{told}, which is too little: raise memory_gib or lower gunicorn_workers" if self.is_above else told

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {**asdict(self), "is_above": self.is_above}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Memory:
        """Read what `to_json` gave."""
        return cls(**{name: data[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The memory of one process, in bytes."""

    unique: int
    """USS: what would be free if it ended."""
    proportional: int
    """PSS: the unique part, and of each shared page its share."""


def measure(pid: int, *, workers: int, declared_gib: float) -> Memory | None:
    """Measure a server; None when it has no worker, or one ended meanwhile.

    Args:
        pid: Of gunicorn's master.
        workers: As many as were declared.
        declared_gib: For all of it.
    """
    try:
        master = psutil.Process(pid)
        found = [_footprint(child) for child in _children(master)]
        arbiter = _footprint(master)
    except psutil.Error:
        return None
    return sum_up(arbiter, found, workers=workers, declared_gib=declared_gib) if found else None


def sum_up(master: Footprint, found: Sequence[Footprint], *, workers: int, declared_gib: float) -> Memory:
    """Sum up a server's processes. A worker that has not loaded yet is counted as the largest: it comes to that. Pure.

    Args:
        master: Gunicorn's master.
        found: Its workers, at least one.
        workers: As many as were declared.
        declared_gib: For all of it.
    """
    largest = max(worker.unique for worker in found)
    count = max(workers, len(found))
    shared = sum(process.proportional - process.unique for process in (master, *found))
    return Memory(
        workers=count,
        worker_bytes=largest,
        shared_bytes=shared,
        total_bytes=master.unique + count * largest + shared,
        declared_bytes=round(declared_gib * _GIB),
    )


def spell_bytes(size: int) -> str:
    """Spell a size as people read it.

    >>> spell_bytes(310 << 20), spell_bytes(2_500 << 20)
    ('310 MiB', '2.44 GiB')
    """
    return f"{size / _GIB:.3g} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"


def _children(process: psutil.Process) -> list[psutil.Process]:
    """Give the children of a process; where the kernel tells them, without a look at all processes there are."""
    try:
        told = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    except OSError:
        found: list[psutil.Process] = process.children()
        return found
    return [psutil.Process(int(pid)) for pid in told.split()]


def _footprint(process: psutil.Process) -> Footprint:
    found = process.memory_full_info()
    return Footprint(unique=found.uss, proportional=getattr(found, "pss", found.uss))  # PSS is Linux's
