from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rung.control._cost import bill, cost_of
from rung.control._usage import Sample, Use, between, by_revision, idle
from rung.lifecycle import State
from rung.registry import Revision
from rung.schema import RevisionName
from rung.settings import Policy, Price, Settings

NAME = "housing.v1.m2"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GIB = 1024**3


def seen(time: float, cpu_s: dict[str, float], *, memory: float = 0.0, requests: int = 0) -> Sample:
    return Sample(time=time, cpu_s={NAME: cpu_s}, memory_bytes={NAME: memory}, requests={NAME: {"own": requests}})


def counted(time: float, requests: dict[str, dict[str, int]]) -> Sample:
    return Sample(time=time, requests=requests)


def revision(state: State, *, minor: int = 2, days: float = 10) -> Revision:
    return Revision(
        name=RevisionName(service="housing", major=1, minor=minor),
        state=state,
        reason="",
        since=NOW - timedelta(days=days),
        created=NOW - timedelta(days=30),
        actor="ada",
        run="r",
        commit=None,
        dirty=False,
        environment=None,
        warm_until=None,
        promoted=None,
    )


def test_what_was_used_is_the_difference():
    found = between(
        seen(100, {"1@0": 5.0}, memory=GIB, requests=7), seen(110, {"1@0": 8.5}, memory=2 * GIB, requests=19)
    )
    assert found == {NAME: Use(cpu_s=3.5, memory_byte_s=20.0 * GIB, requests=12, served_s=10.0)}


def test_first_sample_counts_processor_time_from_the_start():
    found = between(Sample(), seen(100, {"1@0": 5.0}, memory=GIB, requests=3))[NAME]
    assert found == Use(cpu_s=5.0, memory_byte_s=0.0, requests=3, served_s=0.0)


def test_replaced_worker_is_counted_from_its_start():
    found = between(seen(0, {"1@0": 5.0, "2@0": 9.0}), seen(10, {"1@0": 6.0, "3@5": 2.0}))[NAME]
    assert found.cpu_s == 3.0


def test_gateway_that_began_anew_loses_nothing():
    assert between(seen(0, {}, requests=500), seen(10, {}, requests=4))[NAME].requests == 4


def test_server_that_is_gone_uses_nothing():
    assert between(seen(0, {"1@0": 5.0}), Sample(time=10)) == {}


@pytest.mark.parametrize("state", [State.CANDIDATE, State.INCUMBENT])
def test_revision_that_nobody_asks_is_idle(state: State):
    assert idle([revision(state)], {}, Settings(), NOW) == {NAME: NOW - timedelta(days=10)}


@pytest.mark.parametrize("state", [State.RETIRED, State.TESTING, State.EXPERIMENTING, State.SHADOWING, State.DEPLOYING])
def test_revision_that_waits_is_not_idle(state: State):
    assert idle([revision(state)], {}, Settings(), NOW) == {}


def test_request_ends_idleness():
    asked = {NAME: (NOW - timedelta(days=1)).timestamp()}
    assert idle([revision(State.INCUMBENT)], asked, Settings(), NOW) == {}
    assert idle([revision(State.INCUMBENT)], asked, Settings(), NOW + timedelta(days=6.5)) == {
        NAME: NOW - timedelta(days=1)
    }


def test_new_state_begins_idleness_anew():
    assert idle([revision(State.INCUMBENT, days=2)], {NAME: 0.0}, Settings(), NOW) == {}


@pytest.mark.parametrize(("idle_after_s", "is_idle"), [(0, False), (3_600, True), (11 * 86_400, False)])
def test_policy_says_when(idle_after_s: int, is_idle: bool):
    settings = Settings(services={"housing": Policy(idle_after_s=idle_after_s)})
    assert bool(idle([revision(State.CANDIDATE)], {}, settings, NOW)) is is_idle


def test_use_is_priced_by_the_hour():
    use = Use(cpu_s=7_200, memory_byte_s=3 * GIB * 3_600)
    assert cost_of(use, Price(cpu_hour=0.05, gib_hour=0.01)) == pytest.approx(0.13)


def test_bill_names_the_dearest_first():
    used = {NAME: Use(cpu_s=1), "housing.v1.m3": Use(cpu_s=9, memory_byte_s=GIB * 60, requests=4, served_s=60)}
    found = bill(used, [revision(State.INCUMBENT)], price=Price(cpu_hour=3_600), idle={NAME: NOW})
    assert [one["revision"] for one in found] == ["housing.v1.m3", NAME]
    assert (found[0]["state"], found[0]["memory_gib_s"], found[0]["cost"]) == (None, 60.0, 9.0)
    assert (found[1]["state"], found[1]["idle_since"]) == ("incumbent", NOW.isoformat())


def test_nothing_is_priced_without_prices():
    assert bill({NAME: Use(cpu_s=1)}, [], price=None, idle={})[0]["cost"] is None


def test_requests_of_all_gateways_are_added_up():
    first = by_revision({"own": {NAME: 5}, "berlin": {NAME: 3}}, {})
    later = by_revision({"own": {NAME: 9}, "berlin": {NAME: 1}}, first)
    assert between(counted(0, first), counted(10, later))[NAME].requests == 4 + 1  # one of them began anew


def test_silent_gateway_is_not_counted_twice_when_it_is_back():
    first = by_revision({"own": {NAME: 5}, "berlin": {NAME: 3}}, {})
    silent = by_revision({"own": {NAME: 5}}, first)
    back = by_revision({"own": {NAME: 5}, "berlin": {NAME: 4}}, silent)
    assert between(counted(0, first), counted(10, silent))[NAME].requests == 0
    assert between(counted(10, silent), counted(20, back))[NAME].requests == 1


def test_what_is_routed_nowhere_is_forgotten():
    assert by_revision({"own": {}}, {NAME: {"own": 5, "berlin": 3}}) == {}
