"""Whatever queues, fails, waits or goes away: every caller gets the answers to its own items, in their order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rung.serving._batching import Batcher, Call, CountError, LateError, Limits, OverloadError

if TYPE_CHECKING:
    from collections.abc import Sequence

POISON, SHORT, WRONG = "poison", "short", "wrong"


@dataclass(frozen=True)
class Step:
    """One caller: what it sends, what is wrong with it, and when it comes and goes."""

    size: int
    key: bytes | None
    fault: str | None
    pause_before: int
    """Turns of the event loop."""
    leaves_after: int | None
    """Turns of the event loop after which the caller goes away."""


steps = st.builds(
    Step,
    size=st.integers(1, 5),
    key=st.sampled_from([b"a", b"b", None]),
    fault=st.sampled_from([None, None, None, POISON, SHORT]),
    pause_before=st.integers(0, 2),
    leaves_after=st.sampled_from([None, None, None, 0, 1, 3]),
)
limits = st.builds(
    Limits,
    max_items=st.integers(1, 8),
    max_waiting=st.integers(2, 40),
    concurrency=st.integers(1, 3),
    timeout_s=st.just(30.0),
)


class Model:
    """Answers an item with itself doubled; remembers with whom each call was shared."""

    def __init__(self, most: int) -> None:
        self.shared: list[list[Call[Any]]] = []
        self._most = most

    def __call__(self, calls: Sequence[Call[Any]]) -> list[Any]:
        self.shared.append(list(calls))
        items = [item for call in calls for item in call.items]
        assert len(calls) == 1 or len(items) <= self._most
        if any(fault == POISON for _, _, fault in items):
            raise ValueError(POISON)
        answers = [(caller, 2 * number) for caller, number, _ in items]
        return answers[:-1] if any(fault == SHORT for _, _, fault in items) else answers

    async def later(self, calls: Sequence[Call[Any]]) -> list[Any]:
        for _ in range(len(self.shared) % 3):
            await asyncio.sleep(0)
        return self(calls)


async def tell(batcher: Batcher[Any], caller: int, step: Step) -> Any:
    for _ in range(step.pause_before):
        await asyncio.sleep(0)
    items = [(caller, number, step.fault) for number in range(step.size)]
    try:
        future = batcher.submit(Call(items=items, key=step.key))
    except OverloadError:
        return OverloadError
    if step.leaves_after is not None:
        for _ in range(step.leaves_after):
            await asyncio.sleep(0)
        future.cancel()
    try:
        return await future
    except asyncio.CancelledError:
        return asyncio.CancelledError
    except (ValueError, CountError) as error:
        return type(error)


async def run_all(callers: list[Step], bounds: Limits, *, is_async: bool, is_short: bool) -> tuple[list[Any], Model]:
    model = Model(bounds.max_items)
    batcher: Batcher[Any] = Batcher(model.later if is_async else model, limits=bounds, is_async=is_async)
    if is_short:
        batcher._typical_s = 0.0  # noqa: SLF001  as after many short calls: on the event loop from the first one on
    try:
        given_back = await asyncio.gather(*(tell(batcher, number, step) for number, step in enumerate(callers)))
    finally:
        batcher.close()
    assert batcher.waiting == 0 or any(step.leaves_after is not None for step in callers)
    return list(given_back), model


@given(
    callers=st.lists(steps, min_size=1, max_size=25),
    bounds=limits,
    kind=st.sampled_from(["inline", "thread", "coroutine"]),
)
@settings(deadline=None)
def test_every_caller_gets_its_own_answers(callers: list[Step], bounds: Limits, kind: str):
    answers, model = asyncio.run(run_all(callers, bounds, is_async=kind == "coroutine", is_short=kind == "inline"))
    for number, (step, answer) in enumerate(zip(callers, answers, strict=True)):
        if answer is asyncio.CancelledError:
            assert step.leaves_after is not None
        elif answer is OverloadError:
            assert len(callers) > bounds.max_waiting
        elif step.fault == POISON:
            assert answer is ValueError
        elif step.fault == SHORT:
            assert answer is CountError
        else:
            assert answer == [(number, 2 * item) for item in range(step.size)]
    for calls in model.shared:
        assert len(calls) == 1 or {call.key for call in calls} in ({b"a"}, {b"b"})


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=20), most=st.integers(1, 8))
@settings(deadline=None)
def test_requests_of_one_key_are_served_in_their_order(sizes: list[int], most: int):
    callers = [Step(size=size, key=b"a", fault=None, pause_before=0, leaves_after=None) for size in sizes]
    _, model = asyncio.run(run_all(callers, Limits(max_items=most), is_async=False, is_short=True))
    served = [call.items[0][0] for calls in model.shared for call in calls]
    assert served == list(range(len(sizes)))


def test_what_queued_during_a_call_shares_the_next():
    async def scenario() -> list[int]:
        sizes: list[int] = []

        def function(calls: Sequence[Call[Any]]) -> list[Any]:
            sizes.append(len(calls))
            time.sleep(0.05)
            return [item for call in calls for item in call.items]

        batcher: Batcher[Any] = Batcher(function, limits=Limits(max_items=16))
        first = batcher.submit(Call(items=[0], key=b""))
        await asyncio.sleep(0.01)
        rest = [batcher.submit(Call(items=[number], key=b"")) for number in range(1, 9)]
        assert await asyncio.gather(first, *rest) == [[number] for number in range(9)]
        batcher.close()
        return sizes

    assert asyncio.run(scenario()) == [1, 8]


def test_long_calls_leave_the_event_loop():
    async def scenario() -> tuple[float, list[int]]:
        batcher: Batcher[Any] = Batcher(lambda _: [time.sleep(0.3)], limits=Limits())
        for _ in range(5):
            begun = time.perf_counter()
            future = batcher.submit(Call(items=[0], key=None))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            blocked = time.perf_counter() - begun
            await future
        batcher.close()
        short: Batcher[Any] = Batcher(lambda _: [0], limits=Limits())
        turns = [0] * 20
        for number in range(20):
            future = short.submit(Call(items=[0], key=None))
            while not future.done():
                await asyncio.sleep(0)
                turns[number] += 1
        short.close()
        return blocked, turns

    blocked, turns = asyncio.run(scenario())
    assert blocked < 0.2
    assert min(turns) == 1  # it ran at once, on the loop


def test_late_callers_are_told_and_the_rest_is_served():
    async def scenario() -> tuple[list[Any], list[Any]]:
        replaced: list[bool] = []

        def function(calls: Sequence[Call[Any]]) -> list[Any]:
            if calls[0].items == ["hang"]:
                time.sleep(0.6)
            return [item for call in calls for item in call.items]

        batcher: Batcher[Any] = Batcher(function, limits=Limits(timeout_s=0.2), replace=lambda: replaced.append(True))
        answers: list[Any] = []
        for _ in range(4):
            hung = batcher.submit(Call(items=["hang"], key=None))
            answers += await asyncio.gather(hung, return_exceptions=True)
        answers += await asyncio.gather(batcher.submit(Call(items=["fine"], key=None)), return_exceptions=True)
        batcher.close()
        return answers, replaced

    answers, replaced = asyncio.run(scenario())
    assert all(isinstance(answer, LateError) for answer in answers[:4])
    assert answers[4] == ["fine"]
    assert not replaced  # the first thread is back before the fourth hangs


def test_process_asks_to_be_replaced_when_threads_hang():
    async def scenario() -> list[bool]:
        replaced: list[bool] = []
        batcher: Batcher[Any] = Batcher(
            lambda _: time.sleep(1.0), limits=Limits(timeout_s=0.05), replace=lambda: replaced.append(True)
        )
        for _ in range(4):
            await asyncio.gather(batcher.submit(Call(items=[0], key=None)), return_exceptions=True)
            await asyncio.sleep(0.02)
        batcher.close()
        return replaced

    assert asyncio.run(scenario()) == [True]
