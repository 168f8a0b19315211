"""Majors on hold: found out from the lake now and then, decided by the lifecycle, kept as events and states."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rung.control.practice.papers import read_ab_test, read_specification
from rung.control.practice.requests import Requests
from rung.errors import ConflictError, RungError
from rung.lifecycle import MetricFacts, State, missing_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.control.place import Place
    from rung.lake import Lake
    from rung.lifecycle import Missing
    from rung.registry import Registry, Revision
    from rung.schema import BusinessMetric, RevisionName

HOLD = "hold"
HOLD_ENDED = "hold_ended"
_EVERY_S = 5.0
_WATCHED = frozenset({State.CANDIDATE, State.ON_HOLD, State.INCUMBENT})


@dataclass(slots=True)
class Holds:
    """Puts majors on hold whose metrics have no data, and takes them off again."""

    place: Place
    registry: Registry
    lake: Lake
    _looked: float = field(default=-_EVERY_S)
    """Monotonic seconds of the last look."""

    def is_due(self) -> bool:
        """Tell whether it is time to look again."""
        return time.monotonic() - self._looked >= _EVERY_S

    def hurry(self) -> None:
        """Look again at once: somebody has done something about it."""
        self._looked = -_EVERY_S

    def look(self) -> None:
        """Look at every major with a candidate or an incumbent."""
        self._looked = time.monotonic()
        majors: dict[str, list[Revision]] = {}
        for revision in self.registry.watched(datetime.now(UTC)):
            if revision.state in _WATCHED and not revision.name.is_benchmark:
                majors.setdefault(revision.name.major_name, []).append(revision)
        held = held_majors(self.registry)
        for major, revisions in majors.items():
            with suppress(RungError):  # what cannot be read now is looked at again
                self._settle(major, revisions, self.missing(revisions), is_held=major in held)

    def check(self, revision: Revision) -> None:
        """Refuse to promote a revision whose major is on hold.

        Raises:
            ConflictError: A business metric of high priority has no data.
        """
        missing = self.missing([revision])
        if missing or revision.state is State.ON_HOLD:
            name = revision.name
            self._settle(name.major_name, [revision], missing, is_held=name.major_name in held_majors(self.registry))
        if missing:
            told = "; ".join(one.because for one in missing)
            raise ConflictError(
                f"{revision.name.major_name} is on hold: {told}",
                hint=f"`rung metrics requests {revision.name.service}` shows who is asked for the data",
            )

    def missing(self, revisions: Sequence[Revision]) -> tuple[Missing, ...]:
        """Name the metrics without data that the newest of some revisions of a major declares."""
        now, name = datetime.now(UTC), max(revisions, key=lambda one: one.name.minor).name
        test = read_ab_test(self.place, name)
        return missing_data((self._facts(name, metric, now) for metric in test.metrics), now)

    def _facts(self, name: RevisionName, metric: BusinessMetric, now: datetime) -> MetricFacts:
        is_high = metric.priority == "high"
        since = self._answered_since(name)
        is_late = since is not None and now - since >= metric.data_within
        looks = is_high and (is_late or not metric.available)
        window = now - metric.data_within
        last = self._last_outcome(name.service, metric.name, window) if looks else None
        return MetricFacts(
            name=metric.name,
            is_high=is_high,
            available=metric.available,
            within=metric.data_within,
            answered_since=since,
            is_asked=looks and is_late and bool(self.lake.recent(name.service, name.major, 1, since=window)),
            last_outcome=last,
            fulfilled=Requests(self.registry).promised(name.major_name, metric.name) if looks else None,
        )

    def _answered_since(self, name: RevisionName) -> datetime | None:
        """Tell since when a major answers production; None when it does not."""
        if self.registry.incumbent(name.service, name.major) is None:
            return None
        began = (one.promoted for one in self.registry.revisions(name.service, name.major))
        return min((moment for moment in began if moment is not None), default=None)

    def _last_outcome(self, service: str, metric: str, since: datetime) -> datetime | None:
        import polars as pl  # noqa: PLC0415  who only reads what is on hold does not wait for it

        rows = self.lake.outcomes().filter(
            pl.col("service") == service,
            pl.col("date") >= since.astimezone(UTC).date(),
            pl.col("metric") == metric,
            pl.col("received") >= since,
        )
        found: datetime | None = rows.select(pl.col("received").max()).collect(engine="streaming").item()
        return found

    def _settle(self, major: str, revisions: Sequence[Revision], missing: Sequence[Missing], *, is_held: bool) -> None:
        """Bring events, requests and states to what was found."""
        if missing and not is_held:
            told = "; ".join(one.because for one in missing)
            metrics = [one.metric for one in missing]
            self.registry.record_event(HOLD, major, because=told, actor="rung", metrics=metrics)
        for one in missing:
            self._ask(major, one, revisions)
        if not missing and (is_held or self._has_open(major)):
            self._close(major, revisions, is_held=is_held)
        for revision in revisions:
            with suppress(ConflictError):  # a promotion of it has begun meanwhile, or somebody tore it down
                self._move(revision, missing)

    def _move(self, revision: Revision, missing: Sequence[Missing]) -> None:
        if missing and revision.state is State.CANDIDATE:
            because = "; ".join(one.because for one in missing)
            self.registry.move(revision.name, State.ON_HOLD, because=because, actor="rung")
        elif not missing and revision.state is State.ON_HOLD:
            because = "its business metrics have data, or will have them"
            self.registry.move(revision.name, State.CANDIDATE, because=because, actor="rung")

    def _ask(self, major: str, missing: Missing, revisions: Sequence[Revision]) -> None:
        """Ask the owner of the product for the data, unless somebody is asked."""
        requests = Requests(self.registry)
        if requests.open(major, missing.metric) is None:
            owner = read_specification(self.place, revisions[-1].name).owners.product
            requests.ask(
                major, missing.metric, to=owner or "the owner of the product", actor="rung", because=missing.because
            )

    def _has_open(self, major: str) -> bool:
        found = Requests(self.registry).all(major.partition(".")[0])
        return any(one.major == major and one.fulfilled is None for one in found)

    def _close(self, major: str, revisions: Sequence[Revision], *, is_held: bool) -> None:
        """Fulfil the requests whose outcomes came in, and end the hold."""
        requests, service = Requests(self.registry), major.partition(".")[0]
        test = read_ab_test(self.place, revisions[-1].name)
        within = {metric.name: metric.data_within for metric in test.metrics}
        for one in requests.all(service):
            window = datetime.now(UTC) - within.get(one.metric, timedelta(days=1))
            if one.major == major and one.fulfilled is None and self._last_outcome(service, one.metric, window):
                requests.fulfil(major, one.metric, actor="rung", because=f"outcomes of {one.metric} come in")
        if is_held:
            because = "every business metric of high priority has data, or will have them"
            self.registry.record_event(HOLD_ENDED, major, because=because, actor="rung")


def held_majors(registry: Registry, service: str | None = None) -> dict[str, str]:
    """Give the majors that are on hold, each with the reason."""
    held: dict[str, str] = {}
    for event in registry.events_of(HOLD, HOLD_ENDED, service=service):
        if event.kind == HOLD:
            held[event.subject] = event.because
        else:
            held.pop(event.subject, None)
    return held
