"""How far a view is in an online store: a small text beside its entries, changed only by whoever has seen it. Pure.

Whoever materialises puts its name into the state first, and every write asks that it still stands there. So the last
one that began writes alone, and one that was frozen meanwhile writes nothing any more.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["State", "begin", "finish", "order_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the store holds of one view."""

    versions: list[int] | None = None  # of the sources, all of whose rows are there; None: not yet whole
    floor: int = 0  # entries of an order below it are no more
    time: str = ""  # when that was reached, RFC 3339 in UTC
    entities: int = 0  # with rows
    kinds: list[str] = field(default_factory=list)  # int or str, of each column that names the entity
    datasets: list[str] = field(default_factory=list)  # the sources
    writer: str | None = None  # who writes, since it has not ended, or was killed
    toward: list[int] | None = None  # the versions that it writes

    def to_text(self) -> str:
        """Spell it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str | bytes | None) -> State:
        """Read what `to_text` gave; None: there is nothing yet."""
        known: dict[str, Any] = {} if text is None else json.loads(text)
        return cls(**known)

    @property
    def order(self) -> int:
        """Where its versions are in time; 0 before the first."""
        return order_of(self.versions or ())


def order_of(versions: Sequence[int]) -> int:
    """Order states in time: versions only ever grow, so that the later one has the greater sum."""
    return sum(versions)


def begin(state: State, *, writer: str, versions: Sequence[int]) -> State | None:
    """Say that somebody writes from now on; None when these versions, or later ones, are there already.

    Of entries of an unfinished writer nobody knows which are there: `state.writer` says that all must be written.
    """
    wanted = order_of(versions)
    if state.writer is None and state.versions is not None and state.order >= wanted:
        return None
    return replace(state, writer=writer, toward=list(versions))


def finish(state: State, *, time: str, entities: int, is_full: bool) -> State:
    """Say that all that was begun is there.

    Args:
        state: As `begin` gave it.
        time: Now, RFC 3339.
        entities: With rows.
        is_full: Every entry was written anew: what was not is no more.
    """
    toward = state.toward or []
    floor = order_of(toward) if is_full else state.floor
    return replace(state, versions=toward, floor=floor, time=time, entities=entities, writer=None, toward=None)
