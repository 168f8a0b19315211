"""How numerical libraries use the processors of a machine that they share with others."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["share_processors", "thread_limits"]

_COUNTED: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
_SPINS: Final = {"GOMP_SPINCOUNT": "1000"}
"""Turns that a thread of GNU OpenMP waits in a loop before it sleeps. Its own default is so long that, where neighbours
work, too, threads that wait keep those that they wait for from their processors."""


def thread_limits(threads: int) -> dict[str, str]:
    """Give the variables that keep numerical libraries to the processors that were asked for."""
    return dict.fromkeys(_COUNTED, str(threads)) | _SPINS


def share_processors() -> None:
    """Let numerical libraries that this process has yet to import wait asleep, where its user said nothing else.

    A training in a terminal takes all processors, as the author expects, but servers of the platform run on them, too.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        for name, value in _SPINS.items():
            os.environ.setdefault(name, value)
