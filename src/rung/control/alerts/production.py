"""A look at production, in a process of its own: `python -m rung.control.alerts.production WORKSPACE STATE`.

The order comes on its standard input, and it answers with a line of JSON for each service. What it takes, memory of
tables and seconds of statistics, is gone when it ends; the control plane goes on meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.alerting import WINDOWS, Outcomes, Promised, Sighting, judge_outcomes, judge_promises, judge_report
from rung.data import open_catalogue
from rung.data._overview import fresh
from rung.errors import NotFoundError, RungError
from rung.lake import open_lake
from rung.lineage import Kind, Records, lineage_of
from rung.monitoring import Limits, monitor, open_sources
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rung.alerting import Window
    from rung.data import Catalogue
    from rung.lake import Lake
    from rung.monitoring import Report
    from rung.registry import Registry
    from rung.settings import Settings

__all__ = ["Found", "Order", "look", "main"]

_NICE: Final = 10
_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_MOST: Final = 3
"""Things of a kind that are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be looked at."""

    windows: Mapping[str, Sequence[str]]  # names of the windows, by service
    promises: bool  # whether datasets are held to what their producers promised
    known: frozenset[tuple[Any, ...]] = frozenset()  # keys of alerts that are open: these need no suspects
    budget_s: float = 240.0  # after which no further service is begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found of one service; of datasets, where the service is `*`."""

    service: str
    judged: tuple[tuple[str, int, str], ...] = ()  # service, major, scope
    sightings: tuple[Sighting, ...] = ()
    data: tuple[str, ...] = ()  # about what was trained on, a sentence each
    upstream: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    error: str = ""  # why there is no more of it

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Found:
        """Read what `to_json` gave."""
        plain = {name: tuple(data[name]) for name in ("data", "upstream", "moved")}
        return cls(
            service=data["service"],
            judged=tuple((service, major, scope) for service, major, scope in data["judged"]),
            sightings=tuple(map(Sighting.from_json, data["sightings"])),
            error=data["error"],
            **plain,
        )


def main(arguments: list[str] | None = None) -> int:
    """Look as the order on standard input says."""
    root, state = map(Path, sys.argv[1:] if arguments is None else arguments)
    os.nice(_NICE)
    given = json.load(sys.stdin)
    order = Order(**{**given, "known": frozenset(map(tuple, given["known"]))})
    for found in look(Workspace(root=root, state=state), order, now=datetime.now(UTC)):
        sys.stdout.write(json.dumps(found.to_json()) + "\n")
        sys.stdout.flush()
    return 0


def look(workspace: Workspace, order: Order, *, now: datetime) -> Iterator[Found]:
    """Look at one service after the other, and at datasets; one's trouble keeps no other from being looked at."""
    eye = _Eye(workspace=workspace, settings=workspace.settings(), lake=open_lake(workspace), now=now)
    began = time.monotonic()
    for service, names in order.windows.items():
        if time.monotonic() - began > order.budget_s:
            return
        yield _guarded(
            service, partial(eye.service, service, [one for one in WINDOWS if one.name in names], order.known)
        )
    if order.promises:
        yield _guarded("*", eye.promises)


def _guarded(service: str, work: Callable[[], Found]) -> Found:
    """The one broad except of the look: what goes wrong is told, and the others are looked at."""
    try:
        return work()
    except RungError as error:
        return Found(service=service, error=str(error))
    except Exception as error:  # noqa: BLE001  a look must go on
        traceback.print_exc()
        return Found(service=service, error=f"{type(error).__name__}, see control.log")


@dataclass(slots=True, kw_only=True)
class _Eye:
    workspace: Workspace
    settings: Settings
    lake: Lake
    now: datetime
    reports: list[Report] = field(default_factory=list)

    def service(self, service: str, windows: Sequence[Window], known: frozenset[tuple[Any, ...]]) -> Found:
        rules = self.settings.rules(service)
        sightings: list[Sighting] = []
        judged: set[tuple[str, int, str]] = set()
        self.reports = []
        for window in reversed(windows):  # the longest first: of two that see the same it is the one that is kept
            rate = window.false_alarms(self.settings.alerts)
            for report in self._reports(service, window):
                sightings += judge_report(report, window, rules, alpha=rate.alpha)
                judged.add((service, _major(report), window.name))
                self.reports.append(report)
            if window.every is not None:
                sightings += self._outcomes(service, alpha=rate.alpha)
                judged.add((service, 0, window.name))
        found = Found(service=service, judged=tuple(sorted(judged)), sightings=tuple(sightings))
        new = [one for one in sightings if one.opens and one.key not in known]
        return self._explained(found, new) if new else found

    def promises(self) -> Found:
        catalogue = open_catalogue(self.workspace)
        if "freshness" in self.settings.alerts.off:
            return Found(service="*")
        found = judge_promises(
            promised for name in catalogue.names() for promised in _promised(catalogue, name, self.now)
        )
        return Found(service="*", judged=(("*", 0, "data"),), sightings=tuple(found))

    def _reports(self, service: str, window: Window) -> list[Report]:
        rules = self.settings.rules(service)
        limits = Limits(false_alarms=window.false_alarms(self.settings.alerts), least=rules.least_drift)
        sources = open_sources(self.workspace, service, limits=limits, lake=self.lake)
        try:
            return monitor(service, sources, since=self.now - window.length, now=self.now, enough=window.enough)
        except NotFoundError:  # nobody asked
            return []

    def _outcomes(self, service: str, *, alpha: float) -> list[Sighting]:
        rules = self.settings.rules(service)
        found = [judge_outcomes(one, rules, alpha=alpha) for one in _came(self.lake, service, self.now)]
        return [one for one in found if one is not None]

    def _explained(self, found: Found, new: Sequence[Sighting]) -> Found:
        """Look for what may be behind sightings; without it they are told all the same."""
        names = sorted({one.about for one in new if one.minor is not None})
        found = replace(found, moved=tuple(_moved(self.reports, names)))
        for add in (self._with_data, self._with_upstream):
            more = _guarded(found.service, partial(add, found, names))
            found = replace(found, error=more.error) if more.error else more
        return found

    def _with_data(self, found: Found, names: Sequence[str]) -> Found:
        with self._registry() as registry:
            catalogue = open_catalogue(self.workspace)
            told = tuple(line for name in names for line in _trained_on(registry, catalogue, name))
        return replace(found, data=told)

    def _with_upstream(self, found: Found, names: Sequence[str]) -> Found:
        with self._registry() as registry:
            told = tuple(line for name in names for line in self._upstream(registry, name))
        return replace(found, upstream=told)

    def _registry(self) -> Registry:
        return open_registry(self.workspace.state, self.workspace.registry_url(), upgrades=False)

    def _upstream(self, registry: Registry, name: str) -> Iterator[str]:
        catalogue = open_catalogue(self.workspace)
        records = Records(registry=registry, catalogue=catalogue, lake=self.lake)
        nodes = lineage_of(name, records, down=False).lineage.nodes.values()
        sources = sorted({one.name for one in nodes if one.kind in {Kind.SOURCE, Kind.FILE}})
        if sources:
            yield f"{name} was made from {', '.join(sources[:_MOST])}"
        for dataset in sorted({one.name.partition("@")[0] for one in nodes if one.kind is Kind.DATASET}):
            yield from (told.because for told in judge_promises(_promised(catalogue, dataset, self.now)))


def _major(report: Report) -> int:
    return int(report.revision.split(".")[1][1:])


def _came(lake: Lake, service: str, now: datetime) -> list[Outcomes]:
    """Count the outcomes of each metric that came in, and the requests, of the last day and of the week before it."""
    recent = (pl.col("service") == service) & (pl.col("date") >= (now - _DAY - _WEEK).date())
    requests = lake.predictions().filter(recent, pl.col("kind") == "production").select("time", pl.lit("").alias("of"))
    outcomes = lake.outcomes().filter(recent).select(pl.col("received").alias("time"), pl.col("metric").alias("of"))
    asked = _counted(requests, now).get("", (0, 0))
    return [
        Outcomes(service=service, metric=metric, now=new, requests=asked[0], before=old, requests_before=asked[1])
        for metric, (new, old) in _counted(outcomes, now).items()
    ]


def _counted(rows: pl.LazyFrame, now: datetime) -> dict[str, tuple[int, int]]:
    """Count rows of the last day and of the week before, by what they are of."""
    is_new = pl.col("time") >= now - _DAY
    within = rows.filter(pl.col("time").is_between(now - _DAY - _WEEK, now, closed="left"))
    counts = within.group_by("of").agg(new=is_new.sum(), old=(~is_new).sum()).sort("of").collect(engine="streaming")
    return {of: (new, old) for of, new, old in counts.iter_rows()}


def _promised(catalogue: Catalogue, name: str, now: datetime) -> Iterator[Promised]:
    numbers = catalogue.shelf(name).numbers() if catalogue.has(name) else []
    entry = catalogue.entry(name) if numbers else None
    kept = None if entry is None else fresh(entry, catalogue.version(name, numbers[-1]), now)
    if kept is not None and entry is not None:
        yield Promised(dataset=name, age_s=kept.is_now, promised_s=kept.promised, owner=entry.owner)


def _trained_on(registry: Registry, catalogue: Catalogue, name: str) -> Iterator[str]:
    """Tell which versions of datasets a revision was trained on, and the newest ones."""
    run = registry.run(registry.revision(RevisionName.parse(name)).run)
    read = {
        (one["dataset"], one["version"]) for task in run["tasks"] for one in task.get("data", ()) if "dataset" in one
    }
    for dataset, version in sorted(read)[:_MOST]:
        numbers = catalogue.shelf(dataset).numbers() if catalogue.has(dataset) else []
        newest = catalogue.version(dataset, numbers[-1]) if numbers else None
        if newest is not None and newest.number > version:
            yield f"{name} was trained on {dataset}@{version}; the newest is @{newest.number}, of {newest.time[:10]}"
        else:
            yield f"{name} was trained on {dataset}@{version}, which is the newest"


def _moved(reports: Sequence[Report], names: Sequence[str]) -> Iterator[str]:
    """Name the parts of the rows that moved most, against the training where it is known."""
    for report in reports:
        if report.revision in names:
            for against, segments in report.segments.items():
                for one in segments[:_MOST]:
                    yield f"{one.name}: {one.before:.1%} of the rows became {one.now:.1%} (against {against})"
            return


if __name__ == "__main__":
    sys.exit(main())
