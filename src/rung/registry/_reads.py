"""Reads of the dashboard: each one statement or two, bounded, however many services, revisions and runs there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, or_, select

from rung.lifecycle import SERVED
from rung.registry import _rows as rows
from rung.registry import _tables as tables
from rung.registry import _trials as trials
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from rung.lifecycle import State
    from rung.registry._rows import Event, Experiment, Promotion, Revision
    from rung.schema import RevisionName

_AT_ONCE = 200  # names in one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many revisions of a service are in a state."""

    service: str
    state: str
    number: int
    since: datetime
    """When the newest of them came to be in it."""


class Reads(Store):
    """What pages show of many services at once."""

    def counts(self) -> list[Count]:
        """Count the revisions of each service by their states."""
        table = tables.revisions
        query = (
            select(table.c.service, table.c.state, func.count().label("number"), func.max(table.c.since).label("since"))
            .group_by(table.c.service, table.c.state)
            .order_by(table.c.service, table.c.state)
        )
        with self._read() as connection:
            return [
                Count(service=row.service, state=row.state, number=row.number, since=rows.read(row.since))
                for row in connection.execute(query)
            ]

    def newest_revisions(self) -> list[Revision]:
        """Give the newest revision of each major, sorted by name."""
        table = tables.revisions
        last = (
            select(table.c.service, table.c.major, func.max(table.c.minor).label("minor"))
            .group_by(table.c.service, table.c.major)
            .subquery()
        )
        query = select(table).join(
            last,
            and_(table.c.service == last.c.service, table.c.major == last.c.major, table.c.minor == last.c.minor),
        )
        with self._read() as connection:
            found = connection.execute(query.order_by(table.c.service, table.c.major))
            return [rows.revision_of(row) for row in found]

    def promotions_of(self, name: RevisionName) -> list[Promotion]:
        """Give the attempts of one revision with their verdicts, in order."""
        table = tables.promotions
        named = (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)
        with self._read() as connection:
            found = connection.execute(select(table).where(*named).order_by(table.c.id)).all()
            wanted = select(tables.verdicts).where(tables.verdicts.c.promotion.in_([row.id for row in found]))
            given = connection.execute(wanted.order_by(tables.verdicts.c.id)).all()
        return [
            rows.promotion_of(row, [rows.verdict_of(one) for one in given if one.promotion == row.id]) for row in found
        ]

    def experiments_of(self, challengers: Iterable[RevisionName], *, ended_only: bool = False) -> list[Experiment]:
        """Give the A/B tests and bandits that the attempts of some revisions began, in order."""
        table = tables.experiments
        names = [str(name) for name in challengers]
        found: list[Experiment] = []
        with self._read() as connection:
            for start in range(0, len(names), _AT_ONCE):
                query = select(table).where(table.c.challenger.in_(names[start : start + _AT_ONCE]))
                if ended_only:
                    query = query.where(table.c.ended.is_not(None))
                found += trials.read(connection, query.order_by(table.c.promotion))
        return found

    def experiments_with(self, attempts: Iterable[int]) -> list[Experiment]:
        """Give the A/B tests and bandits that some attempts take part in or took, in order."""
        table = tables.experiments
        joined = select(tables.arms.c.experiment).where(tables.arms.c.promotion.in_(list(attempts)))
        with self._read() as connection:
            return trials.read(connection, select(table).where(table.c.id.in_(joined)).order_by(table.c.promotion))

    def latest_served(self, kind: str) -> dict[str, Event]:
        """Give the last event of a kind of each revision that is served, by its name: few of many."""
        table, of = tables.events, tables.revisions
        last = (
            select(func.max(table.c.id))
            .join(
                of,
                and_(table.c.service == of.c.service, table.c.major == of.c.major, table.c.minor == of.c.minor),
            )
            .where(table.c.kind == kind, of.c.state.in_(sorted(SERVED)))
            .group_by(of.c.service, of.c.major, of.c.minor)
        )
        with self._read() as connection:
            found = [rows.event_of(row) for row in connection.execute(select(table).where(table.c.id.in_(last)))]
        return {event.subject: event for event in found}

    def newest_events(self, name: RevisionName, *, limit: int) -> list[Event]:
        """Give the newest events of one revision, in order."""
        table = tables.events
        named = (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)
        query = select(table).where(*named).order_by(table.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [rows.event_of(row) for row in reversed(connection.execute(query).all())]

    def reigns(self, service: str, states: Collection[State], *, limit: int) -> list[Event]:
        """Give the newest events by which revisions of a service came into one of these states, in order."""
        table = tables.events
        query = select(table).where(table.c.service == service, table.c.kind.in_([str(state) for state in states]))
        with self._read() as connection:
            found = connection.execute(query.order_by(table.c.id.desc()).limit(limit)).all()
        return [rows.event_of(row) for row in reversed(found)]

    def events_before(
        self, *, before: int | None, services: Collection[str] | None, limit: int, **wanted: str | None
    ) -> list[Event]:
        """Give a page of the log of everything, the newest first.

        Args:
            before: Id of the event that the page ends before; None: of the newest.
            services: Of which alone is told; None: of all.
            limit: Of events.
            wanted: `kind` and `actor` that alone are wanted.
        """
        table = tables.events
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.id < before)
        if services is not None:
            query = query.where(table.c.service.in_(sorted(services)))
        for column, value in wanted.items():
            if value:
                query = query.where(table.c[column] == value)
        with self._read() as connection:
            return [rows.event_of(row) for row in connection.execute(query)]

    def runs_before(
        self, service: str | None, *, before: tuple[str, str] | None, limit: int
    ) -> list[Mapping[str, Any]]:
        """Give a page of the runs of a service, or of all, the newest first.

        Args:
            service: Whose; None: of all.
            before: `started` and id of the run that the page ends before; None: of the newest.
            limit: Of runs.
        """
        table = tables.runs
        query = select(table.c.record)
        if service is not None:
            query = query.where(table.c.service == service)
        if before is not None:
            query = query.where(_is_before(before))
        query = query.order_by(table.c.started.desc(), table.c.id.desc()).limit(limit)
        with self._read() as connection:
            return [row.record for row in connection.execute(query)]

    def run_services(self) -> list[str]:
        """Name the services that have runs, sorted: one look into the index for each."""
        table, found, last = tables.runs, [], ""
        with self._read() as connection:
            while name := connection.execute(select(func.min(table.c.service)).where(table.c.service > last)).scalar():
                found.append(name)
                last = name
        return found


def _is_before(run: tuple[str, str]) -> ColumnElement[bool]:
    started, identity = run
    table = tables.runs
    later = or_(table.c.started < started, table.c.id < identity)
    return and_(table.c.started <= started, later)  # a range that an index begins with
