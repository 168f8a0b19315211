"""Training anew: the next revision of the same code on newer data, when somebody asks, or when the settings say so.

What comes of it is deployed by the loop like every revision that trains, and promoted as the policy of its service
says: the gates and the A/B test decide as ever.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from rung.data import open_catalogue
from rung.errors import ConflictError, NotFoundError, RungError
from rung.lifecycle import (
    Cause,
    Origin,
    Rest,
    RetrainingFacts,
    RetrainingRule,
    State,
    Trigger,
    decide_retraining,
)
from rung.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rung.control.deployment.deployments import Deployments
    from rung.registry import Alert, Registry, Revision
    from rung.schema import RevisionName
    from rung.settings import Retraining as Settings

WAITS = "retraining_waits"
"""Kind of the events that tell what keeps a retraining from beginning by itself."""

_EVERY_S = 10.0
_ON_THEIR_WAY = frozenset({State.TRAINING, State.TRAINED, State.DEPLOYING, State.CANDIDATE})

_DRIFT: frozenset[str] = frozenset({"drift", "segment"})
_QUALITY: frozenset[str] = frozenset({"quality", "estimate"})

_log = structlog.get_logger("rung.control")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A dataset that a training read, whichever version was the newest then."""

    dataset: str
    version: int
    newest: int

    @property
    def is_newer(self) -> bool:
        return self.newest > self.version


@dataclass(slots=True, kw_only=True)
class Retraining:
    """Begins trainings of code that is there already."""

    deployments: Deployments
    _looked: float = -math.inf
    """Monotonic seconds."""

    def is_due(self) -> bool:
        """Tell whether it is time to look."""
        return time.monotonic() - self._looked >= _EVERY_S

    def begin(self, service: str, major: int, *, because: str, actor: str, anyway: bool = False) -> RevisionName:
        """Begin a retraining that somebody asks for.

        Args:
            service: Which service.
            major: Which of its majors.
            because: Why.
            actor: Who asks.
            anyway: Also when it would read the same data as the last training.

        Raises:
            ConflictError: There is no incumbent, another revision of the major is on its way, or there are no newer
                data.
            UnavailableError: The source of the incumbent cannot be read, or not be copied.
        """
        incumbent = self._incumbent(service, major)
        busy = self._busy(incumbent.name)
        if busy is not None:
            raise ConflictError(busy, hint=f"`rung status {service}` shows it: let it end, or tear it down")
        same = None if anyway else _same_data(self._reads(incumbent))
        if same is not None:
            raise ConflictError(same, hint="`rung data ingest` newer data first, or say --anyway")
        told = because or f"asked for by {actor}"
        return self._begin(incumbent, Trigger.ASKED, causes=(), because=told, actor=actor)

    def look(self) -> None:
        """Begin what is due by the settings of each service."""
        self._looked = time.monotonic()
        now = datetime.now(UTC)
        settings = self.deployments.place.workspace.settings()
        for revision in self._registry.watched(now):
            rule = settings.policy(revision.name.service).retraining
            if revision.state is State.INCUMBENT and rule.is_on:
                try:
                    self._consider(revision, rule, now)
                except RungError as error:  # one service's trouble must not keep the others from being looked at
                    _log.warning("retraining_failed", revision=str(revision.name), error=str(error), code=error.code)

    @property
    def _registry(self) -> Registry:
        return self.deployments.registry

    def _consider(self, incumbent: Revision, settings: Settings, now: datetime) -> None:
        reads, earlier = self._reads(incumbent), self._earlier(incumbent.name)
        since = max((time for time, _ in earlier), default=incumbent.created)
        facts = RetrainingFacts(
            incumbent=str(incumbent.name),
            causes=[
                *self._alerts(incumbent.name, settings),
                *(_newer(reads) if settings.new_data else ()),
                *_scheduled(settings, max(since, incumbent.created), now),
            ],
            earlier=earlier,
            busy=self._busy(incumbent.name),
            same_data=_same_data(reads),
        )
        rule = RetrainingRule(cool_down=timedelta(seconds=settings.cool_down_s), at_most=settings.at_most)
        decision = decide_retraining(facts, rule, now)
        if not isinstance(decision, Rest):
            self._begin(incumbent, decision.trigger, causes=decision.causes, because=decision.because, actor="rung")
        elif decision.hindrance is not None:
            self._tell(incumbent.name, decision)

    def _begin(
        self, incumbent: Revision, trigger: Trigger, *, causes: tuple[str, ...], because: str, actor: str
    ) -> RevisionName:
        of = str(incumbent.name)
        code = of if incumbent.origin is None else incumbent.origin.code
        origin = Origin(of=of, code=code, trigger=trigger, causes=causes, because=because)
        return self.deployments.begin_again(origin, actor=actor)

    def _tell(self, name: RevisionName, rest: Rest) -> None:
        """Say what keeps a retraining from beginning, once until it is something else."""
        last = self._registry.latest(WAITS, name.service).get(str(name))
        if last is None or last.data["hindrance"] != rest.hindrance:
            self._registry.record_event(WAITS, str(name), because=rest.because, actor="rung", hindrance=rest.hindrance)

    def _incumbent(self, service: str, major: int) -> Revision:
        name = self._registry.incumbent(service, major)
        if name is None:
            raise ConflictError(
                f"{service}.v{major} has no incumbent whose code could be trained anew",
                hint=f"`rung deploy training {service}` trains what is in the working tree",
            )
        return self._registry.revision(name)

    def _busy(self, name: RevisionName) -> str | None:
        """Say what is on its way in the major of an incumbent, and would be overtaken by newer data."""
        for promotion in self._registry.promotions(name.service, active_only=True):
            if promotion.revision.major_name == name.major_name:
                return f"{promotion.revision} is being promoted"
        for one in self._registry.revisions(name.service, name.major):
            if one.origin is not None and one.state in _ON_THEIR_WAY and self._registry.is_untried(one.name):
                return f"{one.name}, which was retrained, is {one.state}"
        return None

    def _earlier(self, name: RevisionName) -> list[tuple[datetime, Origin]]:
        found = self._registry.revisions(name.service, name.major)
        return [(one.created, one.origin) for one in found if one.origin is not None]

    def _trainings(self, incumbent: Revision) -> Iterable[dict[str, Any]]:
        """Give the run of an incumbent, and those of its retrainings that ended, whatever became of them."""
        yield self._registry.run(incumbent.run)
        for one in self._registry.revisions(incumbent.name.service, incumbent.name.major):
            if one.origin is not None and one.origin.of == str(incumbent.name):
                with suppress(NotFoundError):  # it ended before it was on record
                    yield self._registry.run(one.run)

    def _alerts(self, name: RevisionName, settings: Settings) -> Iterable[Cause]:
        """Give what open alerts say of an incumbent."""
        for alert in self._registry.alerts(name.service) if settings.drift or settings.falling_quality else ():
            has_fallen = alert.kind in _QUALITY
            is_wanted = (settings.falling_quality and has_fallen) or (settings.drift and _has_drifted(alert))
            if is_wanted and alert.revision == name:
                yield Cause(trigger=Trigger.ALERT, name=f"alert {alert.id}", because=alert.because)

    def _reads(self, incumbent: Revision) -> list[_Read]:
        """Tell the datasets whose newest version was read by the training or by a retraining, and that of now."""
        read: dict[str, int] = {}
        for run in self._trainings(incumbent):
            for name, version in _versions_read(run).items():
                read[name] = max(version, read.get(name, version))
        if not read:
            return []
        catalogue = open_catalogue(self.deployments.place.workspace)
        return [
            _Read(dataset=name, version=version, newest=_newest(catalogue, name, version))
            for name, version in sorted(read.items())
        ]


def _has_drifted(alert: Alert) -> bool:
    """Tell whether newer data may be a remedy: columns that are gone, or of another type, are somebody's mistake."""
    return alert.kind in _DRIFT or (alert.kind == "integrity" and alert.data.get("what") == "range")


def _versions_read(run: dict[str, Any]) -> dict[str, int]:
    """Give the versions of datasets that a run read because they were the newest; of several the oldest."""
    read: dict[str, int] = {}
    for found in (found for task in run["tasks"] for found in task.get("data", ()) if "dataset" in found):
        if found["asked_version"] is None and found["asked_as_of"] is None:
            name = found["dataset"]
            read[name] = min(found["version"], read.get(name, found["version"]))
    return read


def _newest(catalogue: Any, name: str, version: int) -> int:
    try:
        found: int = catalogue.version(name).number
    except NotFoundError:  # it was removed: nothing newer
        return version
    return found


def _newer(reads: Sequence[_Read]) -> Iterable[Cause]:
    """Give one cause for all datasets that have newer versions."""
    newer = [read for read in reads if read.is_newer]
    if newer:
        told = " and ".join(f"{read.dataset}@{read.newest} is newer than @{read.version}" for read in newer)
        name = ",".join(f"{read.dataset}@{read.newest}" for read in newer)
        yield Cause(trigger=Trigger.DATA, name=name, because=f"{told}, which its training read")


def _scheduled(settings: Settings, since: datetime, now: datetime) -> Iterable[Cause]:
    """Give the first instant of the schedule since the last training; those missed after it are one with it."""
    if settings.schedule is not None:
        due = Schedule(cron=settings.schedule, zone=settings.time_zone).after(since)
        if due <= now:
            told = f"the schedule {settings.schedule!r} came round at {due:%Y-%m-%d %H:%M} UTC"
            yield Cause(trigger=Trigger.SCHEDULE, name=due.isoformat(), because=told)


def _same_data(reads: Sequence[_Read]) -> str | None:
    """Say that a training would read the same again; None where it would not, or where nobody can know."""
    if not reads or any(read.is_newer for read in reads):
        return None
    told = " and ".join(f"{read.dataset}@{read.version}" for read in reads)
    return f"its training would read the same data again: {told} {'is' if len(reads) == 1 else 'are'} the newest"
