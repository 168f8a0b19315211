"""Metrics, cost and idleness as the API tells them, of a platform with revisions on record and no servers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from platform_api import grant, platform_api
from prometheus_client.parser import text_string_to_metric_families

from rung.control import _usage, doctor
from rung.lifecycle import State
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

    from rung.schema import RevisionName

PRICES = '[price]\ncpu_hour = 0.04\ngib_hour = 0.005\ncurrency = "EUR"\n'
IDLE = "[services.housing]\nidle_after_s = 3600\ntear_down_idle = true\n"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with platform_api(tmp_path / "shop", PRICES + IDLE) as found:
        yield found


def candidate(api: Api, service: str = "housing") -> RevisionName:
    registry = api.platform.registry
    name = registry.create_revision(service, 1, actor="ada", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        registry.move(name, state, because="for a test", actor="ada")
    return name


def used(api: Api, days_ago: int, **uses: _usage.Use) -> None:
    day = datetime.now(UTC).date() - timedelta(days=days_ago)
    folder = api.platform.place.usage
    folder.mkdir(parents=True, exist_ok=True)
    revisions = {name.replace("_", "."): {**vars_of(use)} for name, use in uses.items()}
    document = {"last": {"time": 0.0}, "revisions": revisions}
    (folder / f"{day.isoformat()}.json").write_text(json.dumps(document))


def vars_of(use: _usage.Use) -> dict[str, float]:
    return {name: getattr(use, name) for name in use.__slots__}


def test_page_can_be_read(api: Api):
    name = candidate(api)
    answer = api.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {one.name: one for one in text_string_to_metric_families(answer.text)}
    assert families["rung_gateway_up"].samples[0].value == 0
    (state,) = families["rung_state"].samples
    assert state.labels == {"revision": str(name), "state": "candidate"}


def test_only_who_may_read_everything_sees_the_page(api: Api):
    assert api.ask("GET", "/metrics", None).status_code == 401
    assert api.ask("GET", "/metrics", api.token("one", grant("viewer", "housing"))).status_code == 403
    assert api.ask("GET", "/metrics", api.token("all", grant("viewer"))).status_code == 200


def test_page_of_one_service_names_no_other(api: Api):
    candidate(api)
    candidate(api, "sentiment")
    page = api.ask("GET", "/metrics?service=sentiment", api.token("one", grant("viewer", "sentiment"))).text
    assert 'rung_state{revision="sentiment.v1.m0",state="candidate"} 1' in page
    assert "housing" not in page


def test_cost_is_of_the_days_that_are_asked_for(api: Api):
    candidate(api)
    used(api, 0, housing_v1_m0=_usage.Use(cpu_s=3_600, memory_byte_s=2 * 3_600 * 1024**3, requests=5, served_s=60))
    used(api, 9, housing_v1_m0=_usage.Use(cpu_s=36_000), sentiment_v1_m0=_usage.Use(cpu_s=1))
    week = api.ask("GET", "/cost", params={"days": 7}).json()
    assert week["currency"] == "EUR"
    (found,) = week["revisions"]
    assert (found["revision"], found["requests"], found["state"]) == ("housing.v1.m0", 5, "candidate")
    assert found["cost"] == pytest.approx(0.05)
    month = api.ask("GET", "/cost").json()["revisions"]
    assert [one["cpu_s"] for one in month] == [39_600, 1]
    assert [one["service"] for one in api.ask("GET", "/cost", params={"service": "sentiment"}).json()["revisions"]] == [
        "sentiment"
    ]


def test_cost_of_other_services_stays_theirs(api: Api):
    used(api, 0, housing_v1_m0=_usage.Use(cpu_s=1), sentiment_v1_m0=_usage.Use(cpu_s=1))
    seen = api.ask("GET", "/cost", api.token("one", grant("viewer", "housing"))).json()["revisions"]
    assert [one["service"] for one in seen] == ["housing"]


def test_idle_candidate_is_named_then_torn_down(api: Api, monkeypatch: pytest.MonkeyPatch):
    benchmark, idle, asked, other = candidate(api), candidate(api), candidate(api), candidate(api, "sentiment")
    later = datetime.now(UTC) + timedelta(hours=2)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # noqa: ARG003  as the real one
            return later

    monkeypatch.setattr("rung.control._view.datetime", Later)
    shown = api.platform.view.status("housing")["services"][0]["majors"][0]["revisions"]
    assert [one["idle"] for one in shown] == ["nobody has asked it for 2 hours"] * 3
    with open_registry(api.platform.place.workspace.state) as registry:
        told = [one.told for one in doctor.examine_idle(api.platform.place, registry, later)]
    assert told == ["nobody has asked it for 2 hours"] * 3
    monkeypatch.setattr("rung.control.deployment.deployments.datetime", Later)
    api.platform.deployments.end_idle({str(asked): later.timestamp()})
    revisions = {one.name: one for one in api.platform.registry.revisions()}
    assert {name for name, one in revisions.items() if one.state is State.CANDIDATE} == {benchmark, asked, other}
    assert revisions[idle].reason == "nobody has asked it for 2 hours, and tear_down_idle is set"
