"""Operations on alerts and on what is told of them: a step of an alert and its notifications are written together.

So a control plane that is killed after it found something has told it, or the next one will.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, or_, select, update

from rung.errors import ConflictError, NotFoundError
from rung.registry import _alert_rows as alert_rows
from rung.registry import _rows as rows
from rung.registry import _steps as steps
from rung.registry import _tables as tables
from rung.registry._store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy.engine import Connection

    from rung.registry._alert_rows import Alert, Delivery, Step

_EVENTS = {"opened": "alert", "worse": "alert_worse", "closed": "alert_closed"}
_KEY = ("service", "major", "kind", "subject", "against")
_ID_BYTES = 12
_MOST = 1_000
"""Notifications that are looked at together."""


class Alerts(Store):
    """Reads and writes of alerts; each is one transaction."""

    def alerts(self, service: str | None = None, *, open_only: bool = True) -> list[Alert]:
        """Give alerts, the newest first.

        Args:
            service: Only of this one; `*`: of the platform itself.
            open_only: Without those that were closed.
        """
        table = tables.alerts
        query = select(table).order_by(table.c.id.desc())
        if service is not None:
            query = query.where(table.c.service == service)
        if open_only:
            query = query.where(table.c.closed.is_(None))
        with self._read() as connection:
            return [alert_rows.alert_of(row) for row in connection.execute(query)]

    def followed_alerts(self) -> list[Alert]:
        """Give the alerts that a look goes on with: open ones, and those that a person closed while they went on."""
        table = tables.alerts
        query = select(table).where(or_(table.c.closed.is_(None), table.c.held)).order_by(table.c.id)
        with self._read() as connection:
            return [alert_rows.alert_of(row) for row in connection.execute(query)]

    def alert(self, identity: int) -> Alert:
        """Give one alert.

        Raises:
            NotFoundError: There is none of that number.
        """
        with self._read() as connection:
            return _alert(connection, identity)

    def keep_steps(self, taken: Sequence[Step]) -> list[Alert]:
        """Keep what a look made of alerts, and what is to be told of it; give the alerts as they are then.

        A step of an alert that a person has closed meanwhile is left out.
        """
        if not taken:
            return []
        with self._write() as connection:
            return [alert for step in taken if (alert := _keep(connection, step)) is not None]

    def say(
        self,
        identity: int,
        what: str,
        *,
        actor: str,
        because: str,
        until: datetime | None = None,
        channels: Iterable[str] = (),
    ) -> Alert:
        """Keep what somebody says of an open alert.

        Args:
            identity: Its number.
            what: `acknowledged`, `silenced` or `closed`.
            actor: Who says it.
            because: One sentence.
            until: Of a silence: until then nothing is told of it.
            channels: Where it is told that it was closed.

        Raises:
            NotFoundError: There is no such alert.
            ConflictError: It is closed.
        """
        table = tables.alerts
        with self._write() as connection:
            alert = _alert(connection, identity)
            if alert.closed is not None:
                raise ConflictError(
                    f"alert {identity} was closed: {alert.ending}", hint="`rung alerts` lists open ones"
                )
            word = {"what": what, "actor": actor, "because": because, "time": rows.now()}
            values: dict[str, Any] = {"said": [*alert.said, word]}
            if until is not None:
                word["until"] = values["silenced_until"] = rows.spell(until)
            if what == "closed":
                values |= {"closed": rows.now(), "ending": f"closed by {actor}: {because}", "held": True}
            connection.execute(update(table).where(table.c.id == identity).values(**values))
            data = {"alert": identity, **({"until": word["until"]} if until is not None else {})}
            steps.append(connection, f"alert_{what}", alert.about, because=because, actor=actor, data=data)
            said = _alert(connection, identity)
            _tell(connection, said, what, channels)
            return said

    def tell_test(self, channels: Iterable[str], *, because: str, actor: str) -> list[str]:
        """Put a notification that tests each of some channels among those to be sent; give their ids."""
        with self._write() as connection:
            steps.append(connection, "alert_test", "*", because=because, actor=actor, data={})
            body = {"what": "test", "because": because, "actor": actor, "time": rows.now()}
            return [_put(connection, channel, "test", body) for channel in channels]

    # --- deliveries ---

    def waiting_deliveries(self) -> list[Delivery]:
        """Give what was neither told nor given up, the oldest first."""
        table = tables.deliveries
        query = select(table).where(table.c.sent.is_(None), table.c.given_up.is_(None))
        with self._read() as connection:
            found = connection.execute(query.order_by(table.c.made, table.c.id).limit(_MOST))
            return [alert_rows.delivery_of(row) for row in found]

    def deliveries(self, *, limit: int = 100) -> list[Delivery]:
        """Give what was told and what is to be, the newest first."""
        table = tables.deliveries
        query = select(table).order_by(table.c.made.desc(), table.c.id).limit(limit)
        with self._read() as connection:
            return [alert_rows.delivery_of(row) for row in connection.execute(query)]

    def undelivered(self, channel: str) -> tuple[int, str | None]:
        """Tell how many notifications of a channel wait after a failure or were given up, and what was said last."""
        table = tables.deliveries
        failed = and_(table.c.channel == channel, table.c.sent.is_(None), table.c.error != "")
        with self._read() as connection:
            count = connection.execute(select(func.count()).select_from(table).where(failed)).scalar_one()
            last = select(table.c.error).where(failed).order_by(table.c.made.desc()).limit(1)
            return int(count), connection.execute(last).scalar()

    def keep_delivery(self, identity: str, *, error: str = "", again: datetime | None = None) -> None:
        """Keep how a try to tell something ended.

        Args:
            identity: Of the notification.
            error: Why it was not taken; empty: it was.
            again: When it is tried again; None after an error: never.
        """
        table = tables.deliveries
        values: dict[str, Any] = {"attempts": table.c.attempts + 1, "error": error}
        if not error:
            values["sent"] = rows.now()
        elif again is None:
            values["given_up"] = rows.now()
        else:
            values["due"] = rows.spell(again)
        with self._write() as connection:
            connection.execute(update(table).where(table.c.id == identity).values(**values))

    def forget_deliveries(self, *, older_than: timedelta, now: datetime) -> int:
        """Remove what was told or given up so long ago; tell how many."""
        table, since = tables.deliveries, rows.spell(now - older_than)
        is_over = or_(table.c.sent < since, table.c.given_up < since)
        with self._write() as connection:
            return connection.execute(table.delete().where(is_over)).rowcount


def _alert(connection: Connection, identity: int) -> Alert:
    row = connection.execute(select(tables.alerts).where(tables.alerts.c.id == identity)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {identity}", hint="`rung alerts --all` lists them")
    return alert_rows.alert_of(row)


def _keep(connection: Connection, step: Step) -> Alert | None:
    table, alert = tables.alerts, step.alert
    if step.is_new:
        alert = replace(alert, silenced_until=_silence(connection, alert))
        given = insert(table).values(**alert_rows.alert_row(alert)).returning(table.c.id)
        alert = replace(alert, id=connection.execute(given).scalar_one())
    else:
        is_held = alert.held or step.what == "released"
        is_same = table.c.held if is_held else table.c.closed.is_(None)
        mine = {
            name: value for name, value in alert_rows.alert_row(alert).items() if name not in {"said", "silenced_until"}
        }
        changed = connection.execute(update(table).where(table.c.id == alert.id, is_same).values(**mine))
        if not changed.rowcount:
            return None
        alert = _alert(connection, alert.id)
    if step.what in _EVENTS:
        because = alert.ending if step.what == "closed" else alert.because
        data = {"alert": alert.id, "kind": alert.kind, "severity": alert.severity}
        steps.append(connection, _EVENTS[step.what], alert.about, because=because or "", actor="rung", data=data)
        _tell(connection, alert, step.what, step.channels)
    return alert


def _silence(connection: Connection, alert: Alert) -> datetime | None:
    """Give until when nothing is told of an alert, as somebody said of the one before it."""
    table = tables.alerts
    same = [table.c[name] == value for name, value in zip(_KEY, alert.key, strict=True)]
    query = select(func.max(table.c.silenced_until)).where(*same, table.c.silenced_until > rows.now())
    return rows.read_optional(connection.execute(query).scalar())


def _tell(connection: Connection, alert: Alert, what: str, channels: Iterable[str]) -> None:
    if alert.silenced_until is not None and alert.silenced_until > datetime.now(UTC):
        return
    body = {"what": what, "alert": alert.to_json()}
    for channel in channels:
        _put(connection, channel, what, body, alert=alert.id)


def _put(connection: Connection, channel: str, what: str, body: Mapping[str, Any], *, alert: int | None = None) -> str:
    now, identity = rows.now(), f"msg_{secrets.token_hex(_ID_BYTES)}"
    connection.execute(
        insert(tables.deliveries).values(
            id=identity,
            alert=alert,
            channel=channel,
            what=what,
            body=dict(body),
            made=now,
            due=now,
            attempts=0,
            error="",
        )
    )
    return identity
