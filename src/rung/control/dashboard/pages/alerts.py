"""Alerts: what is open or was, what may be behind it, what people said, and what may be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rung.access import Action
from rung.control.api.door import check
from rung.control.dashboard import _deeds
from rung.control.dashboard._visit import Page

if TYPE_CHECKING:
    from rung.control.dashboard._visit import Visit

__all__ = ["page"]

_SHOWN = 100
_TONES = {"critical": "bad", "warning": "busy", "info": "quiet"}


def page(visit: Visit) -> Page:
    """Show alerts, the newest first."""
    service, is_all = visit.asked("service"), bool(visit.asked("all"))
    if service and service != "*":
        check(visit.actor, Action.READ, service)
    found = visit.registry.alerts(service or None, open_only=not is_all)
    seen = [one for one in found if one.service == "*" or visit.sees(one.service)]
    values = {
        "service": service,
        "is_all": is_all,
        "tones": _TONES,
        "alerts": [
            (one.to_json(), () if one.closed else _deeds.offer_of_alert(visit.actor, one)) for one in seen[:_SHOWN]
        ],
        "more": max(len(seen) - _SHOWN, 0),
    }
    return Page(template="alerts.html", title="Alerts", values=values)
