"""The requests of running A/B tests, period by period since their traffic split changed last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rung.lifecycle import Period, Requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.lake import Health, Lake
    from rung.registry import Experiment

_PERIOD = timedelta(minutes=1)
_MOST = 1_000  # periods that are kept apart; of two older ones one is made


@dataclass(slots=True)
class Course:
    """The requests of two arms. A control plane that begins anew begins with the requests since the split."""

    splits: int
    since: datetime
    """Of the period that is under way."""
    closed: list[Period] = field(default_factory=list)

    def look(self, lake: Lake, experiment: Experiment, arms: tuple[str, str], *, slow_ms: float) -> Sequence[Period]:
        """Count what came since the period began, and give all periods."""
        now = datetime.now(UTC)
        found = lake.health(experiment.id, since=self.since, slow_ms=slow_ms)
        period = Period(challenger=_requests(found.get(arms[0])), incumbent=_requests(found.get(arms[1])))
        periods = [*self.closed, period]
        if now - self.since >= _PERIOD:
            self.closed = periods if len(periods) < _MOST else [_both(*periods[:2]), *periods[2:]]
            self.since = now
        return periods


@dataclass(slots=True)
class Courses:
    """Of all experiments and arms."""

    lake: Lake
    _courses: dict[tuple[str, str], Course] = field(default_factory=dict)

    def look(self, experiment: Experiment, arms: tuple[str, str], *, slow_ms: float) -> Sequence[Period]:
        """Give the periods of an experiment since its split changed last.

        Args:
            experiment: Which.
            arms: The names of the challenger and of the incumbent in the log.
            slow_ms: Answers that take longer are slow, milliseconds.
        """
        key = experiment.id, arms[0]
        course = self._courses.get(key)
        if course is None or course.splits != len(experiment.splits):
            course = Course(splits=len(experiment.splits), since=experiment.splits[-1].since)
            self._courses[key] = course
        return course.look(self.lake, experiment, arms, slow_ms=slow_ms)


def _requests(health: Health | None) -> Requests:
    if health is None:
        return Requests(requests=0, errors=0, slow=0)
    return Requests(requests=health.requests, errors=health.errors, slow=health.slow)


def _both(first: Period, second: Period) -> Period:
    return Period(
        challenger=_added(first.challenger, second.challenger), incumbent=_added(first.incumbent, second.incumbent)
    )


def _added(first: Requests, second: Requests) -> Requests:
    return Requests(
        requests=first.requests + second.requests,
        errors=first.errors + second.errors,
        slow=first.slow + second.slow,
    )
