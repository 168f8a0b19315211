"""Log lines of machines that do not see the platform's folder: sent to the object store, taken into the logs.

A part of a log file is an object, `lake/log/FILE/BEGIN-END`: bytes of the file, always the same ones, ending where a
line does. Whoever sends it twice sends the same; whoever takes it twice writes the same bytes to the same place. So a
line is in the tables once, by what these know of its file. `Lake.ship` takes, beside a server on such a machine
`rung.compute.ray` sends. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rung.errors import IntegrityError, UnavailableError
from rung.lake.log import try_lock
from rung.workspace import settle, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.objects import Objects

__all__ = ["Part", "send", "take"]

_PREFIX: Final = "lake/log"
_KEY: Final = re.compile(rf"{_PREFIX}/([a-z]+-\d+-\d+-[0-9a-f]+\.jsonl)/(\d{{16}})-(\d{{16}})")
_PART: Final = 8 << 20  # bytes; one line may be longer
_MARK: Final = ".sent"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Part:
    """A part of a log file."""

    file: str
    begin: int  # bytes of the file before it
    end: int  # bytes of the file with it

    @property
    def key(self) -> str:
        """Name the object.

        >>> Part(file="predictions-7-1-ab.jsonl", begin=0, end=12).key
        'lake/log/predictions-7-1-ab.jsonl/0000000000000000-0000000000000012'
        """
        return f"{_PREFIX}/{self.file}/{self.begin:016}-{self.end:016}"

    @classmethod
    def of(cls, key: str) -> Part | None:
        """Read the name of an object; None when it is not one of a part.

        >>> Part.of("lake/log/../../x/0000000000000000-0000000000000012")
        """
        found = _KEY.fullmatch(key)
        return None if found is None else cls(file=found[1], begin=int(found[2]), end=int(found[3]))


def send(logs: Path, objects: Objects) -> int:
    """Put the lines that are new in a folder of log files into the object store; remove files that are done.

    Nothing happens while somebody else sends from there.

    Returns:
        Bytes that were sent.

    Raises:
        UnavailableError: The object store does not take them; the next call sends them.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / "send.lock").open("ab") as lock:
        if not try_lock(lock.fileno()):
            return 0
        return sum(_send(path, objects) for path in sorted(logs.glob("*.jsonl")))


def take(logs: Path, objects: Objects) -> int:
    """Write the lines that others sent into the folder of log files, then remove them from the object store.

    Only who ships from that folder may call it, and must not ship meanwhile.

    Returns:
        Bytes that were taken.

    Raises:
        UnavailableError: The object store does not give them, or the disk does not take them; the next call does.
        IntegrityError: A part has another size than its name says; it stays there.
    """
    found = (Part.of(entry.key) for entry in objects.entries(_PREFIX))
    taken = 0
    for part in sorted(one for one in found if one is not None):
        data = objects.read(part.key)
        if data is None:  # somebody else took it
            continue
        if len(data) != part.end - part.begin:
            raise IntegrityError(
                f"{part.key} has {len(data)} bytes", hint="somebody changed it: look at the bucket's policy, remove it"
            )
        try:
            _write(logs / part.file, part.begin, data)
        except OSError as error:
            raise UnavailableError(f"cannot write {logs / part.file}: {error}", hint="free some space") from error
        objects.delete(part.key)
        taken += len(data)
    return taken


def _send(path: Path, objects: Objects) -> int:
    mark = path.with_suffix(_MARK)
    with path.open("rb") as file:
        is_finished = try_lock(file.fileno())  # asked first: the size of a finished file is final
        begin = begun = _sent(mark)
        file.seek(begin)
        for data in _parts(file.fileno(), is_finished=is_finished):
            part = Part(file=path.name, begin=begin, end=begin + len(data))
            objects.replace(part.key, data)
            begin = part.end
            write_atomically(mark, str(begin).encode())
        if is_finished and os.fstat(file.fileno()).st_size <= begin:
            path.unlink()
            mark.unlink(missing_ok=True)
    return begin - begun


def _parts(file: int, *, is_finished: bool) -> Iterator[bytes]:
    """Give what follows in a file, cut where lines end; of a file that nobody completes also the rest of a line."""
    rest = b""
    while data := os.read(file, _PART):
        rest += data
        whole = rest.rfind(b"\n") + 1
        if whole:
            yield rest[:whole]
            rest = rest[whole:]
    if rest and is_finished:
        yield rest


def _sent(mark: Path) -> int:
    with suppress(FileNotFoundError, ValueError):
        return int(mark.read_bytes())
    return 0


def _write(path: Path, begin: int, data: bytes) -> None:
    """Write a part to its place. A file that was shipped up to there, and removed, begins with a hole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        written = 0
        while written < len(data):
            written += os.pwrite(handle, data[written:], begin + written)
        os.fsync(handle)
    finally:
        os.close(handle)
    settle(path.parent)
