"""The first page: what needs somebody, and every service with what answers its production."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rung.access import Action
from rung.control.dashboard import _deeds
from rung.control.dashboard._visit import Page
from rung.control.deployment.builds import ENVIRONMENT, failures_of
from rung.control.deployment.memory import MEMORY
from rung.control.practice.holds import held_majors
from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rung.control.dashboard._visit import Visit
    from rung.registry import Alert, Count, Event, Experiment, Revision

__all__ = ["Major", "Need", "ServiceRow", "needs_of", "page", "service_rows"]

_SHOWN = 30  # needs
_WAITS = {
    State.AWAITING_APPROVAL: ("approval", "busy"),
    State.ON_HOLD: ("on hold", "bad"),
}
_RUNNING = (State.TRAINING, State.DEPLOYING, State.TESTING, State.SHADOWING, State.EXPERIMENTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that somebody should look at."""

    what: str
    tone: str
    subject: str
    told: str
    since: datetime
    path: str
    offers: tuple[_deeds.Offer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Major:
    """What answers a major, and what is on its way."""

    number: int
    incumbent: Revision | None
    shares: Mapping[str, float]
    """Of the units, by revision, while an A/B test runs."""
    under_way: tuple[Revision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """A service at a glance."""

    name: str
    majors: tuple[Major, ...]
    revisions: int
    changed: datetime
    states: Mapping[str, int] = field(default_factory=dict)


def page(visit: Visit) -> Page:
    """Show all services that one may see."""
    registry, now = visit.registry, datetime.now(UTC)
    counts = [one for one in registry.counts() if visit.sees(one.service)]
    watched = [one for one in registry.watched(now) if visit.sees(one.name.service)]
    newest = [one for one in registry.newest_revisions() if visit.sees(one.name.service)]
    running = [one for one in registry.experiments(active_only=True) if visit.sees(one.incumbent.service)]
    ended = registry.experiments_of((one.name for one in newest), ended_only=True)
    built, sized = registry.latest_served(ENVIRONMENT), registry.latest_served(MEMORY)
    alerts = [one for one in registry.alerts() if one.service == "*" or visit.sees(one.service)]
    held = {name: told for name, told in held_majors(registry).items() if visit.sees(name.partition(".")[0])}
    needs = [*needs_of(watched, newest, ended, built=built, sized=sized), *_told(alerts), *_held(held, newest)]
    values = {
        "needs": [_offered(visit, need) for need in needs[:_SHOWN]],
        "more": max(len(needs) - _SHOWN, 0),
        "services": service_rows(counts, watched, running),
        "may_deploy": visit.may(Action.DEPLOY, "*"),
        "gateway": visit.platform.view.gateway_url,
    }
    return Page(template="overview.html", title="Services", values=values)


def needs_of(
    watched: Sequence[Revision],
    newest: Sequence[Revision],
    experiments: Iterable[Experiment],
    *,
    built: Mapping[str, Event],
    sized: Mapping[str, Event],
) -> list[Need]:
    """Tell what needs somebody: what waits for people first, then what is broken, the longest waiting first.

    Args:
        watched: Revisions that have a server.
        newest: The newest revision of each major: what was mended by a later one needs nobody.
        experiments: A/B tests of these.
        built: The last events of their environments, by revision.
        sized: The last ones of their memory.
    """
    found = [*_waiting(watched), *_failed(newest), *_invalid(newest, experiments), *_troubled(watched, built, sized)]
    return sorted(found, key=lambda need: (need.what != "approval", need.since))


def service_rows(
    counts: Iterable[Count], watched: Iterable[Revision], running: Iterable[Experiment]
) -> list[ServiceRow]:
    """Put services together, sorted by name."""
    states: dict[str, list[Count]] = defaultdict(list)
    for one in counts:
        states[one.service].append(one)
    live: dict[str, dict[int, list[Revision]]] = defaultdict(lambda: defaultdict(list))
    for revision in watched:
        live[revision.name.service][revision.name.major].append(revision)
    shares = {str(one.incumbent): one.shares for one in running}
    return [
        ServiceRow(
            name=service,
            majors=tuple(_major(number, found, shares) for number, found in sorted(live[service].items())),
            revisions=sum(one.number for one in known),
            changed=max(one.since for one in known),
            states={one.state: one.number for one in known},
        )
        for service, known in sorted(states.items())
    ]


def _major(number: int, found: Sequence[Revision], shares: Mapping[str, Mapping[str, float]]) -> Major:
    incumbent = next((one for one in found if one.state is State.INCUMBENT), None)
    return Major(
        number=number,
        incumbent=incumbent,
        shares={} if incumbent is None else shares.get(str(incumbent.name), {}),
        under_way=tuple(one for one in found if one.state in _RUNNING or one.state in _WAITS),
    )


def _waiting(watched: Iterable[Revision]) -> Iterator[Need]:
    for one in watched:
        if one.state in _WAITS:
            what, tone = _WAITS[one.state]
            yield Need(what=what, tone=tone, subject=str(one.name), told=one.reason, since=one.since, path=_path(one))


def _failed(newest: Iterable[Revision]) -> Iterator[Need]:
    for one in newest:
        if one.state is State.FAILED:
            yield Need(
                what="failed", tone="bad", subject=str(one.name), told=one.reason, since=one.since, path=_path(one)
            )


def _invalid(newest: Iterable[Revision], experiments: Iterable[Experiment]) -> Iterator[Need]:
    known = {one.name for one in newest}
    for one in experiments:
        if one.challenger in known and (one.look or {}).get("outcome") == "invalid":
            yield Need(
                what="invalid test",
                tone="bad",
                subject=str(one.challenger),
                told=(one.look or {}).get("progress", ""),
                since=one.ended or one.started,
                path=f"/ui/majors/{one.challenger.service}/{one.challenger.major}/ab",
            )


def _troubled(watched: Iterable[Revision], built: Mapping[str, Event], sized: Mapping[str, Event]) -> Iterator[Need]:
    for one in watched:
        environment, memory = built.get(str(one.name)), sized.get(str(one.name))
        told = environment.because if environment is not None and failures_of(environment) else ""
        if memory is not None and memory.data.get("is_above"):
            told = f"its server takes {memory.because}"
        if told:
            since = max(event.time for event in (environment, memory) if event is not None)
            yield Need(what="server", tone="bad", subject=str(one.name), told=told, since=since, path=_path(one))


def _told(alerts: Iterable[Alert]) -> Iterator[Need]:
    for one in alerts:
        path = f"/ui/alerts?service={one.service}#alert-{one.id}"
        tone = "bad" if one.severity == "critical" else "busy"
        yield Need(what="alert", tone=tone, subject=one.about, told=one.because, since=one.opened, path=path)


def _held(held: Mapping[str, str], newest: Iterable[Revision]) -> Iterator[Need]:
    for one in newest:
        if one.name.major_name in held:
            path = f"/ui/services/{one.name.service}"
            told = held[one.name.major_name]
            yield Need(what="on hold", tone="bad", subject=one.name.major_name, told=told, since=one.since, path=path)


def _offered(visit: Visit, need: Need) -> Need:
    if need.what != "approval":
        return need
    return Need(
        what=need.what,
        tone=need.tone,
        subject=need.subject,
        told=need.told,
        since=need.since,
        path=need.path,
        offers=_deeds.offer(visit.actor, need.subject, "approve", "reject"),
    )


def _path(revision: Revision) -> str:
    return f"/ui/revisions/{revision.name}"
