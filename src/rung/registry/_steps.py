"""Steps inside a transaction of the registry: a move and its event, the end of an attempt, who would take over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from rung.errors import ConflictError, NotFoundError
from rung.lifecycle import MIRRORED, State, check_move
from rung.registry import _rows as rows
from rung.registry import _tables as tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from rung.lifecycle import Gate, Verdict
    from rung.registry._rows import Promotion, Revision
    from rung.schema import RevisionName


def move(
    connection: Connection,
    name: RevisionName,
    to: State,
    *,
    because: str,
    actor: str,
    data: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> None:
    """Move a revision, with the event, when the table of moves allows it."""
    now = get(connection, name).state
    check_move(str(name), now, to)
    append(connection, to, str(name), because=because, actor=actor, data=data)
    values = {"state": to, "reason": because, "since": rows.now(), **fields}
    connection.execute(update(tables.revisions).where(*is_named(name)).values(**values))
    if to not in MIRRORED:
        end_shadow(connection, name)


def end_shadow(connection: Connection, name: RevisionName) -> int:
    """Mirror nothing to a revision any more; tell how many shadows ended."""
    table = tables.shadows
    named = (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)
    return connection.execute(update(table).where(*named, table.c.ended.is_(None)).values(ended=rows.now())).rowcount


def append(
    connection: Connection, kind: str, subject: str, *, because: str, actor: str, data: Mapping[str, Any]
) -> None:
    """Append an event."""
    parts = subject.split(".")
    connection.execute(
        insert(tables.events).values(
            time=rows.now(),
            kind=kind,
            service=parts[0],
            major=int(parts[1][1:]) if len(parts) > 1 else None,
            minor=int(parts[2][1:]) if len(parts) > 2 else None,  # noqa: PLR2004  service, major, minor
            actor=actor,
            because=because,
            data=dict(data),
        )
    )


def incumbent(connection: Connection, service: str, major: int) -> RevisionName | None:
    """Name the incumbent of a major."""
    table = tables.revisions
    query = select(table).where(table.c.service == service, table.c.major == major, table.c.state == State.INCUMBENT)
    row = connection.execute(query).one_or_none()
    return None if row is None else rows.revision_of(row).name


def rollback_pair(connection: Connection, service: str, major: int) -> tuple[RevisionName, RevisionName]:
    """Give the incumbent, and the one that it superseded."""
    table, name = tables.revisions, f"{service}.v{major}"
    query = select(table).where(table.c.service == service, table.c.major == major)
    found = [rows.revision_of(row) for row in connection.execute(query)]
    incumbent = next((row for row in found if row.state is State.INCUMBENT), None)
    if incumbent is None:
        raise ConflictError(f"{name} has no incumbent", hint="`rung promote` makes one")
    if open_promotion(connection, service, major) is not None:
        raise ConflictError(f"a promotion of {name} is under way", hint="wait, or `rung teardown` its candidate")
    moment = datetime.now(UTC)
    warm = [row for row in found if row.state is State.RETIRED and row.warm_until and row.warm_until > moment]
    if not warm:
        raise ConflictError(
            f"{name} has no earlier incumbent that is kept warm", hint="deploy and promote what should answer"
        )
    retired = _last_events(connection, State.RETIRED, service, major)
    return incumbent.name, max(warm, key=lambda row: retired[row.name.minor]).name


def _last_events(connection: Connection, kind: str, service: str, major: int) -> dict[int, int]:
    """Give the id of the last event of a kind by minor: the order of the log holds where the clock was set back."""
    table = tables.events
    last = select(table.c.minor, func.max(table.c.id)).group_by(table.c.minor)
    named = (table.c.kind == kind, table.c.service == service, table.c.major == major)
    return {row[0]: row[1] for row in connection.execute(last.where(*named))}


def check_open(connection: Connection, promotion: Promotion) -> None:
    """Refuse what was decided for an attempt that has ended meanwhile: its revision may be in another one.

    Raises:
        ConflictError: It has ended.
    """
    table = tables.promotions
    running = select(table.c.id).where(table.c.id == promotion.id, table.c.ended.is_(None))
    if connection.execute(running).scalar() is None:
        raise _has_ended(promotion)


def check_unpromoted(connection: Connection, name: RevisionName) -> None:
    """Refuse to take a revision away from an attempt that has just begun: the attempt would never end.

    Raises:
        ConflictError: It is being promoted.
    """
    table = tables.promotions
    named = (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)
    if connection.execute(select(table.c.id).where(*named, table.c.ended.is_(None))).first() is not None:
        raise ConflictError(f"a promotion of {name} has begun", hint=f"`rung teardown {name}` again ends it")


def set_gate(connection: Connection, promotion: Promotion, gate: Gate, *, because: str) -> None:
    """Keep that a gate is under way from now on.

    Raises:
        ConflictError: The attempt has ended.
    """
    check_open(connection, promotion)
    changed = update(tables.promotions).where(tables.promotions.c.id == promotion.id)
    connection.execute(changed.values(gate=gate, gate_since=rows.now()))
    append(connection, "gate", str(promotion.revision), because=because, actor="rung", data={"gate": gate})


def add_verdict(connection: Connection, promotion: int, name: RevisionName, verdict: Verdict) -> None:
    """Keep what a gate found; a second verdict of the same gate changes nothing."""
    table = tables.verdicts
    known = select(table.c.id).where(table.c.promotion == promotion, table.c.gate == verdict.gate)
    if connection.execute(known).scalar() is not None:
        return
    connection.execute(
        insert(table).values(
            promotion=promotion,
            gate=verdict.gate,
            kind=verdict.kind,
            because=verdict.because,
            evidence=dict(verdict.evidence),
            time=rows.now(),
        )
    )
    data = {"gate": verdict.gate, "kind": verdict.kind}
    append(connection, "verdict", str(name), because=verdict.because, actor="rung", data=data)


def end(connection: Connection, promotion: Promotion, outcome: str, because: str) -> None:
    """End an attempt."""
    table = tables.promotions
    changed = update(table).where(table.c.id == promotion.id, table.c.ended.is_(None))
    if not connection.execute(changed.values(ended=rows.now(), outcome=outcome, because=because)).rowcount:
        raise _has_ended(promotion)


def _has_ended(promotion: Promotion) -> ConflictError:
    return ConflictError(f"attempt {promotion.id} to promote {promotion.revision} has ended", hint="see `rung history`")


def open_promotion(connection: Connection, service: str, major: int, *, joint: bool | None = None) -> int | None:
    """Name an attempt of a major that is under way: any, or one that is joint or is not."""
    table = tables.promotions
    query = select(table.c.id).where(table.c.service == service, table.c.major == major, table.c.ended.is_(None))
    if joint is not None:
        query = query.where(table.c.joint == joint)
    found: int | None = connection.execute(query).scalars().first()
    return found


def get(connection: Connection, name: RevisionName) -> Revision:
    """Give a revision."""
    row = connection.execute(select(tables.revisions).where(*is_named(name))).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no revision {name}", hint=f"`rung status {name.service}` names them")
    return rows.revision_of(row)


def is_named(name: RevisionName) -> tuple[Any, ...]:
    """Give the conditions that select a revision."""
    table = tables.revisions
    return (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)


def key(name: RevisionName) -> dict[str, Any]:
    """Give the columns that name a revision."""
    return {"service": name.service, "major": name.major, "minor": name.minor}
