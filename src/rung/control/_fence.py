"""The fence around what lies outside the registry: a file that holds the highest token of any leader.

A write of the registry is refused by the database when another leads. The gateway's files know nothing of that, so each
of them is written under the file's lock, by whoever has the highest token.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.errors import LeaseLostError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POLL_S = 0.02
_DIGITS = 20


@dataclass(slots=True)
class Fence:
    """One process's side of the fence."""

    path: Path
    token: int = 0
    """Of this process; 0 before it leads."""

    def known(self) -> int:
        """Give the highest token of any leader here."""
        try:
            return int(self.path.read_bytes() or b"0")
        except FileNotFoundError:
            return 0

    def close_to_others(self, token: int, *, within_s: float) -> None:
        """Refuse whoever has a lower token from now on; what such a one has begun to write is waited for.

        Raises:
            UnavailableError: It did not end within this time: its process is frozen.
            LeaseLostError: There is a higher token already.
        """
        descriptor = self._opened()
        try:
            _lock(descriptor, time.monotonic() + within_s)
            self.token = token
            self._check(descriptor)
            os.pwrite(descriptor, b"%0*d" % (_DIGITS, token), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Do something, and nobody with a higher token does meanwhile; keep it short.

        Raises:
            LeaseLostError: There is a higher token.
        """
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._check(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def _check(self, descriptor: int) -> None:
        known = int(os.pread(descriptor, _DIGITS, 0) or b"0")
        if known > self.token:
            raise LeaseLostError(
                f"another control plane leads: its fencing token is {known}, and this one's was {self.token}",
                hint="`rung status` asks the one that leads",
            )


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise UnavailableError("the last leader holds the fence and does not go on", hint="try again") from None
            time.sleep(_POLL_S)
        else:
            return
