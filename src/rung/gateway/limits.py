"""What consumers may send, as plain values: how much in a body, how many requests, and with which key. Pure.

`Backend` and `Routing` hold them; `_guards.py` says them in Envoy's words.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from rung.errors import CallError
from rung.infrastructure import RateLimit, ServingHardware

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BODY_LIMIT", "Consumer", "Limits", "Rate"]

BODY_LIMIT: Final = ServingHardware().max_body_bytes()
"""Bytes of the largest body where nothing else was declared."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What goes through in a while: a bucket of tokens, one for each request."""

    requests_per_s: float  # tokens that come back
    burst: int  # tokens that fit in

    @property
    def wait_s(self) -> int:
        """Seconds in which a token comes back, whole."""
        return math.ceil(1 / self.requests_per_s)

    @classmethod
    def of(cls, declared: RateLimit) -> Self:
        """Return what was declared in an infrastructure specification."""
        return cls(requests_per_s=declared.requests_per_s, burst=declared.most_at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What consumers may send to a revision, or to a major.

    >>> Limits.of(ServingHardware(max_body_mib={"large": 20})).body("large")
    20971520
    """

    max_body_bytes: int = BODY_LIMIT  # of routes that have no limit of their own
    bodies: tuple[tuple[str, int], ...] = ()  # route -> bytes, sorted
    rate: Rate | None = None  # of all routes together
    rates: tuple[tuple[str, Rate], ...] = ()  # of single routes, sorted; only without `rate`

    @classmethod
    def of(cls, serving: ServingHardware) -> Self:
        """Return what was declared in an infrastructure specification."""
        body, rate = serving.max_body_mib, serving.rate_limit
        by_route = rate if isinstance(rate, dict) else {}
        return cls(
            max_body_bytes=serving.max_body_bytes(),
            bodies=tuple((route, serving.max_body_bytes(route)) for route in sorted(body))
            if isinstance(body, dict)
            else (),
            rate=Rate.of(rate) if isinstance(rate, RateLimit) else None,
            rates=tuple((route, Rate.of(one)) for route, one in sorted(by_route.items()) if one is not None),
        )

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that have a limit of their own, sorted."""
        return tuple(sorted({route for route, _ in (*self.bodies, *self.rates)}))

    def body(self, route: str | None) -> int:
        """Return the bytes of the largest body of a route; None: of those without a limit of their own."""
        return next((most for name, most in self.bodies if name == route), self.max_body_bytes)

    def rate_of(self, route: str | None) -> Rate | None:
        """Return the rate that a route's requests have, alone or with all others."""
        return self.rate or next((rate for name, rate in self.rates if name == route), None)

    def with_bodies_of(self, others: Iterable[Limits]) -> Limits:
        """Return these limits, with the smallest bodies of all: what one arm of an experiment takes, all take."""
        together = (self, *others)
        routes = sorted({route for limits in together for route, _ in limits.bodies})
        return Limits(
            max_body_bytes=min(limits.max_body_bytes for limits in together),
            bodies=tuple((route, min(limits.body(route) for limits in together)) for route in routes),
            rate=self.rate,
            rates=self.rates,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who may send requests to services that demand a key; the key itself is known to the consumer alone."""

    name: str
    digest: str  # SHA-256 of the key, hexadecimal
    service: str | None = None  # the only one that it may ask; None: all

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CallError(
                f"{self.name!r} cannot name a consumer", hint="use at most 63 of a-z, 0-9, _ and -, a letter first"
            )
        if not _DIGEST.fullmatch(self.digest):
            raise CallError(f"the digest of {self.name}'s key is not a SHA-256", hint="write 64 hexadecimal digits")
