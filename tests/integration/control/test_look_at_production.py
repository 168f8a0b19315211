"""A look at production: logged requests, references, outcomes and datasets in, alerts with their suspects out."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from platform_api import platform_api

from rung.artifacts import LocalStore, encode
from rung.control._usage import Sample, Usage
from rung.control.alerts.production import Order, look
from rung.data import ingest, open_catalogue
from rung.lake import OUTCOMES, AppendLog, open_lake, outcome_line, prediction_line
from rung.lifecycle import State
from rung.serving import Bundle
from rung.serving._bundle import write_bundle
from rung.testing import REFERENCE, Reference
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

    from rung.control.alerts.production import Found
    from rung.registry import Registry

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
REVISION = "housing.v1.m1"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Traffic:
    """Writes what servers and consumers would."""

    def __init__(self, workspace: Workspace) -> None:
        self.random, self.count = np.random.default_rng(7), 0
        self.workspace = workspace
        logs = open_lake(workspace).logs
        self.predictions, self.outcomes = AppendLog(logs), AppendLog(logs, OUTCOMES)

    def asked(
        self, begin: datetime, requests: int, *, rooms: float = 5.0, status: int = 200, outcomes: float = 0
    ) -> None:
        for number in range(requests):
            self.count += 1
            at = begin + HOUR * number / requests
            house = {"rooms": float(self.random.normal(rooms, 1)), "area": float(self.random.normal(100, 20))}
            self.predictions.append(
                prediction_line(
                    id=f"p{self.count}",
                    revision=REVISION,
                    time=round(at.timestamp() * 1e6),
                    kind="production",
                    status=status,
                    duration_ms=float(self.random.lognormal(1)),
                    instances=json.dumps([house]).encode(),
                    predictions=json.dumps([{"price": 1.0}]).encode() if status == 200 else None,
                )
            )
            if self.random.random() < outcomes:
                received = round((at + timedelta(minutes=1)).timestamp() * 1e6)
                told = {"service": "housing", "metric": "sold", "value": 1.0, "prediction_id": f"p{self.count}"}
                self.outcomes.append(outcome_line(received=received, **told))

    def trained(self) -> None:
        """Keep what evaluation keeps."""
        houses = [
            {"rooms": float(self.random.normal(5, 1)), "area": float(self.random.normal(100, 20))} for _ in range(1_500)
        ]
        kept = Reference(trained=houses, held_out=[], truths=[], predictions={})
        digest = LocalStore(self.workspace.artifacts).put(encode(kept.model_dump()))
        write_bundle(
            self.workspace.state,
            Bundle(
                revision=REVISION,
                run=REVISION,
                artifacts={REFERENCE: digest},
                contract={},
                infrastructure={},
                example={},
            ),
        )

    def look(self, *windows: str, now: datetime = NOW, promises: bool = False) -> list[Found]:
        open_lake(self.workspace).ship()
        return list(look(self.workspace, Order(windows={"housing": windows}, promises=promises), now=now))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "rung.toml").write_text("")
    return Workspace(root=tmp_path, state=tmp_path / ".rung")


@pytest.fixture
def traffic(workspace: Workspace) -> Iterator[Traffic]:
    found = Traffic(workspace)
    yield found
    found.predictions.close()
    found.outcomes.close()


def opened(found: list[Found]) -> set[tuple[str, str, str]]:
    return {(one.kind, one.subject, one.against) for part in found for one in part.sightings if one.opens}


def test_quiet_service_is_judged_and_raises_nothing(traffic: Traffic):
    traffic.trained()
    traffic.asked(NOW - HOUR, 400)
    (found,) = traffic.look("recent", "day")
    assert found.judged == (("housing", 0, "day"), ("housing", 1, "day"), ("housing", 1, "recent"))
    assert opened([found]) == set()


def test_service_that_nobody_asked_is_not_judged(traffic: Traffic):
    traffic.trained()
    traffic.asked(NOW - 5 * DAY, 10)
    assert traffic.look("recent")[0].judged == ()


def test_moved_column_is_seen_with_what_moved_most(traffic: Traffic):
    traffic.trained()
    traffic.asked(NOW - HOUR, 400, rooms=5.7)
    (found,) = traffic.look("recent")
    assert opened([found]) == {("drift", "instance.rooms", "training")}
    (rooms,) = [one for one in found.sightings if one.opens]
    assert (rooms.about, rooms.severity, rooms.scope) == (REVISION, "warning", "recent")
    assert "rooms" in found.moved[0]


def test_known_alerts_need_no_suspects(traffic: Traffic):
    traffic.trained()
    traffic.asked(NOW - HOUR, 400, rooms=5.7)
    open_lake(traffic.workspace).ship()
    known = frozenset({("housing", 1, "drift", "instance.rooms", "training")})
    order = Order(windows={"housing": ["recent"]}, promises=False, known=known)
    (found,) = look(traffic.workspace, order, now=NOW)
    assert opened([found]) == {("drift", "instance.rooms", "training")}
    assert found.moved == ()


def test_failures_above_the_limit_are_errors(traffic: Traffic):
    traffic.asked(NOW - HOUR, 200)
    traffic.asked(NOW - HOUR, 40, status=500)
    (found,) = traffic.look("recent")
    (errors,) = [one for one in found.sightings if one.kind == "errors"]
    assert (errors.against, errors.severity) == ("limit", "critical")
    assert errors.because.startswith("40 of 240 requests failed since")


def test_outcomes_that_stay_away_are_told(traffic: Traffic):
    for days in range(2, 8):
        traffic.asked(NOW - DAY * days, 200, outcomes=0.9)
    traffic.asked(NOW - 3 * HOUR, 200, outcomes=0.1)
    (found,) = traffic.look("day")
    (coverage,) = [one for one in found.sightings if one.kind == "coverage"]
    assert (coverage.about, coverage.subject) == ("housing", "sold")
    assert "of 200 requests" in coverage.because


def test_settings_of_a_service_turn_rules_off(traffic: Traffic):
    (traffic.workspace.root / "rung.toml").write_text('[services.housing.alerts]\noff = ["drift"]\n')
    traffic.trained()
    traffic.asked(NOW - HOUR, 400, rooms=5.7)
    assert opened(traffic.look("recent")) == set()


def test_promises_of_producers_are_held(traffic: Traffic, monkeypatch: pytest.MonkeyPatch):
    (traffic.workspace.root / "houses.csv").write_text("id,rooms\n1,5\n")
    monkeypatch.chdir(traffic.workspace.root)
    ingest("houses.csv", name="houses")
    open_catalogue(traffic.workspace).annotate("houses", owner="the land registry", freshness_s=3_600)
    found = traffic.look(now=datetime.now(UTC) + DAY, promises=True)[-1]
    (stale,) = found.sightings
    assert (stale.kind, stale.subject, stale.owner, stale.next) == (
        "freshness",
        "houses",
        "the land registry",
        "rung data show houses",
    )
    assert found.judged == (("*", 0, "data"),)


# --- through the watch: the process that looks, the registry, the suspects ---


def incumbent(registry: Registry) -> None:
    registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    name = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        registry.move(name, state, because="for a test", actor="ada")
    attempt = registry.begin_promotion(name, actor="bob")
    promotion = next(one for one in registry.promotions() if one.id == attempt)
    registry.crown(promotion, because="it is better", warm_until=datetime.now(UTC))
    read = {"dataset": "houses", "version": 1, "asked_version": None, "asked_as_of": None}
    task = {"name": "load", "state": "ran", "digest": None, "size": None, "data": [read]}
    whose = {"user": "ada", "revision": REVISION, "commit": None, "dirty": False, "environment": None}
    when = {"id": REVISION, "service": "housing", "started": "2026-11-01T00:00:00+00:00", "status": "succeeded"}
    registry.record_run({**whose, **when, "metrics": {}, "tasks": [task]})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with platform_api(tmp_path / "shop") as found:
        yield found
        found.platform.loop.watch.close()


def test_watch_opens_alerts_with_owner_and_suspects(api: Api, monkeypatch: pytest.MonkeyPatch):
    platform = api.platform
    workspace, registry, watch = platform.place.workspace, platform.registry, platform.loop.watch
    incumbent(registry)
    monkeypatch.chdir(workspace.root)
    for number in (1, 2):
        (workspace.root / f"houses{number}.csv").write_text(f"id,rooms\n{number},5\n")
        ingest(f"houses{number}.csv", name="houses", owner="the land registry")
    traffic, now = Traffic(workspace), datetime.now(UTC)
    traffic.trained()
    traffic.asked(now - HOUR, 400, rooms=5.7)
    platform.lake.ship()
    sample = replace(Sample(), asked={REVISION: now.timestamp()})
    monkeypatch.setattr(Usage, "last", lambda _: sample)
    watch.look_at_production()
    (alert,) = registry.alerts("housing")
    assert (alert.kind, alert.subject, str(alert.revision)) == ("drift", "instance.rooms", REVISION)
    assert alert.owner == "ada, who trained it; bob, who had it promoted"
    told = "\n".join(alert.suspects)
    assert f"{REVISION} was trained on houses@1; the newest is @2" in told
    assert f"{REVISION} was made from" in told
    assert "houses1.csv" in told
    assert "rooms from" in told or "rooms below" in told
    assert "incumbent, it is better" in told
    watch.look_at_production()
    assert [one.times for one in registry.alerts("housing")] == [2]
    assert [event.kind for event in registry.events(service="housing")].count("alert") == 1
    traffic.predictions.close()
    traffic.outcomes.close()
