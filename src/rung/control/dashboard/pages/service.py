"""The page of a service: its majors with what answers them, every revision, business metrics, specification."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.control.dashboard import _deeds, _papers
from rung.control.dashboard._visit import Page
from rung.errors import NotFoundError
from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.control.dashboard._visit import Visit
    from rung.registry import Event, Revision

__all__ = ["live_shares", "page", "reigns_of"]

_SHOWN = 25  # revisions of a major, unless all are asked for
_REIGNS = 400  # events of incumbents, the newest
_FRESH_S = 30.0
_PATH_S = 3.0
_ALERTS = 5


def page(visit: Visit) -> Page:
    """Show one service."""
    service = visit.service()
    shown = visit.platform.view.status(service)["services"]
    if not shown:
        raise NotFoundError(
            f"nothing of {service} is deployed yet", hint=f"`rung deploy training {service}` begins its first revision"
        )
    revisions = visit.registry.revisions(service)
    reigns = reigns_of(visit.registry.reigns(service, {State.INCUMBENT, State.RETIRED}, limit=_REIGNS))
    everything = bool(visit.asked("all"))
    majors = [_major(visit, service, major, revisions, everything=everything) for major in reversed(shown[0]["majors"])]
    values = {
        "service": service,
        "majors": majors,
        "reigns": reigns[::-1][:_SHOWN],
        "specification": _specification(visit, revisions),
        "path": visit.stored.get(
            ("path", service), lambda: visit.platform.promotions.practice.path(service), fresh_s=_PATH_S
        ),
        "practice": visit.stored.get(
            ("practice", service), lambda: visit.platform.promotions.practice.specification(service), fresh_s=_FRESH_S
        ),
        "alerts": visit.registry.alerts(service)[:_ALERTS],
        "offers": _deeds.offer(visit.actor, service, "train"),
        "gateway": visit.platform.view.gateway_url,
        "everything": everything,
    }
    return Page(template="service.html", title=service, values=values, trail=(("Services", "/ui/"),))


def _major(
    visit: Visit, service: str, major: dict[str, Any], revisions: Sequence[Revision], *, everything: bool
) -> dict[str, Any]:
    """Give a major as `GET /status` tells it, with what the page adds: newest revisions first."""
    name, number = f"{service}.v{major['major']}", major["major"]
    now = datetime.now(UTC)
    own = [one for one in revisions if one.name.major == number]
    has_warm = any(one.state is State.RETIRED and one.warm_until and one.warm_until > now for one in own)
    business = visit.stored.get(
        ("business", service, number), lambda: visit.platform.metrics(service, number), fresh_s=_FRESH_S
    )
    names = _deeds.of_major(is_reigned=major["incumbent"] is not None, has_warm=has_warm)
    newest = major["revisions"][::-1]
    return {
        **major,
        "name": name,
        "shares": live_shares(major),
        "revisions": newest if everything else newest[:_SHOWN],
        "left_out": 0 if everything else max(len(newest) - _SHOWN, 0),
        "business": business,
        "offers": _deeds.offer(visit.actor, name, *names),
    }


def live_shares(major: Mapping[str, Any]) -> dict[str, float]:
    """Give the shares of production by revision; nothing, where nothing answers it.

    >>> live_shares({"incumbent": "housing.v1.m1"})
    {'housing.v1.m1': 1.0}
    """
    if "experiment" in major:
        return dict(major["experiment"]["shares"])
    return {} if major["incumbent"] is None else {major["incumbent"]: 1.0}


def reigns_of(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Tell what answered production from when to when, from events in order."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event.kind == State.INCUMBENT:
            reign = {"revision": event.subject, "since": event.time, "until": None, "because": event.because}
            found.append(reign | {"ended_because": "", "actor": event.actor})
        else:
            for reign in found:
                if reign["revision"] == event.subject and reign["until"] is None:
                    reign |= {"until": event.time, "ended_because": event.because}
    return found


def _specification(visit: Visit, revisions: Sequence[Revision]) -> dict[str, Any] | None:
    """Give the specification as the incumbent has it, or else the newest revision that has one."""
    order = sorted(revisions, key=lambda one: (one.state is not State.INCUMBENT, -one.name.major, -one.name.minor))
    for revision in order[:_SHOWN]:
        found = _papers.specification(visit.platform.place, revision.name)
        if found is not None:
            return {"revision": str(revision.name), **found}
    return None
