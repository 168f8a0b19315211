"""History and audit: everything that happened, the newest first, of one service, of one person, of one kind."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from rung.access import Action
from rung.control._view import event_json
from rung.control.api.door import check
from rung.control.dashboard._visit import Page
from rung.errors import CallError

if TYPE_CHECKING:
    from rung.control.dashboard._visit import Visit

__all__ = ["page"]

_SHOWN = 100
_KINDS = (
    *("training", "trained", "failed", "deploying", "candidate", "testing", "gate", "verdict", "awaiting_approval"),
    *("approved", "rejected", "shadow", "experimenting", "split", "incumbent", "retired", "torn_down", "on_hold"),
    *("environment", "memory", "scaled", "training_waits", "gateway", "alert", "token", "token_revoked"),
)


def page(visit: Visit) -> Page:
    """Show a page of the log."""
    service, kind, actor = visit.asked("service"), visit.asked("kind"), visit.asked("actor")
    before = visit.asked("before")
    if before and not before.isdecimal():
        raise CallError(f"{before!r} is no event", hint="go back, and load the page again")
    if service:
        check(visit.actor, Action.READ, service)
    services = frozenset({service}) if service else visit.seen_services()
    found = visit.registry.events_before(
        before=int(before) if before else None, services=services, limit=_SHOWN + 1, kind=kind, actor=actor
    )
    events, is_more = found[:_SHOWN], len(found) > _SHOWN
    wanted = {"service": service, "kind": kind, "actor": actor}
    given = {name: value for name, value in wanted.items() if value}
    values = {
        "events": [event_json(event) for event in events],
        "wanted": wanted,
        "kinds": _KINDS,
        "later": urlencode({**given, "before": events[-1].id}) if is_more else "",
        "command": " ".join(
            ["rung audit", *(f"--{name} {shlex.quote(value)}" for name, value in given.items() if name != "kind")]
        ),
    }
    return Page(template="audit.html", title="History and audit", values=values)
