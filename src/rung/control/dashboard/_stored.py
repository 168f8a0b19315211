"""What takes longer than a page may: made beside the requests by one thread, and kept with the time it was made.

A page shows what is kept, however old, and asks for it anew when that is too old. What is asked for the first time is
waited for a moment only.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from rung.errors import RungError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Kept", "Stored"]

_WAIT_S = 0.03
"""Of a page, for what is not there yet."""
_MOST = 500  # results
_MOST_WAITING = 100
_log = structlog.get_logger("rung.dashboard")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A result, or what there is in its place."""

    value: Any = None
    made: datetime | None = None
    """None: it is being made."""
    because: str = ""
    """Why there is none."""


@dataclass(slots=True)
class Stored:
    """Results by what they are of."""

    clock: Callable[[], float] = time.monotonic
    _kept: OrderedDict[Hashable, tuple[Kept, float]] = field(default_factory=OrderedDict)
    _under_way: dict[Hashable, Future[Kept]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="dashboard")
    )

    def get(self, key: Hashable, make: Callable[[], Any], *, fresh_s: float) -> Kept:
        """Give what is kept, and have it made anew when it is older than `fresh_s`.

        Args:
            key: What it is of.
            make: Makes it; a refusal is kept in its place, with its reason.
            fresh_s: Seconds for which it is as good as new.
        """
        with self._lock:
            known, made = self._kept.get(key, (Kept(), 0.0))
            is_known = key in self._kept
            if is_known and self.clock() - made < fresh_s:
                return known
            future = self._under_way.get(key)
            if future is None and len(self._under_way) < _MOST_WAITING:
                future = self._under_way[key] = self._thread.submit(self._make, key, make)
        if is_known or future is None:
            return known
        try:
            return future.result(timeout=_WAIT_S)
        except LateError:
            return known

    def end(self) -> None:
        """Make nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _make(self, key: Hashable, make: Callable[[], Any]) -> Kept:
        now = datetime.now(UTC)
        try:
            found = Kept(value=make(), made=now)
        except RungError as error:
            found = Kept(made=now, because=error.message)
        except Exception:  # noqa: BLE001  one page without a part of it, and a line that says why
            _log.exception("not_made", what=str(key))
            found = Kept(made=now, because="it could not be made: the control plane's log tells why")
        with self._lock:
            self._kept[key] = found, self.clock()
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
            self._under_way.pop(key, None)
        return found
