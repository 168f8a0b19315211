"""Operations on who may do what: tokens, approvals of promotions, and the audit log that tells of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from rung.access import EVERYWHERE, Grant, NewToken, Role, Token
from rung.errors import ConflictError, NotFoundError
from rung.lifecycle import Gate, State
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Row

    from rung.lifecycle import Approval
    from rung.registry._rows import Event, Promotion
    from rung.schema import RevisionName


class Access(Store):
    """Reads and writes of tokens and approvals; each is one transaction."""

    # --- tokens ---

    def create_token(
        self, made: NewToken, *, name: str, grants: Sequence[Grant], expires: datetime, actor: str, because: str
    ) -> Token:
        """Keep a token that was just made; of its secret only the hash.

        Raises:
            ConflictError: A valid token has that name.
        """
        now = rows.now()
        table = tables.tokens
        busy = select(table.c.id).where(table.c.name == name, table.c.revoked.is_(None), table.c.expires > now)
        row = {
            "id": made.id,
            "name": name,
            "hash": made.hash,
            "grants": [{"role": grant.role, "service": grant.service} for grant in grants],
            "created": now,
            "expires": rows.spell(expires),
            "actor": actor,
        }
        with self._write() as connection:
            if connection.execute(busy).first() is not None:
                raise ConflictError(f"there is a token of {name} already", hint="revoke it first, or name another")
            connection.execute(insert(table).values(**row))
            data = {"token": made.id, "name": name, "grants": row["grants"], "expires": row["expires"]}
            steps.append(connection, "token", EVERYWHERE, because=because, actor=actor, data=data)
            return _token(connection.execute(select(table).where(table.c.id == made.id)).one())

    def tokens(self) -> list[Token]:
        """Give all tokens that were ever made, in the order of their making."""
        query = select(tables.tokens).order_by(tables.tokens.c.created, tables.tokens.c.id)
        with self._read() as connection:
            return [_token(row) for row in connection.execute(query)]

    def token(self, identity: str) -> Token | None:
        """Give a token by its id; None when there is none."""
        with self._read() as connection:
            row = connection.execute(select(tables.tokens).where(tables.tokens.c.id == identity)).one_or_none()
        return None if row is None else _token(row)

    def revoke_token(self, identity: str, *, actor: str, because: str) -> Token:
        """Make a token open nothing any more, from now on.

        Raises:
            NotFoundError: There is none of that id.
            ConflictError: It was revoked before.
        """
        table = tables.tokens
        named = table.c.id == identity
        with self._write() as connection:
            row = connection.execute(select(table).where(named)).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no token {identity!r}", hint="`rung token list` names them")
            if row.revoked is not None:
                raise ConflictError(f"the token {identity} was revoked before", hint="it opens nothing")
            connection.execute(update(table).where(named).values(revoked=rows.now()))
            data = {"token": identity, "name": row.name}
            steps.append(connection, "token_revoked", EVERYWHERE, because=because, actor=actor, data=data)
            return _token(connection.execute(select(table).where(named)).one())

    # --- approvals ---

    def await_approval(self, promotion: Promotion, *, because: str) -> None:
        """Let an attempt wait for people, as the gate that is under way now."""
        policy = {"policy": dict(promotion.policy or {})}
        with self._write() as connection:
            steps.move(
                connection,
                promotion.revision,
                State.AWAITING_APPROVAL,
                because=because,
                actor="rung",
                data=policy,
                fields={},
            )
            steps.set_gate(connection, promotion, Gate.APPROVAL, because=because)

    def approve(self, promotion: Promotion, *, actor: str, role: str, approves: bool, because: str) -> None:
        """Keep that somebody approved an attempt, or rejected it.

        Args:
            promotion: The attempt.
            actor: Who.
            role: The role that they have in the service now.
            approves: Or rejects.
            because: Their reason.

        Raises:
            ConflictError: It does not wait for approval, or they have said the same before.
        """
        table, word = tables.approvals, "approved" if approves else "rejected"
        same = select(table.c.id).where(
            table.c.promotion == promotion.id, table.c.actor == actor, table.c.approves == approves
        )
        with self._write() as connection:
            if not _waits(connection.execute(select(tables.promotions).where(_is(promotion))).one_or_none()):
                raise ConflictError(f"{promotion.revision} does not wait for approval", hint="see `rung status`")
            if connection.execute(same).first() is not None:
                raise ConflictError(f"{actor} has {word} {promotion.revision} before", hint="others must do so now")
            row = {"promotion": promotion.id, "actor": actor, "role": role, "approves": approves, "because": because}
            connection.execute(insert(table).values(**row, time=rows.now()))
            data = {"promotion": promotion.id, "role": role}
            steps.append(connection, word, str(promotion.revision), because=because, actor=actor, data=data)

    def approvals(self, promotion: Promotion) -> list[Approval]:
        """Give what people said about an attempt, in order."""
        table = tables.approvals
        query = select(table).where(table.c.promotion == promotion.id).order_by(table.c.id)
        with self._read() as connection:
            return [rows.approval_of(row) for row in connection.execute(query)]

    def is_untried(self, name: RevisionName) -> bool:
        """Tell whether a revision has had no attempt and was never torn down."""
        attempts, events = tables.promotions, tables.events
        tried = select(attempts.c.id).where(*_of(attempts, name))
        torn_down = select(events.c.id).where(*_of(events, name), events.c.kind == State.TORN_DOWN)
        with self._read() as connection:
            return all(connection.execute(query.limit(1)).first() is None for query in (tried, torn_down))

    # --- the audit log ---

    def audit(
        self, *, service: str | None = None, actor: str | None = None, since: datetime | None = None, limit: int
    ) -> list[Event]:
        """Give the newest events of everybody, Rung itself included, or of one service or since a time; in order."""
        table = tables.events
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if service is not None:
            query = query.where(table.c.service == service)
        if actor is not None:
            query = query.where(table.c.actor == actor)
        if since is not None:
            query = query.where(table.c.time >= rows.spell(since))
        with self._read() as connection:
            return [rows.event_of(row) for row in reversed(connection.execute(query).all())]

    def events_of(self, *kinds: str, service: str | None = None) -> list[Event]:
        """Give all events of some kinds, in order."""
        table = tables.events
        query = select(table).where(table.c.kind.in_(kinds)).order_by(table.c.id)
        if service is not None:
            query = query.where(table.c.service == service)
        with self._read() as connection:
            return [rows.event_of(row) for row in connection.execute(query)]


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        grants=tuple(_grant(given) for given in row.grants),
        created=rows.read(row.created),
        expires=rows.read(row.expires),
        actor=row.actor,
        revoked=rows.read_optional(row.revoked),
        hash=row.hash,
    )


def _grant(given: Mapping[str, str]) -> Grant:
    return Grant(role=Role(given["role"]), service=given["service"])


def _waits(row: Row[Any] | None) -> bool:
    return row is not None and row.ended is None and row.gate == Gate.APPROVAL


def _is(promotion: Promotion) -> Any:
    return tables.promotions.c.id == promotion.id


def _of(table: Any, name: RevisionName) -> tuple[Any, ...]:
    return (table.c.service == name.service, table.c.major == name.major, table.c.minor == name.minor)
