"""What tests wait for: a real process takes the time that it takes, and a test fails only when nothing comes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


def until(look: Callable[[], Found], *, within_s: float = 60.0, every_s: float = 0.02) -> Found:
    """Look until there is something, and give what was found."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"it was not so within {within_s:g} s"
        time.sleep(every_s)
    return found
