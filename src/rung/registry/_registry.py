"""The registry's operations. Each is one short transaction; a change of state and its event are written together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.exc import DatabaseError

from rung import errors
from rung.errors import ConflictError, NotFoundError, RungError, UnavailableError, WorkspaceError
from rung.lifecycle import SERVED, State
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry._access import Access
from rung.registry._alerts import Alerts
from rung.registry._attempts import Attempts
from rung.registry._backends import Postgresql, Sqlite
from rung.registry._consumers import Consumers
from rung.registry._contracts import Contracts
from rung.registry._leading import Leading
from rung.registry._reads import Reads
from rung.registry._runs import HEAD
from rung.registry._schema import Schema
from rung.registry._store import reason
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from rung.lifecycle import Origin
    from rung.registry._backends import Backend
    from rung.registry._rows import Event, Revision


def open_registry(state: Path, url: str | None = None, *, upgrades: bool = True) -> Registry:
    """Open the registry of a workspace; make it, or bring it to the newest schema, when needed.

    Args:
        state: The workspace's state folder; without a URL the registry is the file `registry.db` in it.
        url: Of a PostgreSQL database (`Settings.registry`).
        upgrades: Whether the schema is brought to the newest one; an earlier one is kept in `backups/` first.

    Raises:
        WorkspaceError: A newer Rung wrote it, or the URL is wrong.
        ConflictError: It is on PostgreSQL, has another schema, and a control plane leads.
        UnavailableError: The database cannot be opened.
        IntegrityError: The file is not a database.
    """
    state.mkdir(parents=True, exist_ok=True)
    backend = Sqlite(state) if url is None else Postgresql(url)
    registry = Registry(backend, backups=state / "backups")
    try:
        if upgrades:
            _check_unled(registry)
            registry.migrate()
    except UnavailableError as error:
        registry.close()
        raise _unopened(backend, error) from error
    except DatabaseError as error:
        registry.close()
        raise _unreadable(backend, error) from error
    except BaseException:
        registry.close()
        raise
    return registry


def _check_unled(registry: Registry) -> None:
    """Let nobody change the schema under a control plane that leads elsewhere, with another Rung."""
    if not registry.is_shared or (version := registry.version()) in {None, HEAD} or not registry.is_led():
        return
    raise ConflictError(
        f"the registry {registry.backend.where} has the schema {version}, this Rung works with {HEAD}, and a control "
        "plane leads",
        hint="stop that first with its own `rung down`, or use its version of Rung here",
    )


def _unopened(backend: Backend, error: UnavailableError) -> UnavailableError:
    hint = "is the disk full or read-only?" if backend.name == "sqlite" else "is the server up, and may you connect?"
    said = error.message if error.__cause__ is None else reason(error.__cause__)
    return UnavailableError(f"the registry {backend.where} cannot be opened ({said})", hint=hint)


def _unreadable(backend: Backend, error: DatabaseError) -> RungError:
    told = f"the registry {backend.where} cannot be read ({reason(error)})"
    if backend.name == "sqlite":
        return errors.IntegrityError(told, hint="bring registry.db back from a backup")
    return WorkspaceError(told, hint="may its user make and change tables there?")


class Registry(Attempts, Access, Alerts, Consumers, Contracts, Leading, Reads, Schema):
    """Reads and writes of the control plane, the CLI and trainings; safe from several processes and threads."""

    # --- runs ---

    def record_run(self, record: Mapping[str, Any]) -> None:
        """Keep the record of a run; of an id that is known, the newer record."""
        row = {name: record[name] for name in ("id", "service", "started", "status")}
        row |= {"kind": record.get("kind", "training"), "record": dict(record)}
        with self._write() as connection:
            known = connection.execute(update(tables.runs).where(tables.runs.c.id == row["id"]).values(**row)).rowcount
            if not known:
                connection.execute(insert(tables.runs).values(**row))

    def runs(self, service: str | None = None, *, kind: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Give the records of runs, the newest first; of a kind (`training`, `notebook`, `imported`), or of all."""
        query = select(tables.runs.c.record).order_by(tables.runs.c.started.desc()).limit(limit)
        if service is not None:
            query = query.where(tables.runs.c.service == service)
        if kind is not None:
            query = query.where(tables.runs.c.kind == kind)
        with self._read() as connection:
            return [row.record for row in connection.execute(query)]

    def ended_runs(self) -> list[str]:
        """Name the runs of Rung's own that have ended, the oldest first."""
        table = tables.runs
        query = (
            select(table.c.id).where(table.c.status != "running", table.c.kind != "imported").order_by(table.c.started)
        )
        with self._read() as connection:
            return list(connection.execute(query).scalars())

    def run(self, identity: str) -> dict[str, Any]:
        """Give the record of one run.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._read() as connection:
            record = connection.execute(select(tables.runs.c.record).where(tables.runs.c.id == identity)).scalar()
        if record is None:
            raise NotFoundError(f"there is no run {identity!r}", hint="`rung runs list` names them")
        found: dict[str, Any] = record
        return found

    # --- events ---

    def events(self, *, after: int = 0, service: str | None = None, limit: int = 1_000) -> list[Event]:
        """Give what happened after an event, in order."""
        query = select(tables.events).where(tables.events.c.id > after).order_by(tables.events.c.id).limit(limit)
        if service is not None:
            query = query.where(tables.events.c.service == service)
        with self._read() as connection:
            return [rows.event_of(row) for row in connection.execute(query)]

    def newest_event(self) -> Event | None:
        """Give what happened last."""
        query = select(tables.events).order_by(tables.events.c.id.desc()).limit(1)
        with self._read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else rows.event_of(row)

    def latest(self, kind: str, service: str | None = None) -> dict[str, Event]:
        """Give the last event of a kind, by subject."""
        table = tables.events
        last = select(func.max(table.c.id)).where(table.c.kind == kind)
        if service is not None:
            last = last.where(table.c.service == service)
        query = select(table).where(table.c.id.in_(last.group_by(table.c.service, table.c.major, table.c.minor)))
        with self._read() as connection:
            found = [rows.event_of(row) for row in connection.execute(query)]
        return {event.subject: event for event in found}

    def record_event(self, kind: str, subject: str, *, because: str, actor: str, **data: Any) -> None:
        """Append to the log something that moves no revision."""
        with self._write() as connection:
            steps.append(connection, kind, subject, because=because, actor=actor, data=data)

    # --- revisions ---

    def revisions(self, service: str | None = None, major: int | None = None) -> list[Revision]:
        """Give all revisions, sorted by name."""
        table = tables.revisions
        query = select(table).order_by(table.c.service, table.c.major, table.c.minor)
        if service is not None:
            query = query.where(table.c.service == service)
        if major is not None:
            query = query.where(table.c.major == major)
        with self._read() as connection:
            return [rows.revision_of(row) for row in connection.execute(query)]

    def watched(self, now: datetime) -> list[Revision]:
        """Give the revisions that train, have a server or are kept warm at that time, sorted by name: few of many.

        Those that were retrained are served by themselves, so that one that is trained is among them, too.
        """
        table = tables.revisions
        is_warm = and_(table.c.state == State.RETIRED, table.c.warm_until > rows.spell(now))
        goes_on = and_(table.c.state == State.TRAINED, table.c.origin.is_not(None))
        query = select(table).where(or_(table.c.state.in_([State.TRAINING, *SERVED]), is_warm, goes_on))
        with self._read() as connection:
            found = connection.execute(query.order_by(table.c.service, table.c.major, table.c.minor))
            return [rows.revision_of(row) for row in found]

    def revision(self, name: RevisionName) -> Revision:
        """Give one revision.

        Raises:
            NotFoundError: There is no such revision.
        """
        with self._read() as connection:
            return steps.get(connection, name)

    def incumbent(self, service: str, major: int) -> RevisionName | None:
        """Name the revision of a major that answers production; None as long as there is none."""
        with self._read() as connection:
            return steps.incumbent(connection, service, major)

    def create_revision(
        self, service: str, major: int, *, actor: str, commit: str | None, dirty: bool, origin: Origin | None = None
    ) -> RevisionName:
        """Make the next minor of a major, in training; the first one is the benchmark, m0.

        Args:
            service: Its service.
            major: Its major.
            actor: Who or what does it.
            commit: Of its source.
            dirty: Whether its source differs from that.
            origin: What it is retrained from, and why.
        """
        table = tables.revisions
        with self._write() as connection:
            last = connection.execute(
                select(func.max(table.c.minor)).where(table.c.service == service, table.c.major == major)
            ).scalar()
            name = RevisionName(service=service, major=major, minor=0 if last is None else last + 1)
            because = "training was deployed" if origin is None else f"retrained from {origin.of}: {origin.because}"
            if dirty and origin is None:
                because += " from a tree that differs from its commit"
            connection.execute(
                insert(table).values(
                    **steps.key(name),
                    state=State.TRAINING,
                    reason=because,
                    since=rows.now(),
                    created=rows.now(),
                    actor=actor,
                    run=str(name),
                    commit=commit,
                    dirty=dirty,
                    origin=None if origin is None else origin.to_json(),
                )
            )
            steps.append(
                connection,
                "training",
                str(name),
                because=because,
                actor=actor,
                data={"commit": commit, "dirty": dirty} | ({} if origin is None else {"origin": origin.to_json()}),
            )
        return name

    def move(self, name: RevisionName, to: State, *, because: str, actor: str, **fields: Any) -> None:
        """Move a revision to a state, with the event, when the table of moves allows it.

        Args:
            name: The revision.
            to: The state.
            because: One sentence.
            actor: Who or what did it.
            fields: Further columns, and `data` for the event.

        Raises:
            ConflictError: The table has no such move from the state that it is in, or a promotion of it has begun
                meanwhile, which `reject` ends.
        """
        data = fields.pop("data", {})
        with self._write() as connection:
            if to is State.TORN_DOWN:
                steps.check_unpromoted(connection, name)
            steps.move(connection, name, to, because=because, actor=actor, data=data, fields=fields)

    def set_environment(self, name: RevisionName, key: str) -> None:
        """Keep the key of a revision's locked environment."""
        with self._write() as connection:
            steps.get(connection, name)
            connection.execute(update(tables.revisions).where(*steps.is_named(name)).values(environment=key))

    def rollback_target(self, service: str, major: int) -> RevisionName:
        """Name the revision that a rollback would bring back: the last incumbent that is still kept warm.

        Raises:
            ConflictError: There is no incumbent, none before it that is warm, or a promotion is under way.
        """
        with self._read() as connection:
            return steps.rollback_pair(connection, service, major)[1]

    def rollback(self, service: str, major: int, *, because: str, actor: str, warm_until: datetime) -> RevisionName:
        """Make the last incumbent the incumbent again, and retire the present one: all or nothing.

        Raises:
            ConflictError: As `rollback_target`.
        """
        with self._write() as connection:
            now, last = steps.rollback_pair(connection, service, major)
            steps.move(
                connection,
                now,
                State.RETIRED,
                because=f"rolled back to {last}: {because}",
                actor=actor,
                data={},
                fields={"warm_until": rows.spell(warm_until)},
            )
            steps.move(
                connection,
                last,
                State.INCUMBENT,
                because=f"rolled back from {now}: {because}",
                actor=actor,
                data={"from": str(now)},
                fields={"warm_until": None, "promoted": rows.now()},
            )
        return last

    # --- processes ---

    def processes(self) -> dict[str, dict[str, Any]]:
        """Give the processes that were started and not stopped, by name."""
        with self._read() as connection:
            return {row.name: row.process for row in connection.execute(select(tables.processes))}

    def keep_process(self, name: str, process: Mapping[str, Any]) -> None:
        """Keep a process, before its command begins."""
        with self._write() as connection:
            connection.execute(tables.processes.delete().where(tables.processes.c.name == name))
            connection.execute(insert(tables.processes).values(name=name, process=dict(process), started=rows.now()))

    def forget_process(self, name: str) -> None:
        """Forget a process that was stopped."""
        with self._write() as connection:
            connection.execute(tables.processes.delete().where(tables.processes.c.name == name))
