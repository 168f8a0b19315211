"""A folder for what is under way. What a process that was killed left of its own, the next one removes."""

from __future__ import annotations

import contextlib
import fcntl
import secrets
import shutil
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["scratch"]

_BEGUN_S: Final = 60.0
"""By then a process has made the folder that its lock is for."""


@contextlib.contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """Give an empty folder for as long as the block lasts."""
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    folder = place / secrets.token_hex(8)
    lock = folder.with_suffix(".lock")
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # held for as long as this process lives
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    for lock in place.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError), lock.open("rb") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder = lock.with_suffix("")
            if folder.is_dir() or time.time() - lock.stat().st_mtime > _BEGUN_S:
                shutil.rmtree(folder, ignore_errors=True)
                lock.unlink(missing_ok=True)
