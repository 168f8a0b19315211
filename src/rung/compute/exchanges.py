"""A folder that two machines have, while work runs on one that does not see the platform's folder.

A file that is finished at one end moves to the other, through the object store: the parts of a batch go to a worker,
its predictions come back. Objects are sealed with a secret that came with the order: whoever can write to the object
store can stop the work, and cannot change it. `rung.batch` has one end, `rung.compute.ray` the other.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from typing import TYPE_CHECKING, Final

from rung.errors import IntegrityError, RungError, UnavailableError
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from rung.objects import Objects

__all__ = ["ALIVE", "Exchange", "clear", "sweep"]

ALIVE: Final = "alive"
"""Touched as long as somebody wants what comes back."""
_ORPHANED_S: Final = 60.0  # without that, or without the object store: then the work is over
_IN, _OUT = ".in", ".out"
_SEAL: Final = hashlib.sha256().digest_size
_LOOK_S: Final = 0.2
_BEAT_S: Final = 5.0


class Exchange:
    """One end of a folder."""

    def __init__(self, folder: Path, objects: Objects, *, key: str, secret: str, is_host: bool) -> None:
        """Name it.

        Args:
            folder: At this end.
            objects: What carries the files.
            key: Of the folder in there.
            secret: That both ends know, and nobody else.
            is_host: Files that end in `.in` leave this end, those in `.out` come to it; at the other end the reverse.
        """
        self._folder = folder
        self._objects = objects
        self._key = key
        self._secret = secret.encode()
        self._is_host = is_host
        self._gives, self._takes = (_IN, _OUT) if is_host else (_OUT, _IN)
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._heard: bytes | None = None
        self.trouble: RungError | None = None
        """Why nothing moves any more."""

    def move(self) -> None:
        """Send what is finished here, if somebody wants it, then take what has come.

        Raises:
            UnavailableError: The object store does not answer; what did not move does at the next call.
            IntegrityError: Somebody changed what came.
        """
        finished = sorted(self._folder.glob(f"*{self._gives}"))
        for path in finished if finished and self._is_wanted() else ():
            key = f"{self._key}/{path.name}"
            data = path.read_bytes()
            self._objects.replace(key, self._seal(key, data) + data)
            path.unlink()
        found = sorted(entry.key for entry in self._objects.entries(self._key))
        for key in found:
            if key.endswith(self._takes) and (sealed := self._objects.read(key)) is not None:
                write_atomically(self._folder / key.rpartition("/")[2], self._open(key, sealed))
                self._objects.delete(key)

    def beat(self) -> None:
        """Tell the other end that what comes back is wanted."""
        self._objects.replace(f"{self._key}/{ALIVE}", str(time.time_ns()).encode())

    def hear(self) -> None:
        """Touch `ALIVE` here when the other end told so anew; have it look old when that has gone."""
        told = self._objects.read(f"{self._key}/{ALIVE}")
        if told is None and self._heard is not None:
            os.utime(self._folder / ALIVE, (0, 0))
        elif told != self._heard:
            self._heard = told
            (self._folder / ALIVE).touch()

    def follow(self) -> None:
        """Move files until `end`, and return at once; it does no harm to say so again."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_moving, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Move nothing any more."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()

    def _is_wanted(self) -> bool:
        """Tell whether the other end may still ask for it: what it took away with itself nobody would remove again."""
        return self._is_host or self._objects.size(f"{self._key}/{ALIVE}") is not None

    def _keep_moving(self) -> None:
        greet = self.beat if self._is_host else self.hear
        greeted = -_BEAT_S
        worked = time.monotonic()
        while not self._is_over.wait(_LOOK_S):
            now = time.monotonic()
            try:
                if now - greeted >= _BEAT_S or not (self._is_host or self._heard):
                    greet()
                    greeted = now
                self.move()
                worked = now
            except UnavailableError as error:
                if now - worked > _ORPHANED_S:
                    self.trouble = error
                    return
            except RungError as error:
                self.trouble = error
                return

    def _seal(self, key: str, data: bytes) -> bytes:
        return hmac.digest(self._secret, key.encode() + b"\0" + data, "sha256")

    def _open(self, key: str, sealed: bytes) -> bytes:
        data = sealed[_SEAL:]
        if not hmac.compare_digest(sealed[:_SEAL], self._seal(key, data)):
            raise IntegrityError(
                f"{self._objects.url}/{key} is not what was written", hint="look at who may write to the storage"
            )
        return data


def clear(objects: Objects, key: str) -> None:
    """Remove all that lies below a key in the object store.

    Raises:
        UnavailableError: The object store does not answer.
    """
    for entry in list(objects.entries(key)):
        objects.delete(entry.key)


def sweep(objects: Objects, prefix: str, *, before: float) -> None:
    """Remove what work that was cut off has left in the object store.

    Args:
        objects: The object store.
        prefix: The first part of the keys: what lies below each `PREFIX/NAME` goes together.
        before: Seconds since 1970; what has an object that was written later stays.

    Raises:
        UnavailableError: The object store does not answer.
    """
    youngest: dict[str, float] = {}
    for entry in objects.entries(prefix):
        name = entry.key.split("/")[1]
        youngest[name] = max(youngest.get(name, 0.0), entry.modified)
    for name, modified in youngest.items():
        if modified < before:
            clear(objects, f"{prefix}/{name}")
