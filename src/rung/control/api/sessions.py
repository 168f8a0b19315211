"""Sessions of the dashboard: how somebody who is known to the API is known to it in a browser, too.

A command asks for a ticket, which a browser shows once, soon; from then on its cookie stands for who asked. What is
kept is what they showed to the API, and each page asks the same guard again: a token that was revoked, a login that is
over, and the owner's token anywhere but near open nothing more. All of it is in memory: who comes after a restart logs
in again.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SESSION_S", "TICKET_S", "Credentials", "Session", "Sessions"]

TICKET_S = 60.0
"""Seconds until a ticket is void."""
SESSION_S = 12 * 3_600.0
"""Seconds until a session is over, whoever has it."""
_MOST = 1_000
_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What somebody showed to the API."""

    authorization: str = field(repr=False)
    """The header."""
    user: str
    """What the owner calls themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody in a browser."""

    key: str = field(repr=False)
    """What the cookie says."""
    credentials: Credentials
    until: float
    """Seconds of the clock."""

    @property
    def proof(self) -> str:
        """What each form must send along: other sites can neither read nor guess it."""
        return hashlib.sha256(f"form {self.key}".encode()).hexdigest()


@dataclass(slots=True)
class Sessions:
    """Tickets and sessions of one control plane; the oldest go when there are too many."""

    clock: Callable[[], float] = time.monotonic
    _tickets: OrderedDict[str, tuple[Credentials, float]] = field(default_factory=OrderedDict)
    _sessions: OrderedDict[str, Session] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ticket(self, credentials: Credentials) -> str:
        """Make a ticket."""
        made = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._tickets[made] = credentials, self.clock() + TICKET_S
            _bound(self._tickets)
        return made

    def redeem(self, ticket: str) -> Credentials | None:
        """Give what a ticket stands for, once; None when it is void."""
        with self._lock:
            credentials, until = self._tickets.pop(ticket, (None, 0.0))
        return credentials if self.clock() < until else None

    def begin(self, credentials: Credentials) -> Session:
        """Begin a session."""
        made = Session(key=secrets.token_urlsafe(_BYTES), credentials=credentials, until=self.clock() + SESSION_S)
        with self._lock:
            self._sessions[made.key] = made
            _bound(self._sessions)
        return made

    def find(self, key: str) -> Session | None:
        """Give a session that is not over."""
        with self._lock:
            found = self._sessions.get(key)
        return found if found is not None and self.clock() < found.until else None

    def end(self, key: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(key, None)


def _bound(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > _MOST:
        kept.popitem(last=False)
