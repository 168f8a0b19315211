"""The registry's operations. Each is one short transaction; a change of state and its event are written together."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import URL, create_engine, event, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from rung import errors
from rung.errors import ConflictError, NotFoundError, UnavailableError
from rung.lifecycle import Gate, SplitKind, State, Verdict
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry import _trials as trials
from rung.registry._runs import BUSY_MS, HEAD
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy.engine import Connection, Engine

    from rung.registry._rows import Event, Experiment, Promotion, Revision, Shadow


def open_registry(state: Path) -> Registry:
    """Open the registry of a workspace; make it, or bring it to the newest schema, when needed.

    Raises:
        WorkspaceError: A newer Rung wrote it.
        UnavailableError: The database cannot be opened.
        IntegrityError: The file is not a database.
    """
    state.mkdir(parents=True, exist_ok=True)
    url = URL.create("sqlite", database=str(state / "registry.db"))
    engine = create_engine(url, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _configure)
    registry = Registry(engine)
    try:
        registry.migrate()
    except OperationalError as error:
        raise UnavailableError(
            f"the registry in {state} cannot be opened ({error.orig})", hint="is the disk full or read-only?"
        ) from error
    except DatabaseError as error:
        raise errors.IntegrityError(
            f"the registry in {state} cannot be read ({error.orig})", hint="bring registry.db back from a backup"
        ) from error
    return registry


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions are begun below, as writers from the first statement on
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Registry:
    """Reads and writes of the control plane, the CLI and trainings; safe from several processes and threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Bring the database to the newest schema."""
        version = self._version()
        if version == HEAD:
            return
        # Alembic takes longer to import than a training may take; it is needed once in a registry's life.
        from rung.registry._migrate import upgrade  # noqa: PLC0415

        with self._write() as connection:
            upgrade(connection, known=version)

    def _version(self) -> str | None:
        with self._engine.connect() as connection:
            try:
                return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            except OperationalError as error:
                if "no such table" in str(error):
                    return None
                raise

    # --- runs ---

    def record_run(self, record: Mapping[str, Any]) -> None:
        """Keep the record of a run; of an id that is known, the newer record."""
        row = {name: record[name] for name in ("id", "service", "started", "status")} | {"record": dict(record)}
        with self._write() as connection:
            known = connection.execute(update(tables.runs).where(tables.runs.c.id == row["id"]).values(**row)).rowcount
            if not known:
                connection.execute(insert(tables.runs).values(**row))

    def runs(self, service: str | None = None, *, limit: int = 100) -> list[dict[str, Any]]:
        """Give the records of runs, the newest first."""
        query = select(tables.runs.c.record).order_by(tables.runs.c.started.desc()).limit(limit)
        if service is not None:
            query = query.where(tables.runs.c.service == service)
        with self._engine.connect() as connection:
            return [row.record for row in connection.execute(query)]

    def run(self, identity: str) -> dict[str, Any]:
        """Give the record of one run.

        Raises:
            NotFoundError: There is no such run.
        """
        with self._engine.connect() as connection:
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
        with self._engine.connect() as connection:
            return [rows.event_of(row) for row in connection.execute(query)]

    def latest(self, kind: str, service: str | None = None) -> dict[str, Event]:
        """Give the last event of a kind, by subject."""
        table = tables.events
        last = select(func.max(table.c.id)).where(table.c.kind == kind)
        if service is not None:
            last = last.where(table.c.service == service)
        query = select(table).where(table.c.id.in_(last.group_by(table.c.service, table.c.major, table.c.minor)))
        with self._engine.connect() as connection:
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
        with self._engine.connect() as connection:
            return [rows.revision_of(row) for row in connection.execute(query)]

    def revision(self, name: RevisionName) -> Revision:
        """Give one revision.

        Raises:
            NotFoundError: There is no such revision.
        """
        with self._engine.connect() as connection:
            return steps.get(connection, name)

    def create_revision(self, service: str, major: int, *, actor: str, commit: str | None, dirty: bool) -> RevisionName:
        """Make the next minor of a major, in training; the first one is the benchmark, m0."""
        table = tables.revisions
        with self._write() as connection:
            last = connection.execute(
                select(func.max(table.c.minor)).where(table.c.service == service, table.c.major == major)
            ).scalar()
            name = RevisionName(service=service, major=major, minor=0 if last is None else last + 1)
            because = "training was deployed"
            if dirty:
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
                )
            )
            steps.append(
                connection,
                "training",
                str(name),
                because=because,
                actor=actor,
                data={"commit": commit, "dirty": dirty},
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
            ConflictError: The table has no such move from the state that it is in.
        """
        data = fields.pop("data", {})
        with self._write() as connection:
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
        with self._engine.connect() as connection:
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

    # --- promotions ---

    def begin_promotion(self, name: RevisionName, *, actor: str, joint: bool = False) -> int:
        """Begin an attempt and move the candidate into testing.

        Args:
            name: The candidate.
            actor: Who began it.
            joint: It may run beside other joint attempts of its major, and share a bandit with them.

        Raises:
            ConflictError: Another attempt of this major is under way, or the revision is no candidate.
        """
        busy = ConflictError(
            f"another promotion of {name.major_name} is under way",
            hint=f"`rung status {name.service}` shows it; wait until it ended",
        )
        try:
            with self._write() as connection:
                if steps.open_promotion(connection, name.service, name.major, joint=not joint) is not None:
                    raise busy
                steps.move(
                    connection, name, State.TESTING, because="a promotion began", actor=actor, data={}, fields={}
                )
                row = {**steps.key(name), "actor": actor, "started": rows.now(), "joint": joint}
                return _inserted(connection.execute(insert(tables.promotions).values(**row)).inserted_primary_key)
        except IntegrityError as error:
            raise busy from error

    def promotions(self, service: str | None = None, *, active_only: bool = False) -> list[Promotion]:
        """Give attempts with their verdicts, in order."""
        table = tables.promotions
        query = select(table).order_by(table.c.id)
        if service is not None:
            query = query.where(table.c.service == service)
        if active_only:
            query = query.where(table.c.ended.is_(None))
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
            wanted = select(tables.verdicts).where(tables.verdicts.c.promotion.in_([row.id for row in found]))
            given = connection.execute(wanted.order_by(tables.verdicts.c.id)).all()
        return [
            rows.promotion_of(row, [rows.verdict_of(one) for one in given if one.promotion == row.id]) for row in found
        ]

    def begin_gate(self, promotion: Promotion, gate: Gate, *, because: str) -> None:
        """Keep that a gate's job is about to be started."""
        with self._write() as connection:
            steps.set_gate(connection, promotion, gate, because=because)

    def add_verdict(self, promotion: Promotion, verdict: Verdict) -> None:
        """Keep what a gate found; a second verdict of the same gate changes nothing."""
        self.add_verdicts([(promotion, verdict)])

    def add_verdicts(self, found: Sequence[tuple[Promotion, Verdict]]) -> None:
        """Keep what was found of several attempts that share an experiment: all or nothing."""
        with self._write() as connection:
            for promotion, verdict in found:
                steps.add_verdict(connection, promotion.id, promotion.revision, verdict)

    def begin_shadowing(self, promotion: Promotion, *, share: float, because: str) -> None:
        """Mirror production to the candidate of an attempt, as the gate that is under way now."""
        with self._write() as connection:
            steps.move(
                connection, promotion.revision, State.SHADOWING, because=because, actor="rung", data={}, fields={}
            )
            steps.set_gate(connection, promotion, Gate.SHADOW, because=because)
            trials.begin_shadow(connection, promotion.revision, share, until=None, actor="rung")

    def begin_experiment(
        self,
        promotion: Promotion,
        incumbent: RevisionName,
        *,
        design: Mapping[str, Any],
        shares: Mapping[str, float],
    ) -> str:
        """Begin the experiment of an attempt and move the challenger into it.

        Args:
            promotion: The attempt.
            incumbent: The revision to be better than.
            design: The declared `ABTest`, as JSON data.
            shares: Of the units, by revision.
        """
        identity, share = trials.identity_of(promotion), shares[str(promotion.revision)]
        with self._write() as connection:
            trials.enter(connection, promotion, incumbent, experiment=identity, share=share)
            trials.begin(connection, promotion, incumbent, design=design, shares=shares)
        return identity

    def join_experiment(self, promotion: Promotion, experiment: Experiment, *, shares: Mapping[str, float]) -> None:
        """Make the candidate of an attempt a further arm of a bandit that runs."""
        share = shares[str(promotion.revision)]
        with self._write() as connection:
            trials.enter(connection, promotion, experiment.incumbent, experiment=experiment.id, share=share)
            trials.join(connection, promotion, experiment.id)
            because = f"{promotion.revision} joined"
            trials.split(connection, experiment.id, shares, kind=SplitKind.BANDIT, because=because, actor="rung")

    def split(
        self, experiment: Experiment, shares: Mapping[str, float], *, kind: SplitKind, because: str, actor: str
    ) -> None:
        """Change the traffic split of an experiment that runs.

        Raises:
            ConflictError: It has ended.
        """
        with self._write() as connection:
            trials.split(connection, experiment.id, shares, kind=kind, because=because, actor=actor)
            if kind is not SplitKind.BANDIT:  # its shares change every minute; the table of splits has them
                data = {"experiment": experiment.id, "shares": dict(shares), "kind": kind}
                subject = str(experiment.challenger)
                steps.append(connection, "split", subject, because=because, actor=actor, data=data)

    def experiments(self, *, active_only: bool = False) -> list[Experiment]:
        """Give experiments, in order of their start."""
        query = select(tables.experiments).order_by(tables.experiments.c.started)
        if active_only:
            query = query.where(tables.experiments.c.ended.is_(None))
        with self._engine.connect() as connection:
            return trials.read(connection, query)

    # --- shadows ---

    def begin_shadow(self, name: RevisionName, share: float, *, until: datetime | None, actor: str) -> None:
        """Mirror a share of production to a revision, in place of the share that it had.

        Raises:
            ConflictError: It has no server that answers, or answers production itself.
        """
        with self._write() as connection:
            revision = steps.get(connection, name)
            if revision.state not in steps.SHADOWS:
                raise ConflictError(
                    f"{name} is {revision.state}, and only a candidate can be a shadow",
                    hint="`rung deploy serving` it first, or `rung revive` it",
                )
            trials.begin_shadow(connection, name, share, until=until, actor=actor)
            because = f"{share:.4g} of production is mirrored to it" + (f" until {until:%F %T}" if until else "")
            steps.append(connection, "shadow", str(name), because=because, actor=actor, data={"share": share})

    def end_shadow(self, name: RevisionName, *, because: str, actor: str) -> None:
        """Mirror nothing to a revision any more; when nothing was mirrored, nothing happens."""
        with self._write() as connection:
            if steps.end_shadow(connection, name):
                steps.append(connection, "shadow", str(name), because=because, actor=actor, data={"share": 0})

    def shadows(self, service: str | None = None, *, active_only: bool = False) -> list[Shadow]:
        """Give shadows, in order of their start."""
        query = select(tables.shadows).order_by(tables.shadows.c.id)
        if service is not None:
            query = query.where(tables.shadows.c.service == service)
        if active_only:
            query = query.where(tables.shadows.c.ended.is_(None))
        with self._engine.connect() as connection:
            return [rows.shadow_of(row) for row in connection.execute(query)]

    def keep_look(self, experiment: str, look: Mapping[str, Any], *, for_ever: bool = False) -> None:
        """Keep the figures of the newest look at an A/B test, and those of some for ever: its course."""
        with self._write() as connection:
            changed = update(tables.experiments).where(tables.experiments.c.id == experiment)
            connection.execute(changed.values(look=dict(look)))
            if for_ever:
                row = {"experiment": experiment, "time": rows.now(), "figures": dict(look)}
                connection.execute(insert(tables.looks).values(**row))

    def looks(self, experiment: str) -> list[dict[str, Any]]:
        """Give the course of an A/B test: the figures of looks, each with its `time`."""
        table = tables.looks
        query = select(table).where(table.c.experiment == experiment).order_by(table.c.id)
        with self._engine.connect() as connection:
            return [{"time": row.time, **row.figures} for row in connection.execute(query)]

    def crown(self, promotion: Promotion, *, because: str, warm_until: datetime) -> None:
        """Make the candidate of an attempt the incumbent, retire the old one, and end the attempt: all or nothing."""
        name = promotion.revision
        table = tables.revisions
        with self._write() as connection:
            query = select(table).where(
                table.c.service == name.service, table.c.major == name.major, table.c.state == State.INCUMBENT
            )
            for row in connection.execute(query).all():
                steps.move(
                    connection,
                    rows.revision_of(row).name,
                    State.RETIRED,
                    because=f"superseded by {name}",
                    actor="rung",
                    data={},
                    fields={"warm_until": rows.spell(warm_until)},
                )
            steps.move(
                connection,
                name,
                State.INCUMBENT,
                because=because,
                actor="rung",
                data={"promotion": promotion.id},
                fields={"promoted": rows.now()},
            )
            steps.end(connection, promotion, "promoted", because)
            trials.leave(connection, promotion, is_won=True)

    def reject(self, promotion: Promotion, *, because: str) -> None:
        """Tear the candidate of an attempt down and end the attempt: all or nothing."""
        with self._write() as connection:
            steps.move(
                connection,
                promotion.revision,
                State.TORN_DOWN,
                because=because,
                actor="rung",
                data={"promotion": promotion.id},
                fields={},
            )
            steps.end(connection, promotion, "rejected", because)
            trials.leave(connection, promotion, is_won=False)

    # --- processes ---

    def processes(self) -> dict[str, dict[str, Any]]:
        """Give the processes that were started and not stopped, by name."""
        with self._engine.connect() as connection:
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

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Give a connection that is the only writer until the block ends; an error undoes all of it."""
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                driver: Any = connection.connection.dbapi_connection
                try:
                    yield connection
                except BaseException:
                    if driver.in_transaction:  # a full disk has ended it already
                        connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        except OperationalError as error:
            raise UnavailableError(
                f"the registry did not take the change ({error.orig})", hint="is the disk full, or the database locked?"
            ) from error


def _inserted(key: Any) -> int:
    identity: int = key[0]
    return identity
