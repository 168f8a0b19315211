"""Contracts with other systems: what each consumer relies on, in which version, and whether it was kept last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rung.control.dashboard import _papers
from rung.control.dashboard._visit import Page
from rung.errors import NotFoundError
from rung.registry._contracts import MADE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rung.control.dashboard._visit import Visit
    from rung.registry import Event, Promotion, Revision

__all__ = ["last_held", "page", "without"]

_REQUESTS = 5  # that are shown of a contract
_SAID = 50  # what was said of contracts, the newest


def page(visit: Visit) -> Page:
    """Show the contracts with a service."""
    service = visit.service()
    revisions = visit.registry.revisions(service)
    if not revisions:
        raise NotFoundError(f"there is no service {service!r}", hint="`rung status` names the services")
    said = visit.registry.contract_events(service)
    listed = visit.platform.promotions.gates.contracts.listed(service) if said else []
    attempts = visit.registry.promotions(service) if listed else []
    contracts = [
        {
            **one,
            "held": last_held(attempts, one["major"], one["consumer"]),
            "shown": [json.dumps(request["body"], ensure_ascii=False) for request in one["requests"][:_REQUESTS]],
        }
        for one in listed
    ]
    values = {
        "service": service,
        "contracts": contracts,
        "without": without(_consumers(visit, revisions), [one["consumer"] for one in listed]),
        "said": [_said(event) for event in said[::-1][:_SAID]],
    }
    trail = (("Services", "/ui/"), (service, f"/ui/services/{service}"))
    return Page(template="contracts.html", title=f"Contracts with {service}", values=values, trail=trail)


def last_held(attempts: Sequence[Promotion], major: str, consumer: str) -> dict[str, Any] | None:
    """Tell what the newest promotion of a major found of a consumer's contract; None where none has looked.

    Args:
        attempts: Promotions of the service, in order.
        major: As `housing.v1`.
        consumer: Its name.
    """
    for attempt in reversed(attempts):
        if f"{attempt.revision.service}.v{attempt.revision.major}" != major:
            continue
        for verdict in attempt.verdicts:
            found = next((one for one in verdict.evidence.get("contracts", ()) if one["consumer"] == consumer), None)
            if found is not None:
                return {**found, "revision": str(attempt.revision), "attempt": attempt.id, "since": attempt.started}
    return None


def without(consumers: Iterable[str], registered: Iterable[str]) -> list[str]:
    """Name the consumers of a specification that have registered nothing, however they are spelled.

    >>> without(["Listing form", "desk"], ["listing-form"])
    ['desk']
    """
    known = {_spelled(one) for one in registered}
    return [one for one in consumers if _spelled(one) not in known]


def _spelled(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _consumers(visit: Visit, revisions: Sequence[Revision]) -> list[str]:
    """Name the consumers that the newest specification has."""
    for revision in reversed(revisions):
        found = _papers.specification(visit.platform.place, revision.name)
        if found is not None:
            named: Any = found["front"].get("consumers", ())
            return [str(one["name"]) if isinstance(one, dict) else str(one) for one in named]
    return []


def _said(event: Event) -> Mapping[str, Any]:
    what = f"version {event.data['version']}" if event.kind == MADE else "removed"
    return {
        "time": event.time,
        "major": event.subject,
        "consumer": event.data["consumer"],
        "what": what,
        "actor": event.actor,
        "because": event.because,
    }
