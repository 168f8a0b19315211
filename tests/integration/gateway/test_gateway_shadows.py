"""Shadows see what production sees, and production sees nothing of them."""

from __future__ import annotations

import re
import signal
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Site

    Seen = Callable[[str], dict[str, dict[str, Any]]]

MOST_AT_ONCE = 64  # requests of one shadow


@pytest.fixture
def diaries(site: Site) -> dict[str, Path]:
    """Three revisions that write down what they are asked."""
    paths = {name: site.folder / f"{name}.seen" for name in ("m2", "m3", "m4")}
    for name, path in paths.items():
        site.serve(name, SEEN=str(path))
        path.unlink(missing_ok=True)
    return paths


@pytest.fixture
def seen(site: Site, diaries: dict[str, Path], read_lines: Callable[[Path], list[dict[str, Any]]]) -> Seen:
    """What a revision was asked, by the request's id, once no mirrored request is on its way."""

    def read(name: str) -> dict[str, dict[str, Any]]:
        until(lambda: not any(under_way(site).values()))
        entries = read_lines(diaries[name]) if diaries[name].exists() else []
        assert len({entry["headers"]["x-request-id"] for entry in entries}) == len(entries)
        return {entry["headers"]["x-request-id"]: entry for entry in entries}

    return read


def under_way(site: Site) -> dict[str, int]:
    """Return how many mirrored requests have no answer yet, by what they wait for."""
    return {
        name: value
        for name, value in site.statistics("cluster.housing/v1/").items()
        if re.search(r"-shadow\.upstream_rq_(pending_)?active$", name)
    }


def send(site: Site, requests: int) -> list[str]:
    """Return the ids of the answers."""
    with site.client() as client:
        answers = [client.post("/housing/v1/predict", json={}, headers={"x-unit-id": "7"}) for _ in range(requests)]
    assert {answer.json()["revision"] for answer in answers} == {"housing.v1.m2"}
    return [answer.headers["x-request-id"] for answer in answers]


def test_every_shadow_sees_the_request(site: Site, seen: Seen):
    site.gateway.apply(site.routing("m2", "m3", "m4", incumbent="m2", shadows={"m3": 1.0, "m4": 1.0}))
    ids = send(site, 20)
    assert len(set(ids)) == 20
    for name, route in {"m2": "production", "m3": "shadow", "m4": "shadow"}.items():
        entries = seen(name)
        assert entries.keys() == set(ids)
        assert {entry["headers"]["x-rung-route"] for entry in entries.values()} == {route}
        assert {entry["path"] for entry in entries.values()} == {"/predict"}


def test_shadow_is_told_the_experiment(site: Site, seen: Seen):
    site.gateway.apply(site.routing("m2", "m3", "m4", incumbent="m2", challenger="m3", share=0.0, shadows={"m4": 1.0}))
    send(site, 5)
    told = [
        {name: value for name, value in entry["headers"].items() if name.startswith("x-rung-")}
        for entry in seen("m4").values()
    ]
    marks = {"x-rung-experiment": "e1", "x-rung-arm": "incumbent", "x-rung-propensity": "1.0000"}
    assert told == [{**marks, "x-rung-route": "shadow"}] * 5


def test_larger_share_sees_what_the_smaller_sees(site: Site, seen: Seen):
    site.gateway.apply(site.routing("m2", "m3", "m4", incumbent="m2", shadows={"m3": 0.2, "m4": 0.6}))
    send(site, 400)
    smaller, larger = seen("m3"), seen("m4")
    assert 40 < len(smaller) < 120  # five standard deviations to either side
    assert 190 < len(larger) < 290
    assert smaller.keys() <= larger.keys()


def test_shadow_without_share_sees_nothing(site: Site, seen: Seen):
    site.gateway.apply(site.routing("m2", "m3", "m4", incumbent="m2", shadows={"m3": 0.0, "m4": 1.0}))
    send(site, 50)
    assert len(seen("m4")) == 50
    assert seen("m3") == {}


def test_shadow_sees_the_whole_body(site: Site, seen: Seen):
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0}))
    with site.client() as client:
        client.post("/housing/v1/predict", content=b"x" * 5_000_000)
    (entry,) = seen("m3").values()
    assert entry["body_bytes"] == 5_000_000


def assert_as_fast(answers: list[float], before: list[float]) -> None:
    """Compare medians, generously: other processes of the machine are in them too."""
    assert statistics.median(answers) < 2 * statistics.median(before) + 0.005


@pytest.mark.fault
def test_hanging_shadow_costs_production_nothing(site: Site, capsys: pytest.CaptureFixture[str]):
    site.serve("m2")
    hanging = site.serve("m3", HANGS_ON="shadow")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    with site.load() as before:
        before.wait_for(400)
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0}))
    with site.load() as load, site.client() as client:
        load.wait_for(800)
        shadow = site.statistics("cluster.housing/v1/m3-shadow.")
        exact = client.get("/housing/v1/m3/predict")
    hanging.stop(signal.SIGKILL)
    assert load.failures == []
    assert_as_fast(load.seconds, before.seconds)
    assert exact.is_success
    for under_way in ("upstream_rq_active", "upstream_cx_active", "upstream_rq_pending_active"):
        assert 0 < shadow[under_way] <= MOST_AT_ONCE
    assert shadow["upstream_rq_pending_overflow"] > 0
    with capsys.disabled():
        medians = [f"{statistics.median(each.seconds) * 1e3:.1f} ms" for each in (before, load)]
        print(f"\nmedian without a shadow {medians[0]}, with one that hangs {medians[1]}")  # noqa: T201  # the figure


@pytest.mark.fault
def test_frozen_shadow_costs_production_nothing(site: Site):
    site.serve("m2")
    frozen = site.serve("m3")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0}))
    with site.load() as load:
        load.wait_for(200)
        frozen.process.send_signal(signal.SIGSTOP)
        before = list(load.seconds)
        load.wait_for(600)
        with site.client() as client:
            large = client.post("/housing/v1/predict", content=b"x" * 5_000_000)
        until(lambda: not site.gateway.healthy("housing.v1.m3"))
        load.wait_for(200)
    frozen.stop(signal.SIGKILL)
    assert load.failures == []
    assert large.is_success
    assert_as_fast(load.seconds[len(before) :], before)


@pytest.mark.fault
def test_hanging_requests_of_a_shadow_end(site: Site):
    site.serve("m2")
    hanging = site.serve("m3", HANGS_ON="shadow")
    routing = site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0})
    impatient = (*site.backends("m2"), *site.backends("m3", timeout_s=0.5))
    site.gateway.apply(replace(routing, backends=impatient))
    send(site, 20)
    assert any(under_way(site).values())
    until(lambda: not any(under_way(site).values()))
    hanging.stop(signal.SIGKILL)


@pytest.mark.fault
def test_killed_shadow_costs_production_nothing(site: Site):
    site.serve("m2")
    shadow = site.serve("m3")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0}))
    with site.load() as load:
        load.wait_for(200)
        shadow.stop(signal.SIGKILL)
        before = list(load.seconds)
        load.wait_for(300)
        until(lambda: not site.gateway.healthy("housing.v1.m3"))
        load.wait_for(200)
    assert load.failures == []
    assert_as_fast(load.seconds[len(before) :], before)


@pytest.mark.fault
def test_shadow_comes_back(site: Site):
    site.serve("m2")
    site.serve("m3").stop(signal.SIGKILL)
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", shadows={"m3": 1.0}))
    diary = site.folder / "back.seen"
    site.serve("m3", SEEN=str(diary))
    until(lambda: bool(send(site, 1)) and diary.exists())
