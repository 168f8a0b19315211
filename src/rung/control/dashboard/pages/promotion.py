"""A promotion as it goes on: each gate that is over, under way or still to come; told anew when something happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.control._view import event_json, promotion_json
from rung.control.dashboard import _deeds
from rung.control.dashboard._visit import Page
from rung.lifecycle import Gate, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rung.control.dashboard._visit import Visit
    from rung.registry import Promotion

__all__ = ["Step", "page", "steps_of"]

_EVENTS = 40
_BEFORE_TRAFFIC = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)
_TOLD = {
    Gate.REGRESSION: "regression tests on the live endpoint",
    Gate.DATA: "data tests, paired with the reference on the same held-out rows",
    Gate.REPLAY: "recorded production requests, answered again",
    Gate.LOAD: "the promised latency and rate",
    Gate.APPROVAL: "somebody's word that it may get traffic",
    Gate.SHADOW: "a copy of production, compared answer by answer",
    Gate.EXPERIMENT: "an A/B test on what consumers report",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A gate of an attempt."""

    gate: str
    about: str
    state: str
    """`pass`, `fail`, `inconclusive`, `running`, `next` or `not reached`."""
    because: str
    since: datetime | None = None


def page(visit: Visit) -> Page:
    """Show the newest attempt of a revision."""
    name = visit.revision()
    revision = visit.registry.revision(name)
    found = visit.registry.promotions_of(name)
    attempt = found[-1] if found else None
    has_incumbent = visit.registry.incumbent(name.service, name.major) not in {None, name}
    deeds = _deeds.of_revision(revision.state, name, has_failed=any(one.failure for one in found))
    values = {
        "name": str(name),
        "parts_of": name,
        "revision": revision,
        "attempt": None if attempt is None else promotion_json(attempt),
        "steps": [] if attempt is None else steps_of(attempt, revision.state, has_incumbent=has_incumbent),
        "events": [event_json(event) for event in reversed(visit.registry.newest_events(name, limit=_EVENTS))],
        "offers": _deeds.offer(visit.actor, str(name), *deeds),
        "is_live": attempt is not None and attempt.ended is None,
        "is_tested": revision.state is State.EXPERIMENTING,
    }
    trail = (
        ("Services", "/ui/"),
        (name.service, f"/ui/services/{name.service}"),
        (str(name), f"/ui/revisions/{name}"),
    )
    return Page(template="promotion.html", title=f"Promotion of {name}", values=values, trail=trail)


def steps_of(attempt: Promotion, state: State, *, has_incumbent: bool) -> list[Step]:
    """Tell of each gate of an attempt, in their order.

    Args:
        attempt: The attempt.
        state: Of its revision.
        has_incumbent: Its major has an incumbent, which it must be better than.
    """
    verdicts = {verdict.gate: verdict for verdict in attempt.verdicts}
    steps: list[Step] = []
    running = None if attempt.ended else Gate.EXPERIMENT if state is State.EXPERIMENTING else attempt.gate
    is_next = attempt.ended is None
    for gate in _gates(attempt, has_incumbent=has_incumbent):
        verdict = verdicts.get(gate)
        if verdict is not None:
            steps.append(Step(gate=gate, about=_TOLD[gate], state=verdict.kind, because=verdict.because))
        elif running == gate:
            since = attempt.gate_since if attempt.gate == gate else None
            steps.append(Step(gate=gate, about=_TOLD[gate], state="running", because="under way", since=since))
            is_next = False
        else:
            due = is_next and all(step.state == "pass" for step in steps)
            steps.append(Step(gate=gate, about=_TOLD[gate], state="next" if due else "not reached", because=""))
            is_next = False
    return steps


def _gates(attempt: Promotion, *, has_incumbent: bool) -> list[Gate]:
    """Name the gates that an attempt goes through, as far as can be told."""
    given = {verdict.gate for verdict in attempt.verdicts} | {attempt.gate}
    policy: Mapping[str, Any] = attempt.policy or {}
    gates = list(_BEFORE_TRAFFIC)
    if policy.get("promotion") == "approve" or Gate.APPROVAL in given:
        gates.append(Gate.APPROVAL)
    if Gate.SHADOW in given:
        gates.append(Gate.SHADOW)
    if has_incumbent or Gate.EXPERIMENT in given:
        gates.append(Gate.EXPERIMENT)
    return gates
