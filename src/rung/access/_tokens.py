"""Tokens that Rung makes: `rung_ID_SECRET`. The id finds the row; of the secret only an argon2 hash is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.access._actor import Actor, Kind
from rung.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rung.access._roles import Grant

PREFIX = "rung_"
_SPELLED = re.compile(r"rung_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_ID_BYTES, _SECRET_BYTES = 8, 32
_REMEMBERED_S = 300.0
_MOST_REMEMBERED = 1_000
_AT_ONCE = 2  # verifications: each takes 64 MiB
_HINT = "an admin makes one with `rung token create`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is kept: all but its secret."""

    id: str
    name: str
    """Of the person or program that has it."""
    grants: tuple[Grant, ...]
    created: datetime
    expires: datetime
    actor: str
    """Who made it."""
    revoked: datetime | None = None
    hash: str = field(repr=False)
    """Of the secret: argon2id with its parameters and salt."""

    def is_valid(self, now: datetime) -> bool:
        """Tell whether it still opens anything."""
        return self.revoked is None and now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token that was just made; nobody can tell its secret again."""

    id: str
    spelled: str = field(repr=False)
    """All of it, as it is presented."""
    hash: str = field(repr=False)


def new_token() -> NewToken:
    """Make a token: 256 random bits, which nobody guesses, and their hash."""
    from argon2 import PasswordHasher  # noqa: PLC0415  only where tokens are used

    identity, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    return NewToken(id=identity, spelled=f"{PREFIX}{identity}_{secret}", hash=PasswordHasher().hash(secret))


@dataclass(slots=True)
class Tokens:
    """Tells whose token it is.

    The row is read each time, so that a token which was revoked opens nothing from then on. Its secret is verified with
    argon2, which is slow on purpose, once in five minutes; in between the SHA-256 of what was presented is compared.
    """

    find: Callable[[str], Token | None]
    """Gives the row of an id."""
    clock: Callable[[], float] = time.monotonic
    _remembered: OrderedDict[bytes, tuple[str, float]] = field(default_factory=OrderedDict)
    """From the digest of a token to the hash that it was verified with, and until when, seconds of the clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _verifying: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(_AT_ONCE))

    def actor(self, presented: str, now: datetime, *, may_verify: bool = True) -> Actor | None:
        """Tell who presents a token.

        Args:
            presented: All of it.
            now: For its expiry.
            may_verify: Verify it with argon2 if need be; when not, None is given for a token that is not remembered.

        Raises:
            NotAuthenticatedError: It is not right, expired or revoked.
        """
        digest = hashlib.sha256(presented.encode()).digest()
        verified_with = self._verified_with(digest)
        if verified_with is None and not may_verify:
            return None
        found = _SPELLED.fullmatch(presented)
        token = self.find(found[1]) if found else None
        if found is None or token is None:
            raise NotAuthenticatedError("the token is wrong", hint=_HINT)
        if verified_with != token.hash:
            self._verify(token, found[2])
            self._remember(digest, token.hash)
        if not token.is_valid(now):
            told = "revoked" if token.revoked is not None else f"valid until {token.expires:%F %T} UTC"
            raise NotAuthenticatedError(f"the token {token.id} of {token.name} was {told}", hint=_HINT)
        return Actor(name=token.name, kind=Kind.TOKEN, grants=token.grants)

    def _verify(self, token: Token, secret: str) -> None:
        from argon2 import PasswordHasher  # noqa: PLC0415  only where tokens are used
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415  as above

        try:
            with self._verifying:
                PasswordHasher().verify(token.hash, secret)
        except (VerificationError, InvalidHashError):
            raise NotAuthenticatedError("the token is wrong", hint=_HINT) from None

    def _verified_with(self, digest: bytes) -> str | None:
        with self._lock:
            known, until = self._remembered.get(digest, (None, 0.0))
        return known if self.clock() < until else None

    def _remember(self, digest: bytes, verified_with: str) -> None:
        with self._lock:
            self._remembered.pop(digest, None)
            self._remembered[digest] = (verified_with, self.clock() + _REMEMBERED_S)
            while len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)
