"""What was fetched for a prediction, given to its handler again: in the server that `rung why --replay` starts.

Neither a store nor the time is asked: the handler gets what it got then, for the entities for which it asked then.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from rung.errors import UnavailableError
from rung.features._entry import key_of, readers
from rung.features._reader import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from rung.features._view import FeatureView

__all__ = ["Recorded", "RecordedReader"]


class Recorded:
    """The fetches of one prediction, in their order; each is given once."""

    def __init__(self, logged: bytes | str) -> None:
        """Read what `Served.to_json` spelled; `null` where nothing was fetched."""
        self._fetches: dict[str, deque[list[Any]]] = {}
        for fetch in json.loads(logged) or ():
            self._fetches.setdefault(fetch["view"], deque()).append(fetch["rows"])

    def reader(self, view: FeatureView) -> RecordedReader:
        """Give a handler what it takes of a view."""
        return RecordedReader(view, self._fetches.setdefault(view.name, deque()))


class RecordedReader:
    """Gives what was fetched of one view, for one call of a handler."""

    __slots__ = ("_converts", "_fetches", "_view")

    def __init__(self, view: FeatureView, fetches: deque[list[Any]]) -> None:
        self._view = view
        self._fetches = fetches
        self._converts: list[Callable[[Any], Any] | None] = readers(view.features)

    def of(self, entities: Iterable[Any], *, at: Iterable[date | None] | None = None) -> Fetched:
        """Give the features that were fetched for these entities.

        Args:
            entities: As `Reader.of` takes them.
            at: As above; what was fetched then is what counts.

        Raises:
            UnavailableError: The handler asks for other entities than it did then.
        """
        del at
        rows = list(self._fetches.popleft()) if self._fetches else []
        found = []
        for entity in entities:
            key = key_of(self._view, entity)
            row = next((row for row in rows if _is_of(row, key)), None)
            if row is None:
                raise UnavailableError(f"{self._view.name} of {entity!r} was not fetched for this prediction then")
            if sum(_is_of(other, key) for other in rows) > 1:
                rows.remove(row)  # asked for several times, perhaps as of other instants: in their order
            found.append([self._read(place, value) for place, value in enumerate(row[-1])])
        return Fetched(self._view, found)

    def _read(self, place: int, value: Any) -> Any:
        convert = self._converts[place]
        return value if convert is None or value is None else convert(value)


def _is_of(row: list[Any], key: str | None) -> bool:
    return (None if row[0] is None else json.dumps(row[0], separators=(",", ":"))) == key
