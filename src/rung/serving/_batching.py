"""Calls of a handler: requests that wait are coalesced, bounded in number and time, and never mixed up.

Nothing waits for a window: a call takes what queued while the last one ran. Only requests of the same key share a call;
when a shared call fails it is halved until the request that it fails for is alone, so no request fails for a neighbour.
Short calls run on the event loop, longer ones in a thread, whichever the last calls showed to be right.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Batcher", "Call", "CountError", "LateError", "Limits", "Outcome", "OverloadError"]

ItemT = TypeVar("ItemT")
Outcome: TypeAlias = "list[Any] | Exception"
"""What became of one call: an answer for each of its items, or why there is none."""

_INLINE_S = 0.001
"""Calls that typically take less run on the event loop: handing them to a thread would cost as much."""
_WEIGHT = 0.2  # of the newest call in what is typical
_OUTLIER = 4.0  # a call counts at most as so many typical ones: one pause must not move all others to a thread
_STUCK = 4  # threads that do not come back before the process asks to be replaced


class OverloadError(Exception):
    """As many requests wait as may wait."""


class LateError(Exception):
    """The answer was not there in time."""


class CountError(Exception):
    """The function did not give one answer for each item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one queue may hold and how long a request may take."""

    max_items: int = 1
    """Items in a shared call at the most; 1: calls are never shared."""
    max_waiting: int = 256
    """Requests that wait; the next one is refused."""
    timeout_s: float = 60.0
    """Seconds from a request's start to its answer."""
    concurrency: int = 1
    """Calls at a time."""


@dataclass(slots=True, eq=False, kw_only=True)
class Call(Generic[ItemT]):
    """One request while it waits for its answer."""

    items: Sequence[ItemT]
    key: bytes | None
    """Only calls of one key share; None: this one shares with nobody."""
    started: float = field(default_factory=time.monotonic)
    """Seconds of the monotonic clock."""
    context: Context | None = None
    """Context variables that the function sees when the call is alone; None: those of the batcher's maker."""
    done: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(slots=True, eq=False)
class _Batch(Generic[ItemT]):
    """Calls that are served by one call of the function."""

    calls: list[Call[ItemT]]
    begun: float
    task: asyncio.Future[Any] | None = None
    given_up: bool = False
    """It took too long: its callers have been told, and its slot is used by another."""

    @property
    def abandoned(self) -> bool:
        """Nobody waits for it any more."""
        return all(call.done.done() for call in self.calls)

    @property
    def since(self) -> float:
        """When the time began to run that it is given: that of its oldest caller, then its own."""
        return min((call.started for call in self.calls if not call.done.done()), default=self.begun)


class Batcher(Generic[ItemT]):
    """The queue in front of one function.

    Args:
        function: Gives one answer for each item of the calls, in order. It may be called again for the same items when
            a shared call failed. In a thread, or on the event loop when it is short; always on the loop when it is a
            coroutine function.
        limits: What may wait, and how long.
        settle: Told what became of calls, on the event loop, in groups; it must set the futures that are not done.
        replace: Asks for this process to be replaced: threads hang.
        may_block: The function waits for others, so it always runs in a thread.
        begun: Told which calls are served together, and when (seconds of the monotonic clock).
    """

    def __init__(
        self,
        function: Callable[[Sequence[Call[ItemT]]], Any],
        *,
        limits: Limits,
        is_async: bool = False,
        settle: Callable[[Sequence[tuple[Call[ItemT], Outcome]]], None] | None = None,
        replace: Callable[[], None] | None = None,
        may_block: bool = False,
        begun: Callable[[Sequence[Call[ItemT]], float], None] | None = None,
    ) -> None:
        self._function = function
        self._limits = limits
        self._is_async = is_async
        self._settle = settle or _set_futures
        self._replace = replace
        self._may_block = may_block
        self._begun = begun
        self._context = copy_context()
        self._groups: dict[object, deque[Call[ItemT]]] = {}
        self._waiting = 0
        self._running: set[_Batch[ItemT]] = set()
        self._scheduled: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._stuck = 0
        self._typical_s = 2 * _INLINE_S

    @property
    def waiting(self) -> int:
        """Requests that wait for a call to begin."""
        return self._waiting

    def submit(self, call: Call[ItemT]) -> asyncio.Future[Any]:
        """Let a call wait for its turn.

        Raises:
            OverloadError: The queue is full.
        """
        if self._waiting >= self._limits.max_waiting:
            raise OverloadError
        key: object = call.key if call.key is not None and self._limits.max_items > 1 else call
        group = self._groups.get(key)
        if group is None:
            self._groups[key] = group = deque()
        group.append(call)
        self._waiting += 1
        self._schedule()
        return call.done

    def close(self) -> None:
        """Let go of the threads; what runs in them goes on."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    def _schedule(self) -> None:
        """Begin the next call once everything that has arrived by now has had its turn to queue."""
        if self._scheduled is None and len(self._running) < self._limits.concurrency:
            self._scheduled = asyncio.get_running_loop().call_soon(self._begin, context=self._context)

    def _begin(self) -> None:
        self._scheduled = None
        calls = self._take()
        if calls:
            batch = _Batch(calls, time.monotonic())
            if self._begun is not None:
                self._begun(calls, batch.begun)
            if self._is_async:
                self._begin_task(batch)
            elif self._typical_s < _INLINE_S and not self._may_block:
                self._finish(batch, self._timed(calls))
            else:
                self._begin_thread(batch)
        if self._waiting:
            self._schedule()
        self._watch()

    def _take(self) -> list[Call[ItemT]]:
        """Take the next calls to serve together: groups take turns, and the first of each is never passed over."""
        taken: list[Call[ItemT]] = []
        items = 0
        while self._groups and not taken:
            key = next(iter(self._groups))
            group = self._groups.pop(key)
            while group and (not taken or items + len(group[0].items) <= self._limits.max_items):
                call = group.popleft()
                self._waiting -= 1
                if not call.done.done():  # else its caller has gone
                    taken.append(call)
                    items += len(call.items)
            if group:
                self._groups[key] = group
        return taken

    def _begin_task(self, batch: _Batch[ItemT]) -> None:
        context = _context(batch.calls) or self._context
        batch.task = asyncio.get_running_loop().create_task(self._gather(batch.calls), context=context)
        self._follow(batch)

    def _begin_thread(self, batch: _Batch[ItemT]) -> None:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._limits.concurrency, thread_name_prefix="rung-call")
        batch.task = asyncio.get_running_loop().run_in_executor(self._threads, self._timed, batch.calls)
        self._follow(batch)

    def _follow(self, batch: _Batch[ItemT]) -> None:
        self._running.add(batch)

        def ended(task: asyncio.Future[list[Outcome]]) -> None:
            if batch.given_up:
                self._stuck -= 1
                return
            self._running.discard(batch)
            self._finish(batch, _results(task, batch.calls))
            if self._waiting:
                self._schedule()

        assert batch.task is not None  # noqa: S101  set by both callers
        batch.task.add_done_callback(ended)

    def _finish(self, batch: _Batch[ItemT], outcomes: Sequence[Outcome]) -> None:
        self._settle([pair for pair in zip(batch.calls, outcomes, strict=True) if not pair[0].done.done()])

    def _timed(self, calls: Sequence[Call[ItemT]]) -> list[Outcome]:
        """Call the function and learn how long it takes."""
        begun = time.perf_counter()
        context = _context(calls)
        outcomes = context.run(self._outcomes, calls) if context else self._outcomes(calls)
        seconds = min(time.perf_counter() - begun, _OUTLIER * self._typical_s)
        self._typical_s += _WEIGHT * (seconds - self._typical_s)
        return outcomes

    def _outcomes(self, calls: Sequence[Call[ItemT]]) -> list[Outcome]:
        try:
            return _split(self._function(calls), calls)
        except Exception as error:  # noqa: BLE001  the author's function may raise anything; its caller is told
            if len(calls) == 1:
                return [error]
        middle = len(calls) // 2
        return self._outcomes(calls[:middle]) + self._outcomes(calls[middle:])

    async def _gather(self, calls: Sequence[Call[ItemT]]) -> list[Outcome]:
        """As `_outcomes`, of a coroutine function."""
        try:
            return _split(await self._function(calls), calls)
        except Exception as error:  # noqa: BLE001  as above
            if len(calls) == 1:
                return [error]
        middle = len(calls) // 2
        return await self._gather(calls[:middle]) + await self._gather(calls[middle:])

    def _watch(self) -> None:
        """Set the alarm for the first request that would be late, or the first call that nobody would wait for."""
        if self._alarm is None and (self._groups or self._running):
            waiting = (group[0].started for group in self._groups.values())
            first = min((*waiting, *(batch.since for batch in self._running)))
            wait = max(0.0, first + self._limits.timeout_s - time.monotonic())
            self._alarm = asyncio.get_running_loop().call_later(wait, self._expire, context=self._context)

    def _expire(self) -> None:
        """Tell callers that their time is over, and give up calls of the function that none of them waits for."""
        self._alarm = None
        latest = time.monotonic() - self._limits.timeout_s
        waiting = [call for group in self._groups.values() for call in group]
        running = [call for batch in self._running for call in batch.calls]
        late = [call for call in (*waiting, *running) if call.started <= latest and not call.done.done()]
        self._settle([(call, LateError()) for call in late])
        for batch in [batch for batch in self._running if batch.abandoned and batch.begun <= latest]:
            self._give_up(batch)
        if self._waiting:
            self._schedule()
        self._watch()

    def _give_up(self, batch: _Batch[ItemT]) -> None:
        """Free the slot of a call that takes too long; a thread cannot be stopped, so a new one takes its place."""
        self._running.discard(batch)
        batch.given_up = True
        self._stuck += 1
        if self._is_async and batch.task is not None:
            batch.task.cancel()
        self.close()
        if self._stuck >= _STUCK and self._replace is not None:
            self._replace()


def _set_futures(settled: Sequence[tuple[Call[Any], Outcome]]) -> None:
    for call, outcome in settled:
        if isinstance(outcome, Exception):
            call.done.set_exception(outcome)
        else:
            call.done.set_result(outcome)


def _results(task: asyncio.Future[list[Outcome]], calls: Sequence[Call[Any]]) -> list[Outcome]:
    if task.cancelled():
        return [LateError()] * len(calls)
    error = task.exception()
    if error is None:
        return task.result()
    return [error if isinstance(error, Exception) else RuntimeError(repr(error))] * len(calls)


def _context(calls: Sequence[Call[Any]]) -> Context | None:
    """Give the context of a call that is alone; several are served in none of theirs."""
    return calls[0].context if len(calls) == 1 else None


def _split(answers: Any, calls: Sequence[Call[Any]]) -> list[Outcome]:
    """Cut the answers into those of each call."""
    whole = list(answers)
    count = sum(len(call.items) for call in calls)
    if len(whole) != count:
        raise CountError(f"gave {len(whole)} predictions for {count} instances: one each is owed")
    if len(calls) == 1:
        return [whole]
    parts: list[Outcome] = []
    start = 0
    for call in calls:
        parts.append(whole[start : start + len(call.items)])
        start += len(call.items)
    return parts
