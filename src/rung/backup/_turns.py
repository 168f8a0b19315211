"""Who makes a backup and who takes away what it does not need: never both at once, wherever they run.

Each says what it does in the target, then looks at what others say: so of two that begin together, at least one sees
the other. What a killed one left says nothing after a while.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.objects import Objects

_MAKING = "under-way/making"
_SWEEPING = "under-way/sweeping"
_MAKING_S = 86_400.0  # longer than a backup takes
_SWEEPING_S = 600.0  # who sweeps says so again and again


@contextmanager
def making(target: Objects) -> Iterator[None]:
    """Say that a backup is being made.

    Raises:
        ConflictError: What it does not need is being removed.
    """
    key = f"{_MAKING}/{secrets.token_hex(8)}"
    target.replace(key, b"")
    try:
        if _is_said(target, _SWEEPING, _SWEEPING_S):
            raise ConflictError(
                f"`rung gc --backup {target.url}` is at work there", hint="make the backup when it has ended"
            )
        yield
    finally:
        target.delete(key)


@contextmanager
def sweeping(target: Objects) -> Iterator[Callable[[], None]]:
    """Say that things are being removed; give what says it again.

    Raises:
        ConflictError: A backup is being made, or another one removes things.
    """
    if _is_said(target, _SWEEPING, _SWEEPING_S):
        raise ConflictError(f"another `rung gc` is at work in {target.url}", hint="wait until it has ended")
    key = f"{_SWEEPING}/{secrets.token_hex(8)}"
    target.replace(key, b"")
    try:
        if _is_said(target, _MAKING, _MAKING_S):
            raise ConflictError(
                f"a backup is being made in {target.url}",
                hint="try again when it has ended; one that was killed counts for a day",
            )
        yield lambda: target.replace(key, b"")
    finally:
        target.delete(key)


def _is_said(target: Objects, what: str, for_s: float) -> bool:
    return any(time.time() - entry.modified < for_s for entry in target.entries(what))
