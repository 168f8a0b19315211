"""A clock that a test moves, also backwards: control plane and registry read it in place of the machine's.

The wall clock jumps as operators and time servers make it jump. The monotonic clock only ever goes on.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_PACKAGES = ("rung.control", "rung.registry")
_BEGIN = datetime(2030, 1, 1, 12, tzinfo=UTC)
_STEP = timedelta(microseconds=1)  # between two looks at the clock, so that what follows has a later time


class SimulatedClock:
    """Wall clock and monotonic clock of one simulated machine."""

    def __init__(self, begin: datetime = _BEGIN) -> None:
        self._now = begin
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        """Tell the time."""
        self._now += _STEP
        return self._now

    def monotonic(self) -> float:
        """Tell the seconds since the machine began."""
        self._monotonic += _STEP.total_seconds()
        return self._monotonic

    def pass_time(self, duration: timedelta) -> None:
        """Let time pass on both clocks."""
        self._now += duration
        self._monotonic += duration.total_seconds()

    def jump(self, duration: timedelta) -> None:
        """Set the wall clock forward or back, while no time passes."""
        self._now += duration

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have every loaded module of the control plane and the registry read this clock."""
        replaced = list(self._replaced())
        try:
            for module, name, simulated in replaced:
                setattr(module, name, simulated)
            yield
        finally:
            for module, name, _ in replaced:
                setattr(module, name, datetime if name == "datetime" else time)

    def _replaced(self) -> Iterator[tuple[Any, str, Any]]:
        wall = _wall(self)
        passing = SimpleNamespace(monotonic=self.monotonic, time=lambda: self.now().timestamp())
        for name, module in list(sys.modules.items()):
            if name.startswith(_PACKAGES):
                if getattr(module, "datetime", None) is datetime:
                    yield module, "datetime", wall
                if getattr(module, "time", None) is time:
                    yield module, "time", passing


def _wall(clock: SimulatedClock) -> type[datetime]:
    class Wall(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return clock.now().astimezone(tz)

    return Wall
