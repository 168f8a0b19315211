"""Bring a view's online store up to the newest versions of its datasets. What is killed is made up by the next call.

Called by `rung features materialize`, and by `rung.features.materialize` in the environment of a revision.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from rung.data import Dataset
from rung.errors import ConflictError, RungError, UnavailableError
from rung.features import _entries
from rung.features._rows import TIME, rows
from rung.features._state import State, begin, finish, order_of
from rung.features._store import Put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.data import Version
    from rung.features._store import OnlineStore
    from rung.features._view import FeatureView

__all__ = ["Materialized", "materialize_view"]

_CHUNK: Final = 2_000
"""Entries that are written in one step."""
_LOOKS: Final = 5
"""How often the newest versions are looked up until two looks agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """What one materialisation did."""

    view: str
    definition: str
    datasets: dict[str, int]  # the version of each source
    outcome: Literal["written", "unchanged", "superseded"] = "unchanged"
    """Superseded: another one began meanwhile, and does the same or more."""
    entities: int = 0  # that have rows
    written: int = 0  # entries: those of entities that differ from what was there
    skipped: int = 0  # rows without an entity or a time, which nothing can find
    is_full: bool = False  # all were written: what was there was not known


def materialize_view(
    view: FeatureView,
    store: OnlineStore,
    *,
    now: datetime | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Materialized:
    """Write what differs between the versions that the store has and the newest ones; nothing when it has those.

    Two at once do no harm: the one that began last goes on, the other one ends. What is written of an entity is
    written in one step.

    Args:
        view: Whose rows.
        store: That serves them.
        now: Of rows after it all are kept, beside those that count now; None: the time of this call.
        report: Is told how many entries are written, and of how many.

    Raises:
        NotFoundError: A source is not there.
        SchemaError: The sources do not hold what the view declares.
        ConflictError: The store has versions that are later than those that the view reads.
        UnavailableError: The store or the data cannot be reached; the next call goes on.
    """
    versions, text = _look(view, store)
    before = State.from_text(text)
    numbers = [version.number for version in versions]
    told = Materialized(
        view=view.name,
        definition=view.definition,
        datasets={version.dataset: version.number for version in versions},
    )
    begun = begin(before, writer=secrets.token_hex(8), versions=numbers)
    if begun is None:
        return replace(told, entities=before.entities)
    if not store.put(view.key, Put(expected=text, state=begun.to_text())):
        return replace(told, outcome="superseded")
    return _Writer(view=view, store=store, begun=begun, report=report).write(_change(view, before, begun, now), told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What is to be written."""

    entries: Iterator[tuple[str, str]]
    count: int
    is_full: bool
    entities: int  # that have rows afterwards
    kinds: list[str]  # of the columns that name the entity
    skipped: int


@dataclass(slots=True, kw_only=True)
class _Writer:
    """One that has begun to write, and stops as soon as another one has."""

    view: FeatureView
    store: OnlineStore
    begun: State
    report: Callable[[int, int], None] | None
    written: int = field(default=0)

    def write(self, change: _Change, told: Materialized) -> Materialized:
        """Write all entries, then say in the state that they are there."""
        while chunk := dict(islice(change.entries, _CHUNK)):
            if not self._put(self.begun, chunk):
                return replace(told, outcome="superseded", written=self.written)
            self.written += len(chunk)
            if self.report is not None:
                self.report(self.written, change.count)
        state = replace(self.begun, kinds=change.kinds, datasets=list(told.datasets))
        time = datetime.now(UTC).isoformat(timespec="seconds")
        done = finish(state, time=time, entities=change.entities, is_full=change.is_full)
        if not self._put(done, {}):
            return replace(told, outcome="superseded", written=self.written)
        if change.is_full:
            self.store.remove(self.view.key, below=done.floor)
        return replace(
            told,
            outcome="written",
            written=self.written,
            entities=change.entities,
            skipped=change.skipped,
            is_full=change.is_full,
        )

    def _put(self, state: State, entries: dict[str, str]) -> bool:
        order = order_of(self.begun.toward or ())
        put = Put(expected=self.begun.to_text(), state=state.to_text(), order=order, entries=entries)
        return self.store.put(self.view.key, put)


def _look(view: FeatureView, store: OnlineStore) -> tuple[list[Version], str | None]:
    """Give the newest versions, and the state that the store has: of these or earlier ones."""
    for _ in range(2):  # there may be a newer version by now, which somebody else has begun to write
        versions = _newest(view)
        text = store.read(view.key, []).state
        state = State.from_text(text)
        if order_of([one.number for one in versions]) >= max(state.order, order_of(state.toward or ())):
            return versions, text
    raise ConflictError(
        f"the online store has later versions of {view.name} than {', '.join(one.ref for one in versions)}",
        hint="`rung features materialize --again` drops what it has and begins anew",
    )


def _newest(view: FeatureView) -> list[Version]:
    """Find the versions of all sources as they are at one moment."""
    found: list[Version] = []
    for _ in range(_LOOKS):
        now = [Dataset(one.name, version=one.asked_version, as_of=one.asked_as_of).version for one in view.sources]
        if len(now) == 1 or [version.ref for version in now] == [version.ref for version in found]:
            return now
        found = now
    raise UnavailableError(f"the datasets of {view.name} change faster than they can be read", hint="try again")


def _change(view: FeatureView, before: State, begun: State, moment: datetime | None) -> _Change:
    toward = list(begun.toward or ())
    now = moment or datetime.now(UTC)
    found = rows(view, toward)
    new = _entries.kept(view, found, now=now)
    old = _before(view, before, now)
    if old is None or old.schema != new.schema:
        entries, count = _entries.entries(view, new, toward), _entries.count(view, new)
    else:
        differing, gone = _entries.changed(view, new, old)
        entries = chain(_entries.entries(view, differing, toward), _entries.removed(gone, toward))
        count = _entries.count(view, differing) + gone.height
    return _Change(
        entries=iter(entries),
        count=count,
        is_full=old is None or old.schema != new.schema,
        entities=_entries.count(view, new),
        kinds=_entries.kinds(view, new),
        skipped=_skipped(view, found),
    )


def _before(view: FeatureView, before: State, now: datetime) -> pl.DataFrame | None:
    """Give the rows that the store has; None when that is not known, and all have to be written."""
    if before.versions is None or before.writer is not None:
        return None
    try:
        return _entries.kept(view, rows(view, before.versions), now=now)
    except RungError:  # a version that is kept no more
        return None


def _skipped(view: FeatureView, found: pl.LazyFrame) -> int:
    by = [*view.entities, TIME]
    skipped: int = found.select(pl.any_horizontal(pl.col(by).is_null()).sum()).collect().item()
    return skipped
