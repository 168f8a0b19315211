"""Logs of work on machines that do not see the platform's folder, followed there while they are written.

Beside the work `Followed` puts what is new into the object store, a part at a time; the control plane appends the parts
to the log where people look for it. What is cut off in between may be there twice: a log is for reading. Lines that
count, those of predictions, go another way (`rung.lake.sending`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rung.errors import UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from rung.objects import Objects

__all__ = ["Followed", "append_parts", "is_followed"]

_PREFIX: Final = "logs"
_NAME: Final = r"revisions/[a-z][a-z0-9_]*\.v\d+\.m\d+/(?:server(?:-\d+)?\.log|jobs/[a-z]+/log)"
_KEY: Final = re.compile(rf"{_PREFIX}/({_NAME})/[^/]+/\d{{16}}")
_PART: Final = 1 << 20  # bytes; a log that grows faster than that at each look comes later


def is_followed(name: str) -> bool:
    """Tell whether people look for a log while it is written, by its path below the platform's folder.

    >>> is_followed("revisions/housing.v1.m2/server.log"), is_followed("studies/housing-1/trials/1.log")
    (True, False)
    """
    return re.fullmatch(_NAME, name) is not None


class Followed:
    """A log that is written now."""

    def __init__(self, path: Path, *, name: str, work: str) -> None:
        """Name it; what is in it already was sent by an earlier life of the work.

        Args:
            path: Where it is written.
            name: Its path below the platform's folder.
            work: Whose log it is; unique.
        """
        self._path = path
        self._key = f"{_PREFIX}/{name}/{work}"
        self._sent = path.stat().st_size if path.exists() else 0

    def send(self, objects: Objects) -> None:
        """Put what is new into the object store.

        Raises:
            UnavailableError: The object store does not take it; the next call sends it.
        """
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._sent)
            if data := file.read(_PART):
                objects.replace(f"{self._key}/{self._sent:016}", data)
                self._sent += len(data)


def append_parts(objects: Objects, state: Path) -> None:
    """Append what is in the object store to the logs in the platform's folder, and remove it there.

    The log of a job that has ended came back whole: it stays as it is.

    Raises:
        UnavailableError: The object store does not give it, or the disk does not take it.
    """
    for key in sorted(entry.key for entry in objects.entries(_PREFIX)):
        found = _KEY.fullmatch(key)
        data = objects.read(key) if found else None
        if found and data is not None:
            _append(state / found[1], data)
        objects.delete(key)


def _append(log: Path, data: bytes) -> None:
    if log.parent.is_dir() and not (log.parent / "exit_code").exists():
        try:
            with log.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise UnavailableError(f"cannot write {log}: {error}", hint="free some space") from error
