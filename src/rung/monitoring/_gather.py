"""Reports of a service, from what was logged of it: sketches, references and outcomes come together here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from rung.errors import NotFoundError
from rung.monitoring import _drift, _quality
from rung.monitoring._drift import Limits
from rung.monitoring._finding import Finding
from rung.monitoring._integrity import integrity
from rung.monitoring._ledger import KEEP_DAYS, Ledger
from rung.monitoring._reference import HeldOut, Known, columns_for, known_of
from rung.monitoring._report import Estimated, Report, Traffic
from rung.monitoring._sketch import Sketch, count_of, together
from rung.stats import alarms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.artifacts import Store
    from rung.data.profile import Numbers, Profile
    from rung.lake import Lake
    from rung.monitoring._drift import Drift
    from rung.monitoring._quality import Measured
    from rung.stats import Estimate

__all__ = ["Sources", "monitor"]

_WEEK: Final = timedelta(days=7)
_HOURLY: Final = timedelta(days=2)
_FEWEST: Final = 50
"""Units whose mean is held against another one."""
_UNLIKE: Final = 0.2
"""Distance of a column from which on confidence is not believed."""
_ACCURACY: Final = 0.03
"""Least difference that matters where the service does not say."""
_PERCENTILES: Final = {"p50": 3, "p95": 5, "p99": 6}
"""Places among the quantiles that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where everything is read."""

    lake: Lake
    store: Store
    state: Path  # of the workspace
    limits: Limits = Limits()  # noqa: RUF009  it is frozen
    keep_days: int = KEEP_DAYS  # sketches of older requests are removed


def monitor(name: str, sources: Sources, *, since: datetime, now: datetime, enough: int | None = None) -> list[Report]:
    """Report on every route of every revision that answered production.

    What was logged since the last look is sketched first.

    Args:
        name: Of a service, a major or a revision.
        sources: Where everything is read.
        since: Begin of the time that is looked at, aware; the week before it is what it is held against.
        now: Its end.
        enough: Requests of a route after which it is not looked further back, in whole hours; None: to its begin.

    Raises:
        NotFoundError: None of them answered production in that time.
        UnavailableError: The lake cannot be read, or sketches not be kept.
    """
    service = name.partition(".")[0]
    known: dict[str, Known] = {}

    def knows(revision: str) -> Known:
        if revision not in known:
            known[revision] = known_of(sources.state, sources.store, revision)
        return known[revision]

    ledger = Ledger(
        folder=sources.state / "monitoring" / service,
        service=service,
        vocabularies=lambda revision: knows(revision).vocabularies,
        keep_days=sources.keep_days,
    )
    ledger.look(sources.lake, now=now)
    begin = _begin(since, now)
    asked = [
        (revision, route)
        for revision, routes in ledger.revisions(begin).items()
        if revision == name or revision.startswith(f"{name}.")
        for route in routes
    ]
    if not asked:
        raise NotFoundError(
            f"{name} has answered no production request since {begin:%Y-%m-%d %H:%M} UTC",
            hint="look further back with --since 30d; `rung status` tells what answers",
        )
    return [
        _Look(
            sources=sources,
            ledger=ledger,
            known=knows(revision),
            asked=(revision, route),
            times=(begin if enough is None else _latest(ledger, (revision, route), (begin, now), enough), now),
        ).report()
        for revision, route in asked
    ]


def _latest(ledger: Ledger, asked: tuple[str, str], times: tuple[datetime, datetime], enough: int) -> datetime:
    """Give the latest hour from which on there were enough requests; where there never were, the first."""
    series, count = ledger.series(*asked, *times), 0
    for begin in sorted(series, reverse=True):
        count += series[begin].requests.rows
        if count >= enough:
            return begin
    return times[0]


def _begin(since: datetime, now: datetime) -> datetime:
    """Begin with an hour, and with a day where only days are kept."""
    hour = since.replace(minute=0, second=0, microsecond=0)
    return hour if hour >= now - _HOURLY else hour.replace(hour=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """What production is held against."""

    rows: Profile
    requests: Profile | None  # None: it is of no requests
    independent: int  # how many independent rows it stands for
    told: str  # what it is

    @property
    def columns(self) -> Profile:
        """Columns of requests beside those of rows."""
        return self.rows if self.requests is None else _merged(self.rows, self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One route of one revision, at one time."""

    sources: Sources
    ledger: Ledger
    known: Known
    asked: tuple[str, str]  # revision, route
    times: tuple[datetime, datetime]

    def report(self) -> Report:
        (revision, route), (since, until) = self.asked, self.times
        series = self.ledger.series(revision, route, since, until)
        now, references = together(series.values()), self._references()
        found = _drift.drifts(
            {name: (one.columns, one.independent) for name, one in references.items()},
            (_merged(now.rows, now.requests), now.requests.rows),
            limits=self.sources.limits,
        )
        measured = _quality.measured(self.sources.lake, revision, self.times, every=None)
        estimated = self._estimated(measured, found)
        told = [*_told(found, references, now), *self._quality(measured, estimated)]
        return Report(
            revision=revision,
            route=route,
            since=since,
            until=until,
            whole=_traffic(since, now),
            hours=tuple(_traffic(begin, one) for begin, one in series.items()),
            references={"training": self.known.because} | {name: one.told for name, one in references.items()},
            drifts=tuple(found),
            segments={
                name: tuple(_drift.segments(one.rows, now.rows, independent=(one.independent, now.requests.rows)))
                for name, one in references.items()
            },
            measured=tuple(measured),
            daily=tuple(_quality.measured(self.sources.lake, revision, self.times, every="1d")),
            estimated=estimated,
            findings=tuple(sorted(told, key=lambda one: (not one.is_alarm, -one.size))),
            now=now.rows,
            before={name: one.rows for name, one in references.items()},
        )

    def _references(self) -> dict[str, _Reference]:
        (revision, route), (since, until) = self.asked, self.times
        found = {}
        training = self._training(route)
        first = self.ledger.first(revision)
        if training.rows:
            told = f"{training.rows:,} instances of its training, and its answers to held-out ones"
            found["training"] = _Reference(rows=training, requests=None, independent=training.rows, told=told)
        elif first is not None and first + _WEEK <= since - _WEEK:
            told = f"its first week of production, from {first:%Y-%m-%d} on: {self.known.because}"
            found["training"] = self._before(first, told, until=first + _WEEK)
        before = self._before(_begin(since - _WEEK, until), "requests of the week before")
        if before.independent:
            found["before"] = replace(before, told=f"{before.independent:,} {before.told}")
        return found

    def _before(self, begin: datetime, told: str, *, until: datetime | None = None) -> _Reference:
        week = together(self.ledger.series(*self.asked, begin, until or self.times[0]).values())
        return _Reference(rows=week.rows, requests=week.requests, independent=week.requests.rows, told=told)

    def _training(self, route: str) -> Profile:
        instances = self.known.instances
        predictions = self.known.predictions.get(route)
        return instances if predictions is None else _merged(instances, predictions)

    def _estimated(self, measured: list[Measured], drifts: list[Drift]) -> Estimated | None:
        quality = self.known.qualities.get(self.asked[1])
        if quality is None:
            return None
        rows = _quality.sample(self.sources.lake, self.asked, self.times, self.known.vocabularies)
        if rows is None:
            return None
        estimate = quality.estimator.estimate(columns_for(quality, rows.columns), independent=rows.requests)
        if quality.classes:
            estimate = _held_to(estimate, drifts)
        came = next((one for one in measured if one.metric == quality.metric), None)
        if came is not None and came.interval is not None and came.units >= _FEWEST:
            low, high = max(came.interval[0], estimate.interval[0]), min(came.interval[1], estimate.interval[1])
            if low > high:
                told = f"outcomes say {came.mean:.4g}: the same question is answered differently than it was"
                estimate = replace(estimate, holds=False, because=told)
        return Estimated(
            metric=quality.metric,
            estimate=estimate,
            held_out=quality.estimator.mean,
            measured=None if came is None else came.mean,
        )

    def _quality(self, measured: list[Measured], estimated: Estimated | None) -> list[Finding]:
        """Hold quality against the week before and against held-out rows, and estimates against held-out rows."""
        since, _ = self.times
        before = _quality.measured(self.sources.lake, self.asked[0], (since - _WEEK, since), every=None)
        pairs = [(now, was) for now in measured for was in before if was.metric == now.metric]
        found = [_fallen(now, was) for now, was in pairs if min(now.units, was.units) >= _FEWEST]
        held_out = self.known.held_out.get(self.asked[1], {})
        found += [
            _missed(now, held_out[now.metric]) for now in measured if now.metric in held_out and now.units >= _FEWEST
        ]
        if estimated is not None and estimated.estimate.holds:
            found.append(_foretold(estimated))
        raised = alarms([one.p or 0.0 for one in found], self.sources.limits.alpha)
        return [
            replace(one, is_alarm=is_raised and self._is_worse(one))
            for one, is_raised in zip(found, raised, strict=True)
        ]

    def _is_worse(self, found: Finding) -> bool:
        worse = 1 if self.known.goals.get(found.subject, "maximize") == "minimize" else -1
        return bool(worse * found.data["difference"] >= self.known.least.get(found.subject, _ACCURACY) / 2)


def _held_to(estimate: Estimate, drifts: list[Drift]) -> Estimate:
    """Believe confidence only where what is asked is much like what was held out: it was calibrated on that alone."""
    asked = [one for one in drifts if one.against == "training" and one.column.startswith("instance") and one.has_moved]
    most = max(asked, key=lambda one: one.size, default=None)
    if most is None or most.size < _UNLIKE:
        return estimate
    told = f"{most.column} moved by {most.size:.2f}: how sure it is of such rows was never held against the truth"
    return replace(estimate, holds=False, because=told)


def _fallen(now: Measured, was: Measured) -> Finding:
    errors = [_error(one.interval) for one in (now, was)]
    apart = now.mean - was.mean
    return Finding(
        kind="quality",
        subject=now.metric,
        against="before",
        size=abs(apart),
        p=_two_sided(apart, math.hypot(*errors)),
        is_alarm=False,
        because=f"{now.metric} is {now.mean:.4g} of {now.units:,} units; it was {was.mean:.4g} the week before",
        data={"difference": apart, "now": now.mean, "before": was.mean},
    )


def _missed(now: Measured, held_out: HeldOut) -> Finding:
    apart = now.mean - held_out.mean
    return Finding(
        kind="quality",
        subject=now.metric,
        against="training",
        size=abs(apart),
        p=_two_sided(apart, math.hypot(_error(now.interval), held_out.standard_error)),
        is_alarm=False,
        because=(
            f"{now.metric} is {now.mean:.4g} of {now.units:,} units; it was {held_out.mean:.4g} of {held_out.rows:,}"
            " held-out rows"
        ),
        data={"difference": apart, "now": now.mean, "before": held_out.mean},
    )


def _foretold(estimated: Estimated) -> Finding:
    found = estimated.estimate
    apart = found.value - estimated.held_out
    low, high = found.interval
    return Finding(
        kind="estimate",
        subject=estimated.metric,
        against="training",
        size=abs(apart),
        p=_two_sided(apart, _error(found.interval)),
        is_alarm=False,
        because=(
            f"{estimated.metric} is probably {found.value:.4g} ({low:.4g} to {high:.4g}); it was"
            f" {estimated.held_out:.4g} on held-out rows"
        ),
        data={"difference": apart, "now": found.value, "before": estimated.held_out},
    )


def _error(interval: tuple[float, float] | None) -> float:
    return 0.0 if interval is None else (interval[1] - interval[0]) / 2 / 1.96


def _two_sided(apart: float, error: float) -> float:
    return math.erfc(abs(apart) / error / math.sqrt(2)) if error > 0 else 1.0


def _merged(one: Profile, other: Profile) -> Profile:
    return replace(one, columns=one.columns | other.columns)


def _told(found: list[Drift], references: Mapping[str, _Reference], now: Sketch) -> list[Finding]:
    """Say what moved: of rows, and of requests where that is for the worse."""
    rows = {name: one.rows for name, one in references.items()}
    requests = {name: one.requests for name, one in references.items() if one.requests is not None}
    of_requests = [one for one in found if one.column in now.requests.columns]
    of_rows = [one for one in found if one.column not in now.requests.columns]
    return [
        *_drift.findings_of(of_rows, rows, now.rows),
        *(one for name, before in rows.items() for one in integrity(before, now.rows, against=name)),
        *(
            _worse(one, requests[one.against], now.requests)
            for one in _drift.findings_of(of_requests, requests, now.requests)
        ),
    ]


def _worse(found: Finding, before: Profile, now: Profile) -> Finding:
    """Let only what got worse be an alarm."""
    if found.kind == "errors":
        counts = [(count_of(one, "failed"), one.rows) for one in (now, before)]
        (failed, requests), (was, of) = counts
        because = f"{failed:,} of {requests:,} requests failed; {was:,} of {of:,} did the week before"
        return replace(found, is_alarm=found.is_alarm and failed * of > was * requests, because=because)
    slower = _median(now.columns["duration_ms"].numbers) > _median(before.columns["duration_ms"].numbers)
    return replace(found, is_alarm=found.is_alarm and slower)


def _median(numbers: Numbers | None) -> float:
    return (numbers.median if numbers is not None else None) or 0.0


def _traffic(begin: datetime, one: Sketch) -> Traffic:
    column = one.requests.columns.get("duration_ms")
    quantiles = column.numbers.quantiles if column is not None and column.numbers is not None else ()
    return Traffic(
        begin=begin,
        requests=one.requests.rows,
        refused=count_of(one.requests, "refused"),
        failed=count_of(one.requests, "failed"),
        rows=one.rows.rows,
        latency_ms={name: quantiles[place] for name, place in _PERCENTILES.items()} if quantiles else {},
    )
