"""What waits to be told: each channel in a thread of its own, tried again ever more slowly, never lost.

What is told is in the registry before it is sent, and marked when it was taken. A control plane that is killed in
between sends it again, with the same id.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from rung.control.alerts.channels import GoneError, open_channel
from rung.errors import LeaseLostError, RungError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from rung.control.place import Place
    from rung.registry import Delivery, Registry
    from rung.settings import Settings

__all__ = ["Outbox", "again_after", "ready"]

_EVERY_S: Final = 2.0
_FIRST_S, _MOST_S = 10.0, 3_600.0
_GIVES_UP: Final = timedelta(days=3)
_KEPT: Final = timedelta(days=90)
_FORGET_EVERY_S: Final = 86_400.0

_log = structlog.get_logger("rung.control")


@dataclass(slots=True, kw_only=True)
class Outbox:
    """Sends what waits."""

    place: Place
    registry: Registry
    settings: Settings
    _looked: float = -math.inf
    """Monotonic seconds, as the next."""
    _forgot: float = -math.inf
    _busy: dict[str, Future[None]] = field(default_factory=dict)
    _pools: dict[str, ThreadPoolExecutor] = field(default_factory=dict)

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return time.monotonic() - self._looked >= _EVERY_S

    def look(self) -> None:
        """Let each channel that is not busy send what is ready; returns at once.

        Raises:
            UnavailableError: The registry does not answer.
        """
        self._looked = time.monotonic()
        self._forget()
        by_channel: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in ready(self.registry.waiting_deliveries(), datetime.now(UTC)):
            by_channel[delivery.channel].append(delivery)
        for name, waiting in by_channel.items():
            if name not in self._busy or self._busy[name].done():
                pool = self._pools.setdefault(name, ThreadPoolExecutor(1, f"channel {name}"))
                self._busy[name] = pool.submit(self._send, name, waiting)

    def close(self) -> None:
        """Wait for what is being sent."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)

    def _send(self, name: str, waiting: list[Delivery]) -> None:
        """Tell one after the other, until one is not taken."""
        for delivery in waiting:
            try:
                self.registry.check_lead()
                self._tell(name, delivery)
                self.registry.keep_delivery(delivery.id)
            except LeaseLostError:
                return
            except RungError as error:
                self._failed(delivery, error)
                return
            except Exception as error:  # noqa: BLE001  a channel's trouble is its own; what it says may hold its URL
                self._failed(delivery, UnavailableError(f"it could not be told ({type(error).__name__})"))
                return

    def _tell(self, name: str, delivery: Delivery) -> None:
        declared = self.settings.channels().get(name)
        if declared is None:
            raise GoneError(f"there is no channel {name} any more")
        open_channel(name, declared, self.place.workspace.root).send(delivery)

    def _failed(self, delivery: Delivery, error: RungError) -> None:
        now = datetime.now(UTC)
        is_over = isinstance(error, GoneError) or now - delivery.made >= _GIVES_UP
        again = None if is_over else now + again_after(delivery.attempts)
        _log.warning("not_told", channel=delivery.channel, what=delivery.what, error=error.message, again=str(again))
        try:
            self.registry.keep_delivery(delivery.id, error=error.message, again=again)
        except RungError as failed:  # then it is tried again at once
            _log.warning("not_told", channel=delivery.channel, error=str(failed))

    def _forget(self) -> None:
        if time.monotonic() - self._forgot >= _FORGET_EVERY_S:
            self._forgot = time.monotonic()
            self.registry.forget_deliveries(older_than=_KEPT, now=datetime.now(UTC))


def ready(waiting: Iterable[Delivery], now: datetime) -> list[Delivery]:
    """Give what may be told now: of one alert nothing before what came earlier. Pure.

    Args:
        waiting: What was neither told nor given up, in its order.
        now: The present.
    """
    held: set[tuple[str, int]] = set()
    found = []
    for delivery in waiting:
        key = None if delivery.alert is None else (delivery.channel, delivery.alert)
        if delivery.due <= now and key not in held:
            found.append(delivery)
        elif key is not None:
            held.add(key)
    return found


def again_after(attempts: int) -> timedelta:
    """Say how long to wait after so many tries that failed before. Pure.

    >>> [int(again_after(tries).total_seconds()) for tries in (0, 1, 5, 20)]
    [10, 20, 320, 3600]
    """
    return timedelta(seconds=min(_FIRST_S * 2 ** min(attempts, 10), _MOST_S))
