"""An A/B test or a bandit: effect with its interval over time, bounds, forecast, guardrails, health, splits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.control._view import experiment_json
from rung.control.course import active_seconds, figure_of, outlook_of
from rung.control.dashboard import _deeds
from rung.control.dashboard._visit import Page
from rung.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.charts.figure import Figure
    from rung.control.dashboard._visit import Visit

__all__ = ["arms_of", "page"]

_EARLIER = 20
_DRAWN = 400  # looks of a course


def page(visit: Visit) -> Page:
    """Show the newest test of a major, or the one that is asked for."""
    service, major = visit.major()
    name = f"{service}.v{major}"
    own = [one.name for one in visit.registry.revisions(service, major)]
    tests = visit.registry.experiments_of(own)
    wanted = visit.asked("test")
    found = next((one for one in tests if one.id == wanted), tests[-1] if tests else None)
    trail = (("Services", "/ui/"), (service, f"/ui/services/{service}"))
    if found is None:
        values: dict[str, Any] = {"name": name, "shown": None, "service": service}
        return Page(template="ab.html", title=f"A/B test of {name}", values=values, trail=trail)
    shown = experiment_json(found)
    now = datetime.now(UTC)
    names = _deeds.of_experiment(is_over=found.ended is not None, is_paused=shown["paused"])
    values = {
        "name": name,
        "service": service,
        "shown": shown,
        "arms": arms_of(shown),
        "outlook": None if found.ended or shown["paused"] else outlook_of(shown, now),
        "left_s": (datetime.fromisoformat(shown["deadline"]) - now).total_seconds(),
        "active_s": active_seconds(shown, now),
        "figure_drawn": _figure(shown, visit.registry.looks(found.id)),
        "earlier": [one for one in reversed(tests) if one.id != found.id][:_EARLIER],
        "offers": _deeds.offer(visit.actor, name, *names),
    }
    return Page(template="ab.html", title=f"A/B test of {name}", values=values, trail=trail)


def arms_of(shown: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the arms of a test, the challengers first: share, units, and what consumers reported."""
    look = shown["look"] or {}
    arms = []
    for name, share in sorted(shown["shares"].items(), key=lambda item: item[0] == shown["incumbent"]):
        role = "incumbent" if name == shown["incumbent"] else "challenger"
        if "arms" in look:
            found = look["arms"].get(name, {})
            units, outcomes = None, found.get("units")
        else:
            found, units, outcomes = {}, look.get("exposed", {}).get(role), look.get("outcomes", {}).get(role)
        seen = outcomes / units if units and outcomes is not None else None
        arms.append({"name": name, "role": role, "share": share, "units": units, "outcomes": outcomes, "seen": seen})
        arms[-1] |= {"best": found.get("best"), "mean": found.get("mean")}
    return arms


def _figure(shown: dict[str, Any], course: list[dict[str, Any]]) -> Figure | None:
    step = max(len(course) // _DRAWN, 1)
    drawn = course[:-1:step] + course[-1:]
    try:
        return figure_of({**shown, "course": drawn})
    except ConflictError:  # too few looks
        return None
