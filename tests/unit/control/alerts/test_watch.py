"""What the watch begins when the loop asks it."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from waiting import until

from rung.control.alerts.watch import Watch
from rung.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Begun:
    """Keeps what was begun; what is begun lasts until it may end."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.may_end = threading.Event()

    def __call__(self, name: str, work: Callable[[], object]) -> None:
        del work
        self.names.append(name)
        self.may_end.wait(10)


@pytest.fixture
def begun() -> Begun:
    return Begun()


@pytest.fixture
def watch(begun: Begun) -> Iterator[Watch]:
    idle: Any = SimpleNamespace(is_due=lambda: False, look=None, close=lambda: None)
    nothing: Any = None
    found = Watch(place=nothing, registry=nothing, settings=Settings(), usage=nothing, pulse=nothing, outbox=idle)
    yield found
    begun.may_end.set()
    found.close()


def settled(begun: Begun, count: int) -> list[str]:
    until(lambda: len(begun.names) >= count, every_s=0.005)
    return sorted(begun.names)


def test_health_is_looked_at_at_once_and_production_soon(watch: Watch, begun: Begun):
    watch.tick(begun)
    assert settled(begun, 1) == ["health_failed"]
    watch._production_at -= 25  # noqa: SLF001  as if time had passed
    watch.tick(begun)
    assert settled(begun, 2) == ["health_failed", "look_failed"]


def test_what_is_under_way_is_not_begun_again_and_keeps_nobody_waiting(watch: Watch, begun: Begun):
    for _ in range(3):
        watch._health_at = watch._production_at = -1e9  # noqa: SLF001  as if time had passed
        before = time.monotonic()
        watch.tick(begun)
        assert time.monotonic() - before < 5
    assert settled(begun, 2) == ["health_failed", "look_failed"]


def test_nothing_is_begun_after_the_end(watch: Watch, begun: Begun):
    begun.may_end.set()
    watch.close()
    watch.tick(begun)
    assert begun.names == []
