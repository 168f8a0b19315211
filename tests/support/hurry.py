"""Consumers who are in no hurry until an A/B test waits for them: what they ask before and after proves little, and
takes the processors from trainings and gates.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from live_platform import LivePlatform


class Sending(Protocol):
    """Whoever sends requests."""

    requests_per_second: float
    """May be changed while they are sent."""


@contextlib.contextmanager
def hurrying(
    platform: LivePlatform, revision: str, consumers: Sending, *, requests_per_second: float
) -> Iterator[None]:
    """Let consumers send so much while the A/B test of a revision runs."""
    usual = consumers.requests_per_second
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.5):
            with contextlib.suppress(httpx2.HTTPError):  # it is not there yet
                runs = platform.revision(revision)["state"] == "experimenting"
                consumers.requests_per_second = requests_per_second if runs else usual

    following = threading.Thread(target=follow)
    following.start()
    try:
        yield
    finally:
        over.set()
        following.join()
        consumers.requests_per_second = usual
