"""How production of a service is doing: the report of `rung monitor`, made beside the requests and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore
from rung.control.dashboard._visit import Page
from rung.monitoring import KEEP_DAYS, Sources, monitor, to_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.control.dashboard._stored import Kept
    from rung.control.dashboard._visit import Visit
    from rung.monitoring import Report

__all__ = ["page", "report"]

_FRESH_S = 120.0
_TIMES = {"6h": timedelta(hours=6), "1d": timedelta(days=1), "7d": timedelta(days=7), "28d": timedelta(days=28)}


def page(visit: Visit) -> Page:
    """Show the traffic, the findings and the quality of each route of each revision."""
    service, since = _asked(visit)
    values = {"service": service, "since": since, "times": list(_TIMES), "kept": _kept(visit, service, since)}
    trail = (("Services", "/ui/"), (service, f"/ui/services/{service}"))
    return Page(template="monitoring.html", title=f"Monitoring of {service}", values=values, trail=trail)


def report(visit: Visit) -> str:
    """Draw the whole report, a card for each column, as a page of its own."""
    service, since = _asked(visit)
    kept = _kept(visit, service, since)
    title = f"{service}, {since}" + (
        f", {kept.made:%Y-%m-%d %H:%M} UTC" if kept.made else ", being made: load it again"
    )
    return to_html(kept.value or (), title=title)


def _asked(visit: Visit) -> tuple[str, str]:
    since = visit.asked("since", "1d")
    return visit.service(), since if since in _TIMES else "1d"


def _kept(visit: Visit, service: str, since: str) -> Kept:
    place, lake = visit.platform.place, visit.platform.lake

    def make() -> Sequence[Report]:
        now = datetime.now(UTC)
        policy = place.workspace.settings().services.get(service)
        retention = policy.log.retention_days if policy is not None else None
        sources = Sources(
            lake=lake,
            store=LocalStore(place.workspace.artifacts),
            state=place.workspace.state,
            keep_days=min(retention or KEEP_DAYS, KEEP_DAYS),
        )
        lake.ship()
        return monitor(service, sources, since=now - _TIMES[since], now=now)

    return visit.stored.get(("monitoring", service, since), make, fresh_s=_FRESH_S)
