"""What a handler gets for `Depends(Features("house_stats"))`, and the note of what it was given.

All instances of a call are fetched in one round trip. Training gets the same values from `rung.features.join`; notes of
it lie in the prediction log, so that `rung features verify` can hold both against each other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rung.data import check_rows
from rung.errors import CallError, FeaturesBrokenError, FeaturesMissingError
from rung.features._entry import instant, key_of, pick, readers
from rung.features._sources import plain
from rung.features._state import order_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    import polars as pl

    from rung.features._entry import Entry, Found
    from rung.features._sources import Snapshot, Source
    from rung.features._view import FeatureView

__all__ = ["Fetch", "Fetched", "Reader", "Served", "ViewOf"]


class ViewOf:
    """A view as an application serves it: all that can be found out before the first request."""

    __slots__ = ("converts", "defaults", "definition", "required", "source", "view")

    def __init__(self, view: FeatureView, source: Source) -> None:
        self.view = view
        self.source = source
        self.definition = view.definition
        self.converts: list[Callable[[Any], Any] | None] = readers(view.features)
        self.required = [feature.is_required for feature in view.features.values()]
        self.defaults = list(view.defaults.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What one call of `of` gave."""

    of: ViewOf
    versions: dict[str, int]  # of the datasets whose rows the source had
    rows: list[tuple[str | None, int, Entry | None, Found, list[Any]]]
    """Key, instant in microseconds, entry, the row that counted, and the values that the handler got."""


class Fetched(Mapping[str, list[Any]]):
    """Features by name, each a list in the order in which entities were asked for."""

    __slots__ = ("_rows", "_view")

    def __init__(self, view: FeatureView, rows: list[list[Any]]) -> None:
        self._view = view
        self._rows = rows

    def __getitem__(self, name: str) -> list[Any]:
        at = list(self._view.features).index(name) if name in self._view.features else -1
        if at < 0:
            raise KeyError(name)
        return [row[at] for row in self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.features)

    def __len__(self) -> int:
        return len(self._view.features)

    def rows(self) -> list[dict[str, Any]]:
        """Give the features of each entity as a dictionary."""
        return [dict(zip(self._view.features, row, strict=True)) for row in self._rows]

    def frame(self) -> pl.DataFrame:
        """Give a polars frame: one row for each entity, one column for each feature, in the types of the view."""
        import polars as pl  # noqa: PLC0415  a service that takes no frame may do without it

        from rung.features._rows import TYPES  # noqa: PLC0415  as above

        schema = {name: TYPES[feature.kind] for name, feature in self._view.features.items()}
        return pl.DataFrame(self._rows, schema=schema, orient="row")


class Reader:
    """Fetches the features of one view, for one call of a handler."""

    __slots__ = ("_notes", "_of")

    def __init__(self, of: ViewOf, notes: list[Fetch]) -> None:
        self._of = of
        self._notes = notes

    def of(self, entities: Iterable[Any], *, at: Iterable[date | None] | None = None) -> Fetched:
        """Fetch the features of entities as they are now, or as they were, in one round trip.

        An asynchronous handler calls it in a thread: `await asyncio.to_thread(stats.of, ids)`.

        Args:
            entities: Of each instance, in order: a whole number or a text; where several columns name an entity, a
                sequence of these.
            at: An instant for each: a datetime with a time zone, or a date, which is its midnight in UTC. None: now.

        Raises:
            FeaturesMissingError: A feature without a default is missing; a consumer is told which instances those are.
            FeaturesBrokenError: Features break the view's contract.
            UnavailableError: The store does not answer, or the view is not materialised; a consumer gets a 503.
            CallError: An entity or an instant is not what it must be.
        """
        view = self._of.view
        keys = [key_of(view, entity) for entity in entities]
        moments = self._moments(at, len(keys))
        unique = [key for key in dict.fromkeys(keys) if key is not None]
        snapshot = self._of.source.read(unique)
        entries = dict(zip(unique, snapshot.entries, strict=True))
        rows, missing = [], []
        for index, (key, moment) in enumerate(zip(keys, moments, strict=True)):
            entry = entries.get(key) if key is not None else None
            if entry is None and key is not None:
                self._check_kind(key, snapshot)
            found = pick(entry, moment, ttl_us=view.ttl_us)
            values, lacking = self._values(found)
            if lacking:
                missing.append((index, f"{_told(view, key)} {found.because or f'has no {lacking}'}"))
            rows.append((key, moment, entry, found, values))
        if missing:
            raise FeaturesMissingError(
                f"{view.name} is missing for {len(missing)} of {len(keys)}", places=missing, asked=len(keys)
            )
        self._hold([row[4] for row in rows])
        self._notes.append(Fetch(of=self._of, versions=snapshot.versions, rows=rows))
        return Fetched(view, [row[4] for row in rows])

    def _moments(self, at: Iterable[date | None] | None, count: int) -> list[int]:
        now = time.time_ns() // 1_000
        if at is None:
            return [now] * count
        given = [now if one is None else instant(one, where=f"{self._of.view.name}.of(at=)") for one in at]
        if len(given) != count:
            raise CallError(f"{count} entities and {len(given)} instants", hint="give one instant for each, or None")
        return given

    def _values(self, found: Found) -> tuple[list[Any], str]:
        """Give the values of a row with defaults for what is missing, and the names of what nothing stands for."""
        of = self._of
        raw = [None] * len(of.defaults) if found.row is None else found.row[1:]
        values = [
            default if value is None else value if convert is None else convert(value)
            for value, default, convert in zip(raw, of.defaults, of.converts, strict=True)
        ]
        if None not in raw:
            return values, ""
        lacking = [
            name
            for name, value, required in zip(of.view.features, raw, of.required, strict=True)
            if required and value is None
        ]
        return values, ", ".join(lacking)

    def _hold(self, rows: list[list[Any]]) -> None:
        """Hold what a handler is to get against the view's contract."""
        view = self._of.view
        if view.contract is None:
            return
        refused = check_rows([dict(zip(view.features, row, strict=True)) for row in rows], view.contract)
        if refused:
            # Without the values: a consumer is told of it.
            places = [(one.row, f"{view.name}: {one.column or 'the row'} {one.reason}") for one in refused]
            raise FeaturesBrokenError(
                f"{view.name} breaks its contract {view.contract.__name__} for {len({one.row for one in refused})} of "
                f"{len(rows)}",
                hint="`rung features get` shows the values",
                places=places,
                asked=len(rows),
            )

    def _check_kind(self, key: str, snapshot: Snapshot) -> None:
        """Refuse entities of another type than those of the datasets: none of them would ever be found."""
        if snapshot.kinds and [type(value).__name__ for value in json.loads(key)] != snapshot.kinds:
            view = self._of.view
            raise CallError(
                f"{view.name} is asked for {key}, and its {', '.join(view.entities)} is {', '.join(snapshot.kinds)}",
                hint="convert it in the handler",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What of a call's fetches belongs to one request of it."""

    notes: list[Fetch]
    start: int = field(default=0)  # of its instances among those of the call
    count: int = field(default=0)
    together: int = field(default=0)  # instances of the call

    def to_json(self) -> bytes | None:
        """Spell it for the prediction log; None when nothing was fetched.

        A list with an object for each fetch: `view`, `definition`, `versions` of the datasets, and `rows`. A row is the
        entity, the instant for which it was asked, that of the row that counted (null: none did), the versions that the
        row was written with where they are later than those of the whole, and the values that the handler got. Instants
        are microseconds since 1970. Where the handler asked for one entity for each instance, so does this; else all
        that was fetched for the call is here.
        """
        return f"[{','.join(map(self._spelled, self.notes))}]".encode() if self.notes else None

    def _spelled(self, fetch: Fetch) -> str:
        is_aligned = len(fetch.rows) == self.together
        rows = fetch.rows[self.start : self.start + self.count] if is_aligned else fetch.rows
        order = order_of(list(fetch.versions.values()))
        lines = []
        for key, at, entry, found, values in rows:
            ahead = entry.versions if entry is not None and order_of(entry.versions) > order else None
            spelled = _dump([at, found.row and found.row[0], ahead, [plain(value) for value in values]])
            lines.append(f"[{key or 'null'},{spelled[1:]}")
        head = _dump({"view": fetch.of.view.name, "definition": fetch.of.definition, "versions": fetch.versions})
        return f'{head[:-1]},"rows":[{",".join(lines)}]}}'


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _told(view: FeatureView, key: str | None) -> str:
    """Name an entity for people."""
    values: Sequence[Any] = [None] * len(view.entities) if key is None else json.loads(key)
    named = ", ".join(f"{name} {value!r}" for name, value in zip(view.entities, values, strict=True))
    return f"{view.name}: {named}"
