"""How often somebody may be wrong: attempts that fail are counted by where they come from."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_PEERS = 10_000
_ADDRESSES_OF_ONE = 64  # bits: whoever has one IPv6 address has the rest of its network


@dataclass(slots=True, kw_only=True)
class Throttle:
    """A bucket of attempts for each peer: `burst` failures at once, one more every `every_s` seconds."""

    burst: int = 10
    every_s: float = 6.0
    clock: Callable[[], float] = time.monotonic
    _full_at: OrderedDict[str, float] = field(default_factory=OrderedDict)
    """When the bucket of a peer will be full again, seconds of the clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_s(self, peer: str) -> float:
        """Tell how long a peer must wait for its next attempt, seconds; 0 when it need not."""
        with self._lock:
            missing_s = self._full_at.get(_network(peer), 0.0) - self.clock()
        return max(missing_s - (self.burst - 1) * self.every_s, 0.0)

    def failed(self, peer: str) -> None:
        """Count an attempt that failed."""
        key, now = _network(peer), self.clock()
        with self._lock:
            self._full_at[key] = max(self._full_at.pop(key, now), now) + self.every_s
            while len(self._full_at) > _MOST_PEERS:
                self._full_at.popitem(last=False)


def _network(peer: str) -> str:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if address.version == 4 or address in ipaddress.ip_network("::ffff:0:0/96"):  # noqa: PLR2004  IPv4
        return peer
    return str(ipaddress.ip_network((address, _ADDRESSES_OF_ONE), strict=False))
