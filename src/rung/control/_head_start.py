"""Servers of production begin before all others, so that a machine that comes up again answers consumers first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["FIRST", "HeadStart"]

FIRST: Final = frozenset({State.INCUMBENT, State.EXPERIMENTING})
"""States whose revisions answer production."""
_AT_MOST_S: Final = 10.0
"""A server that does not get ready must not keep those from starting that could answer instead of it."""


@dataclass(slots=True)
class HeadStart:
    """Knows which servers of production have begun and do not answer yet."""

    _begun: dict[str, float] = field(default_factory=dict)

    def is_over(self, begin: Iterable[str], is_ready: Callable[[str], bool], *, now: float) -> bool:
        """Tell whether others may begin: each server of production answers, or has had its time.

        Args:
            begin: Servers of production that are started now, or started again.
            is_ready: Whether a server answers; asked of those alone that have begun and did not answer yet.
            now: Monotonic seconds.
        """
        self._begun = dict.fromkeys(begin, now) | self._begun
        self._begun = {
            process: since
            for process, since in self._begun.items()
            if now - since < _AT_MOST_S and not is_ready(process)
        }
        return not self._begun
