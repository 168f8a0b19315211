"""Work in a thread, watched by the one that gets signals: a kernel must not outlive its time, or whoever waits for it.

Called by `execute`. nbclient would take the signals for itself in the main thread, and call an interrupted run a dead
kernel.
"""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["supervise"]

_LOOK_S: Final = 0.1


def supervise(work: Callable[[], str | None], *, time_limit_s: float) -> str | None:
    """Do the work, and end it when its time is over or this process is asked to end; give what went wrong.

    Args:
        work: Gives what went wrong itself. It must end when the processes that it started do.
        time_limit_s: Seconds from now.
    """
    asked, until = threading.Event(), time.monotonic() + time_limit_s
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    because = None
    try:
        with ThreadPoolExecutor(1, "notebook") as pool:
            future = pool.submit(work)
            while not wait([future], timeout=_LOOK_S).done:
                if because is None and asked.is_set():
                    because = "somebody stopped it"
                elif because is None and time.monotonic() > until:
                    because = f"its time limit of {time_limit_s:g} s was over"
                if because is not None:
                    _kill_children()
            return because or future.result()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _kill_children() -> None:
    import psutil  # noqa: PLC0415  Jupyter's kernels need it, too

    for process in psutil.Process().children(recursive=True):
        process.kill()
