"""The entries of a view from its datasets themselves, without an online store: as of any instant that the store knows.

An evaluation in training serves the application's handlers with it, so that they answer as they will in production.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rung.features import _entries
from rung.features._entry import Entry
from rung.features._rows import rows
from rung.features._sources import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.features._view import FeatureView

__all__ = ["HistoricalSource"]


class HistoricalSource:
    """What an online store would have of a view, had it been materialised with the versions that are read now.

    Reads the datasets once, when it is made: inside a task of a training they are put on its record.

    Raises:
        NotFoundError: A source is not there.
        SchemaError: The sources do not hold what the view declares.
    """

    def __init__(self, view: FeatureView) -> None:
        self._view = view
        self._rows = _entries.kept(view, rows(view), now=datetime.now(UTC))
        self._numbers = [source.number for source in view.sources]
        self._kinds = _entries.kinds(view, self._rows)
        self._places = _entries.places(view, self._rows)

    def read(self, keys: Sequence[str]) -> Snapshot:
        """Give entries by their keys."""
        return Snapshot(
            entries=[self._entry(key) for key in keys],
            versions={source.name: number for source, number in zip(self._view.sources, self._numbers, strict=True)},
            kinds=self._kinds,
        )

    def _entry(self, key: str) -> Entry | None:
        place = self._places.get(key)
        if place is None:
            return None
        found = list(_entries.entries(self._view, self._rows.slice(*place), self._numbers))
        return Entry.from_text(found[0][1])
