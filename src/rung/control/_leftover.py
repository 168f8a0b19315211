"""One thing that `rung gc` takes away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import PurePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing that can go."""

    kind: str
    """`artifact`, `unfinished`, `environment`, `output`, `cache`, `ledger`, `socket`, `temporary` or `dataset`; in a
    storage also `run` and `revision`, in a backup `blob`."""
    path: PurePath
    """On this machine, or the key in the store; of a run or a revision there all below it."""
    because: str
    size: int = 0
    """Bytes that its removal frees: none, as long as another link to the same file stays."""
    store: str = ""
    """Where it lies; empty: on this machine."""
