"""Alerts and their notifications as values, and how they are read and spelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.registry._rows import read, read_optional, spell
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Row

__all__ = ["Alert", "Delivery", "Step", "alert_of", "alert_row", "delivery_of"]

_PLAIN = (
    *("id", "service", "major", "minor", "kind", "subject", "against", "severity", "because", "owner", "next"),
    *("data", "times", "quiet", "ending", "held"),
)
"""Columns that are the fields of the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody should know; open until it is over."""

    id: int
    """0 for one that is not kept yet."""
    service: str
    """`*` for the platform itself."""
    major: int
    """0 for what concerns a service or the platform as a whole."""
    minor: int | None
    """Of the revision where it was seen last."""
    kind: str
    """As of findings (`drift`, `errors`, `quality`...), or of the platform's health: `rung.settings.AlertKind`."""
    subject: str
    """Of what: a column, a metric, a server, a dataset."""
    against: str
    """What it was held against: `training`, `before` (the week before), `limit`; empty where that says nothing."""
    severity: str
    """`info`, `warning` or `critical`: the worst so far."""
    because: str
    """One sentence, as of when it was seen last."""
    owner: str
    """Whom it is for."""
    suspects: tuple[str, ...]
    """What may be behind it, a sentence each; the likeliest first."""
    next: str
    """A command."""
    data: Mapping[str, Any]
    """Figures, as JSON has them."""
    opened: datetime
    seen: datetime
    """Last."""
    times: int
    """Looks that saw it."""
    quiet: int = 0
    """Looks since then that did not."""
    closed: datetime | None = None
    ending: str | None = None
    """Why it was closed."""
    held: bool = False
    """A person closed it and it goes on: it opens no other one unless it gets worse."""
    said: tuple[Mapping[str, Any], ...] = ()
    """What people said: `what`, `actor`, `because`, `time`, and of a silence `until`."""
    silenced_until: datetime | None = None

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        """What no two open ones share."""
        return self.service, self.major, self.kind, self.subject, self.against

    @property
    def revision(self) -> RevisionName | None:
        """The revision that it is about; None where it is about no single one."""
        if not self.major or self.minor is None:
            return None
        return RevisionName(service=self.service, major=self.major, minor=self.minor)

    @property
    def about(self) -> str:
        """Name what it is about: a revision, a major, a service, or `*`."""
        major = f"{self.service}.v{self.major}" if self.major else self.service
        return major if self.revision is None else str(self.revision)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {
            "id": self.id,
            "service": self.service,
            "revision": str(self.revision) if self.revision else None,
            "about": self.about,
            "kind": self.kind,
            "subject": self.subject,
            "against": self.against,
            "severity": self.severity,
            "because": self.because,
            "owner": self.owner,
            "suspects": list(self.suspects),
            "next": self.next,
            "data": dict(self.data),
            "opened": self.opened.isoformat(),
            "seen": self.seen.isoformat(),
            "times": self.times,
            "closed": self.closed.isoformat() if self.closed else None,
            "ending": self.ending,
            "said": [dict(word) for word in self.said],
            "silenced_until": self.silenced_until.isoformat() if self.silenced_until else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a look made of an alert."""

    what: str
    """`opened`, `worse`, `closed`; `seen` and `quiet` are told to nobody, nor is `released`."""
    alert: Alert
    """As it is afterwards."""
    channels: tuple[str, ...] = ()
    """Where it is told."""

    @property
    def is_new(self) -> bool:
        """It is not kept yet."""
        return not self.alert.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification for one channel."""

    id: str
    """The same at each try."""
    alert: int | None
    channel: str
    what: str
    """`opened`, `worse`, `closed`, `test`..."""
    body: Mapping[str, Any]
    """What is told, as of when it was found."""
    made: datetime
    due: datetime
    """When it is tried next."""
    attempts: int
    error: str
    """What was said at the last try; empty when it was taken."""
    sent: datetime | None
    given_up: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data, without what is told."""
        return {
            "id": self.id,
            "alert": self.alert,
            "channel": self.channel,
            "what": self.what,
            "made": self.made.isoformat(),
            "attempts": self.attempts,
            "error": self.error,
            "sent": self.sent.isoformat() if self.sent else None,
            "given_up": self.given_up.isoformat() if self.given_up else None,
        }


def alert_of(row: Row[Any]) -> Alert:
    """Read an alert."""
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Alert(
        **plain,
        suspects=tuple(row.suspects),
        said=tuple(row.said),
        opened=read(row.opened),
        seen=read(row.seen),
        closed=read_optional(row.closed),
        silenced_until=read_optional(row.silenced_until),
    )


def alert_row(alert: Alert) -> dict[str, Any]:
    """Spell an alert as columns, without its number."""
    plain = {name: getattr(alert, name) for name in _PLAIN if name != "id"}
    return plain | {
        "data": dict(alert.data),
        "suspects": list(alert.suspects),
        "said": [dict(word) for word in alert.said],
        "opened": spell(alert.opened),
        "seen": spell(alert.seen),
        "closed": None if alert.closed is None else spell(alert.closed),
        "silenced_until": None if alert.silenced_until is None else spell(alert.silenced_until),
    }


def delivery_of(row: Row[Any]) -> Delivery:
    """Read a notification."""
    return Delivery(
        id=row.id,
        alert=row.alert,
        channel=row.channel,
        what=row.what,
        body=row.body,
        made=read(row.made),
        due=read(row.due),
        attempts=row.attempts,
        error=row.error,
        sent=read_optional(row.sent),
        given_up=read_optional(row.given_up),
    )
