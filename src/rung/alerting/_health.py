"""Rules about the platform, about datasets and about outcomes: what is found -> sightings."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rung.alerting._sighting import SEVERITIES, Sighting
from rung.charts.durations import spell
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rung.alerting._facts import Health, Outcomes, Promised
    from rung.registry import Event
    from rung.settings import Alerts, Rules, Severity

__all__ = ["judge_health", "judge_outcomes", "judge_promises"]

_VERDICT_COUNTS: Final = timedelta(days=1)
"""So long a verdict that says nothing is worth a look; then it is history."""
_OVERUSE_COUNTS: Final = timedelta(hours=1)
_GIB: Final = 1 << 30
_LAST_DAYS: Final = 3
"""Before a certificate ends, that is no longer a warning only."""
_FEWEST: Final = 100
"""Outcomes that would have to come in a day, before their absence says anything."""


def judge_health(health: Health, rules: Callable[[str], Rules], alerts: Alerts) -> list[Sighting]:
    """Say what is wrong with the platform.

    Args:
        health: What was found.
        rules: Of a service; of the platform itself, `*`.
        alerts: The settings of all.
    """
    found = [
        *_unready(health, rules),
        *_gateways(health, rules),
        *_verdicts(health),
        *_overuse(health),
        *_idle(health),
        *_disk(health, alerts),
        *_certificates(health, alerts),
    ]
    return [one for one in found if one.kind not in rules(one.service).off]


def judge_promises(promised: Iterable[Promised]) -> list[Sighting]:
    """Say which datasets are older than their producers promised."""
    return [
        Sighting(
            kind="freshness",
            subject=one.dataset,
            against="limit",
            owner=one.owner,
            because=f"the newest version of {one.dataset} is {spell(one.age_s)} old; one was promised every "
            f"{spell(one.promised_s)}",
            data={"age_s": one.age_s, "promised_s": one.promised_s},
            scope="data",
        )
        for one in promised
        if one.age_s > one.promised_s
    ]


def judge_outcomes(found: Outcomes, rules: Rules, *, alpha: float) -> Sighting | None:
    """Say whether outcomes stay away: fewer than a part of what came in before, for as many requests.

    Args:
        found: Counts of the last day and of the week before.
        rules: Of the service.
        alpha: Probability of a false alarm.
    """
    if not (found.requests and found.requests_before) or "coverage" in rules.off:
        return None
    wanted = found.before * found.requests / found.requests_before
    least = wanted * (1 - rules.coverage_fall)
    if wanted < _FEWEST or found.now >= least or _chance_of_few(found.now, least) > alpha:
        return None
    return Sighting(
        kind="coverage",
        subject=found.metric,
        service=found.service,
        against="before",
        severity=SEVERITIES["coverage"],
        because=f"{found.now:,} outcomes of {found.metric} came in within a day; of {found.requests:,} requests "
        f"{wanted:,.0f} did the week before",
        data={"now": found.now, "expected": wanted},
        scope="day",
    )


def _unready(health: Health, rules: Callable[[str], Rules]) -> Iterator[Sighting]:
    for one in health.unready:
        service = "*" if one.name is None else one.name.service
        since_s = (health.now - one.since).total_seconds()
        if since_s >= rules(service).unready_s:
            told = f"{one.name or 'the gateway'} has not answered for {spell(since_s)}: {one.because}"
            severity: Severity = "critical" if one.is_incumbent or one.name is None else "warning"
            yield _of(one.name, "unready", subject="server" if one.name else "gateway", because=told, severity=severity)


def _gateways(health: Health, rules: Callable[[str], Rules]) -> Iterator[Sighting]:
    for name, since, because in health.gateways:
        since_s = (health.now - since).total_seconds()
        if since_s >= rules("*").unready_s:
            told = f"the gateway {name} does not follow for {spell(since_s)}: {because}"
            yield _of(None, "unready", subject=f"gateway {name}", because=told, severity="critical")


def _verdicts(health: Health) -> Iterator[Sighting]:
    for event in _recent(health, health.verdicts, _VERDICT_COUNTS):
        if event.data.get("kind") == "inconclusive":
            gate, name = str(event.data.get("gate")), RevisionName.parse(event.subject)
            is_invalid = gate == "experiment" and event.because.startswith("invalid")
            kind = "experiment" if is_invalid else "gate"
            yield _of(name, kind, subject=f"m{name.minor} {gate}", because=f"{gate} of {name}: {event.because}")


def _overuse(health: Health) -> Iterator[Sighting]:
    for event in _recent(health, health.overuse, _OVERUSE_COUNTS):
        name = RevisionName.parse(event.subject)
        yield _of(name, "overuse", subject=f"m{name.minor} memory", because=event.because)


def _idle(health: Health) -> Iterator[Sighting]:
    for name, since in health.idle:
        told = f"nobody has asked {name} for {spell((health.now - since).total_seconds())}"
        yield _of(name, "idle", subject=f"m{name.minor}", because=told)


def _disk(health: Health, alerts: Alerts) -> Iterator[Sighting]:
    free = health.free_bytes / _GIB
    if free < alerts.disk_free_gib:
        severity: Severity = "critical" if free < alerts.disk_free_gib / 4 else "warning"
        told = (
            f"{free:.2f} GiB are free where the state lies; below {alerts.disk_free_gib:g} GiB it is time to clean up"
        )
        yield _of(
            None, "disk", subject="free", against="limit", because=told, severity=severity, data={"free_gib": free}
        )


def _certificates(health: Health, alerts: Alerts) -> Iterator[Sighting]:
    for path, until in health.certificates:
        days = (until - health.now) / timedelta(days=1)
        if days < alerts.certificate_days:
            ends = "ends" if days > 0 else "ended"
            told = f"the certificate {path} {ends} on {until:%Y-%m-%d %H:%M} UTC"
            severity: Severity = "critical" if days < _LAST_DAYS else "warning"
            data = {"days": days}
            yield _of(None, "certificate", subject=path, against="limit", because=told, severity=severity, data=data)


def _of(name: RevisionName | None, kind: str, **told: Any) -> Sighting:
    """Make a sighting of a revision, or of the platform."""
    told = {"severity": SEVERITIES[kind], **told}
    if name is None:
        return Sighting(kind=kind, **told)
    return Sighting(kind=kind, service=name.service, major=name.major, minor=name.minor, **told)


def _recent(health: Health, events: Iterable[Event], within: timedelta) -> Iterator[Event]:
    return (event for event in events if health.now - event.time <= within)


def _chance_of_few(count: int, expected: float) -> float:
    """Bound the probability of so few, where so many are expected: Chernoff's bound for Poisson's distribution.

    >>> _chance_of_few(100, 100), _chance_of_few(20, 100) < 1e-12
    (1.0, True)
    """
    if count >= expected:
        return 1.0
    return math.exp(-expected + count + (count * math.log(expected / count) if count else 0.0))
