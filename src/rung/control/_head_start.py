"""Servers of production begin before all others, so that a machine that comes up again answers consumers first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIRST", "HeadStart"]

FIRST: Final = frozenset({State.INCUMBENT, State.EXPERIMENTING})
"""States whose revisions answer production."""
_AT_MOST_S: Final = 10.0
"""A server that does not get ready must not keep those from starting that could answer instead of it."""


@dataclass(slots=True)
class HeadStart:
    """Knows which servers of production have begun and do not answer yet."""

    _begun: dict[str, float] = field(default_factory=dict)

    def begin(self, process: str, *, now: float) -> None:
        """Note that a server of production is started, or to be started again (`now` in monotonic seconds)."""
        self._begun.setdefault(process, now)

    def is_over(self, is_ready: Callable[[str], bool], *, now: float) -> bool:
        """Tell whether others may begin: each server of production answers, or has had its time."""
        self._begun = {
            process: since
            for process, since in self._begun.items()
            if now - since < _AT_MOST_S and not is_ready(process)
        }
        return not self._begun
