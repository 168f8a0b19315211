"""The time in which a new incumbent can still hand over to its predecessor, which is kept warm: rollback by itself.

It is held against what it promised by winning: an answering server, no more errors and slow answers than are tolerated,
and its guardrails. One that came back by a rollback is left alone, so that two revisions never change places for ever.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeGuard

from rung.control.promotion.papers import read_ab_test, read_specification
from rung.control.promotion.promotions import SERVER_PATIENCE
from rung.errors import ConflictError
from rung.lifecycle import IncumbentFacts, Kept, Requests, State, judge_incumbent

if TYPE_CHECKING:
    from rung.control.promotion.promotions import Promotions
    from rung.lake import Lake, Measured, Minute
    from rung.registry import Revision
    from rung.schema import ABTest, BusinessMetric, RevisionName

_EVERY_S = 15.0
_WINDOW = timedelta(hours=1)
_FEWEST = 50
"""Units of each revision whose means are compared."""
_METRICS_EVERY_S = 60.0
_LOOK_BACK = timedelta(days=28)
"""Outcomes of the predecessor that an incumbent's are held against."""


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What was seen of one incumbent."""

    predecessor: RevisionName
    before: Requests
    """The last hour of its predecessor."""
    down_since: datetime | None = None
    kept: list[Kept] = field(default_factory=list)
    read: float = -math.inf
    """When its guardrails were read, monotonic seconds."""


@dataclass(slots=True, kw_only=True)
class Probation:
    """Looks at every incumbent that has a warm predecessor."""

    promotions: Promotions
    lake: Lake
    _looked: float = -math.inf
    """Monotonic seconds."""
    _seen: dict[tuple[RevisionName, datetime], _Seen] = field(default_factory=dict)
    """By incumbent, and since when it is."""

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return time.monotonic() - self._looked >= _EVERY_S

    def look(self) -> bool:
        """Bring predecessors back where incumbents break what they promised; tell whether any was.

        Raises:
            UnavailableError: The lake cannot be read.
        """
        self._looked = time.monotonic()
        now = datetime.now(UTC)
        incumbents = self._incumbents(now)
        since = {(one.name, one.promoted or one.since) for one in incumbents}
        self._seen = {key: seen for key, seen in self._seen.items() if key in since}
        brought_back = [self._consider(one, now) for one in incumbents]
        return any(brought_back)

    def _incumbents(self, now: datetime) -> list[Revision]:
        """Give those that superseded a revision that is kept warm, and did not come back themselves."""
        registry = self.promotions.deployments.registry
        watched = registry.watched(now)
        warm = {one.name.major_name for one in watched if one.state is State.RETIRED}
        found = [one for one in watched if one.state is State.INCUMBENT and one.name.major_name in warm]
        if not found:
            return []
        settings = self.promotions.deployments.place.workspace.settings()
        told = registry.latest(State.INCUMBENT)
        return [
            one
            for one in found
            if settings.policy(one.name.service).automatic_rollback and "from" not in told[str(one.name)].data
        ]

    def _consider(self, revision: Revision, now: datetime) -> bool:
        registry, name = self.promotions.deployments.registry, revision.name
        try:
            predecessor = registry.rollback_target(name.service, name.major)
        except ConflictError:  # a promotion is under way, or nobody is warm any more
            return False
        test = read_ab_test(self.promotions.deployments.place, name)
        because = judge_incumbent(test.limits, self._facts(revision, predecessor, test, now), now)
        if because is not None:
            with suppress(ConflictError):  # its predecessor does not answer either, or somebody was faster
                self.promotions.roll_back(name.service, name.major, because=because, actor="rung")
                return True
        return False

    def _facts(self, revision: Revision, predecessor: RevisionName, test: ABTest, now: datetime) -> IncumbentFacts:
        name, since = revision.name, revision.promoted or revision.since
        slow_ms = read_specification(self.promotions.deployments.place, name).latency_p99_ms
        minutes = self.lake.minutes(str(name), since=max(since, now - _WINDOW), slow_ms=slow_ms)
        seen = self._seen.get((name, since))
        if seen is None or seen.predecessor != predecessor:
            before = self.lake.minutes(str(predecessor), since=since - _WINDOW, until=since, slow_ms=slow_ms)
            seen = self._seen[name, since] = _Seen(predecessor=predecessor, before=_total(before))
        is_ready, _ = self.promotions.deployments.servers.is_ready(str(name))
        seen.down_since = None if is_ready else seen.down_since or now
        return IncumbentFacts(
            down_since=seen.down_since,
            patience=SERVER_PATIENCE,
            periods=[_requests(minute) for minute in minutes],
            before=seen.before,
            guardrails=self._guardrails(name, seen, test, now),
        )

    def _guardrails(self, name: RevisionName, seen: _Seen, test: ABTest, now: datetime) -> list[Kept]:
        """Hold outcomes of both against each other, metric by metric; the tables are read once a minute at most."""
        metrics = [metric for metric in test.metrics if metric.role == "guardrail"]
        if metrics and time.monotonic() - seen.read >= _METRICS_EVERY_S:
            seen.read = time.monotonic()
            found = self.lake.business(name.service, name.major, since=now - _LOOK_BACK)
            by_name = {(one.revision, one.metric): one for one in found}
            pairs = [
                (metric, by_name.get((str(name), metric.name)), by_name.get((str(seen.predecessor), metric.name)))
                for metric in metrics
            ]
            seen.kept = [
                _kept(metric, ours, theirs) for metric, ours, theirs in pairs if _is_enough(ours) and _is_enough(theirs)
            ]
        return seen.kept


def _requests(minute: Minute) -> Requests:
    return Requests(requests=minute.requests, errors=minute.errors, slow=minute.slow)


def _total(minutes: list[Minute]) -> Requests:
    return Requests(
        requests=sum(one.requests for one in minutes),
        errors=sum(one.errors for one in minutes),
        slow=sum(one.slow for one in minutes),
    )


def _is_enough(measured: Measured | None) -> TypeGuard[Measured]:
    return measured is not None and measured.units >= _FEWEST and bool(measured.standard_error)


def _kept(metric: BusinessMetric, ours: Measured, theirs: Measured) -> Kept:
    sign = 1 if metric.goal == "maximize" else -1
    return Kept(
        name=metric.name,
        margin=metric.minimum_effect,
        difference=sign * (ours.mean - theirs.mean),
        standard_error=math.hypot(ours.standard_error or 0.0, theirs.standard_error or 0.0),
        told=f"is {ours.mean:.4g} of {ours.units:,} units; it was {theirs.mean:.4g} under {theirs.revision}",
    )
