"""Where the entries of a view come from while a handler runs: an online store, or a test's fakes.

In an evaluation they come from the datasets themselves, see `rung.features.historical`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol

from rung.errors import CallError, UnavailableError
from rung.features._entry import Entry, instant, key_of
from rung.features._state import State, order_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.features._store import OnlineStore
    from rung.features._view import FeatureView

__all__ = ["FakeSource", "OnlineSource", "Snapshot", "Source", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a source has of some entities, all of one moment."""

    entries: list[Entry | None]  # in the order of the keys
    versions: dict[str, int] = field(default_factory=dict)  # of the view's datasets; empty: it has none, as fakes
    kinds: list[str] = field(default_factory=list)  # int or str, of the columns that name the entity; empty: not known


class Source(Protocol):
    """Where a view's entries come from."""

    def read(self, keys: Sequence[str]) -> Snapshot:
        """Give entries by their keys, in one round trip.

        Raises:
            UnavailableError: They cannot be read now.
        """
        ...


class OnlineSource:
    """The entries of a view in an online store."""

    def __init__(self, store: OnlineStore, view: FeatureView) -> None:
        self._store = store
        self._view = view
        self._key = view.key

    def read(self, keys: Sequence[str]) -> Snapshot:
        """Give entries by their keys.

        Raises:
            UnavailableError: The store does not answer, or the view has not been materialised.
        """
        found = self._store.read(self._key, keys)
        state = State.from_text(found.state)
        if state.versions is None:
            raise UnavailableError(
                f"the features {self._key} are not materialised", hint=f"`rung features materialize {self._view.name}`"
            )
        return Snapshot(
            entries=[
                None if text is None else _not_below(state.floor, Entry.from_text(text)) for text in found.entries
            ],
            versions=dict(zip(state.datasets, state.versions, strict=True)),
            kinds=state.kinds,
        )


def _not_below(floor: int, entry: Entry) -> Entry | None:
    """Leave out what remained when all was written anew."""
    return entry if order_of(entry.versions) >= floor else None


class FakeSource:
    """Features from a mapping, for tests: they are known at every instant.

    Args:
        view: Whose features.
        values: From an entity to its features by name; what is left out is missing.

    Raises:
        CallError: The view has no such feature, or one of another type.
    """

    def __init__(self, view: FeatureView, values: Mapping[Any, Mapping[str, Any]]) -> None:
        self._entries = {key_of(view, entity): _fake(view, given) for entity, given in values.items()}

    def read(self, keys: Sequence[str]) -> Snapshot:
        """Give entries by their keys."""
        return Snapshot(entries=[self._entries.get(key) for key in keys])


def _fake(view: FeatureView, given: Mapping[str, Any]) -> Entry:
    for name, value in given.items():
        feature = view.features.get(name)
        if feature is None:
            raise CallError(f"{view.name} has no feature {name!r}", hint=f"it has {', '.join(view.features)}")
        numbers = feature.kind is float and type(value) is int
        if value is not None and type(value) is not feature.kind and not numbers:
            raise CallError(f"{view.name}.{name} is faked as {value!r}", hint=f"give a {feature.kind.__name__}")
    return Entry(versions=[], is_whole=True, rows=[[None, *(plain(given.get(name)) for name in view.features)]])


def plain(value: Any) -> Any:
    """Give a feature's value as JSON has it: dates as text, instants as microseconds since 1970.

    >>> plain(date(2026, 11, 21))
    '2026-11-21'
    """
    if isinstance(value, datetime):
        return instant(value, where="a feature")
    return value.isoformat() if isinstance(value, date) else value
