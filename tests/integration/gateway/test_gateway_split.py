"""Envoy's split of the units is the one that Python computes, so that an experiment can be audited."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from waiting import until

from rung.gateway import Production, Routing, Split, assigned

if TYPE_CHECKING:
    from conftest import Site

UNITS = [*(f"customer-{number}" for number in range(290)), "1", " ".join("spaced"), "~!@#$%^&*()", "x" * 256]
UNITS += [f"https://example.org/{number}?a=b&c=d" for number in range(6)]


@pytest.fixture
def pair(site: Site) -> Site:
    site.serve("m2")
    site.serve("m3")
    return site


@pytest.fixture
def trio(pair: Site) -> Site:
    pair.serve("m4")
    return pair


def headers(site: Site, units: list[str]) -> dict[str, dict[str, str]]:
    """Return what the server was told and, as "answered", the revision that answered, by unit."""
    with site.client() as client:
        seen = {unit: client.post("/housing/v1/predict", headers={"x-unit-id": unit}).json() for unit in units}
    return {unit: {**entry["headers"], "answered": entry["revision"]} for unit, entry in seen.items()}


def arms(site: Site, units: list[str]) -> dict[str, tuple[str, str]]:
    """Return the arm that the server was told and the revision that answered, by unit."""
    return {unit: (seen["x-rung-arm"], seen["answered"]) for unit, seen in headers(site, units).items()}


def computed(production: Production, units: list[str]) -> dict[str, tuple[str, str]]:
    """Return the arm and who answers for it as Python computes them, by unit."""
    found = {unit: assigned(production, unit) for unit in units}
    return {unit: (arm.name, arm.revision) for unit, arm in found.items() if arm}


def test_units_get_the_arm_that_python_computes(pair: Site):
    routing = pair.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.3)
    pair.gateway.apply(routing)
    expected = computed(routing.productions[0], UNITS)
    assert len(expected) == len(UNITS) == 300
    assert arms(pair, UNITS) == expected
    assert {arm for arm, _ in expected.values()} == {"challenger", "incumbent"}


def test_bandits_assign_among_all_arms(trio: Site):
    routing = trio.bandit("m2", "m3", "m4", incumbent="m2", shares={"m4": 0.3, "m3": 0.2}, salt="b1.7")
    trio.gateway.apply(routing)
    seen = headers(trio, UNITS)
    assert {unit: (each["x-rung-arm"], each["answered"]) for unit, each in seen.items()} == computed(
        routing.productions[0], UNITS
    )
    told = Counter((each["x-rung-arm"], each["x-rung-propensity"]) for each in seen.values())
    assert told.keys() == {("m4", "0.3000"), ("m3", "0.2000"), ("m2", "0.5000")}
    assert {each["x-rung-experiment"] for each in seen.values()} == {"b1"}


def test_each_interval_of_a_bandit_draws_anew(trio: Site):
    seen = []
    for salt in ("b1.1", "b1.2"):
        trio.gateway.apply(trio.bandit("m2", "m3", incumbent="m2", shares={"m3": 0.5}, salt=salt))
        seen.append(arms(trio, UNITS))
    assert 100 < sum(seen[0][unit] != seen[1][unit] for unit in UNITS) < 200


@pytest.mark.fault
def test_units_of_a_dead_arm_are_answered_by_the_incumbent(trio: Site):
    routing = trio.bandit("m2", "m3", "m4", incumbent="m2", shares={"m3": 0.3, "m4": 0.3})
    trio.gateway.apply(routing)
    trio.servers["m4"].stop(signal.SIGKILL)
    at_once = arms(trio, UNITS)
    until(lambda: not trio.gateway.healthy("housing.v1.m4"))
    answered_by = {"m2": "housing.v1.m2", "m3": "housing.v1.m3", "m4": "housing.v1.m2"}
    expected = {unit: (arm, answered_by[arm]) for unit, (arm, _) in computed(routing.productions[0], UNITS).items()}
    assert at_once == expected
    assert arms(trio, UNITS) == expected


def test_standby_answers_for_a_dead_incumbent(trio: Site):
    trio.gateway.apply(trio.routing("m2", "m3", incumbent="m2", standby="m3"))
    with trio.load() as load:
        load.wait_for(100)
        assert set(load.answered) == {"housing.v1.m2"}
        trio.servers["m2"].stop(signal.SIGKILL)
        load.wait_for(200)
        until(lambda: not trio.gateway.healthy("housing.v1.m2"))
        load.wait_for(100)
        trio.serve("m2")
        until(lambda: bool(trio.gateway.healthy("housing.v1.m2")))
        before = load.answered["housing.v1.m3"]
        load.wait_for(100)
        assert load.answered["housing.v1.m3"] - before <= 8  # what was under way
    assert load.failures == []


def test_units_of_a_server_that_is_not_ready_are_answered_by_the_incumbent(trio: Site):
    routing = trio.routing("m2", "m3", incumbent="m2", challenger="m3")
    trio.gateway.apply(routing)
    assigned = computed(routing.productions[0], UNITS[:100])
    assert {arm for arm, _ in assigned.values()} == {"challenger", "incumbent"}
    with trio.client() as client:
        for unit in assigned:
            sent = {"x-unit-id": unit, "x-not-ready": "housing.v1.m3"}
            answer = client.post("/housing/v1/predict", headers=sent)
            assert (answer.status_code, answer.json()["revision"]) == (200, "housing.v1.m2")


def test_units_of_a_dead_incumbent_keep_their_arm(trio: Site):
    routing = trio.routing("m2", "m3", "m4", incumbent="m2", challenger="m3", standby="m4")
    trio.gateway.apply(routing)
    trio.servers["m2"].stop(signal.SIGKILL)
    until(lambda: not trio.gateway.healthy("housing.v1.m2"))
    answered_by = {"challenger": "housing.v1.m3", "incumbent": "housing.v1.m4"}
    expected = {unit: (arm, answered_by[arm]) for unit, (arm, _) in computed(routing.productions[0], UNITS).items()}
    assert arms(trio, UNITS) == expected


def test_paused_test_still_marks_its_units(pair: Site):
    pair.gateway.apply(pair.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.0))
    told = {
        (each["x-rung-experiment"], each["x-rung-arm"], each["x-rung-propensity"], each["answered"])
        for each in headers(pair, UNITS[:50]).values()
    }
    assert told == {("e1", "incumbent", "1.0000", "housing.v1.m2")}


def test_ramp_moves_units_to_the_challenger_only(pair: Site):
    seen = []
    for share in (0.1, 0.5):
        pair.gateway.apply(pair.routing("m2", "m3", incumbent="m2", challenger="m3", share=share))
        seen.append({unit for unit, (arm, _) in arms(pair, UNITS).items() if arm == "challenger"})
    assert seen[0] < seen[1]


def test_same_unit_keeps_its_arm(pair: Site):
    pair.gateway.apply(pair.routing("m2", "m3", incumbent="m2", challenger="m3"))
    first = arms(pair, UNITS[:50])
    assert all(arms(pair, UNITS[:50]) == first for _ in range(3))


def test_next_experiment_draws_anew(pair: Site):
    routing = pair.routing("m2", "m3", incumbent="m2", challenger="m3")
    pair.gateway.apply(routing)
    first = arms(pair, UNITS)
    split = Split.ab(experiment="e2", challenger="housing.v1.m3", share=0.5)
    pair.gateway.apply(replace(routing, productions=(replace(routing.productions[0], split=split),)))
    moved = sum(first[unit] != arm for unit, arm in arms(pair, UNITS).items())
    assert 100 < moved < 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-unit-id", "")],
        [("x-unit-id", "a,b")],
        [("x-unit-id", "a"), ("x-unit-id", "b")],
        [("x-unit-id", "ä".encode())],
        [("x-unit-id", "x" * 257)],
        [("x-customer", "a")],
    ],
    ids=["absent", "empty", "comma", "twice", "not ASCII", "too long", "another header"],
)
def test_requests_without_unit_are_outside(pair: Site, headers: list[tuple[str, Any]]):
    pair.gateway.apply(pair.routing("m2", "m3", incumbent="m2", challenger="m3", share=1.0))
    with pair.client() as client:
        seen = client.post("/housing/v1/predict", headers=headers).json()
    assert (seen["revision"], seen["headers"]["x-rung-arm"]) == ("housing.v1.m2", "none")
    assert seen["headers"]["x-rung-experiment"] == "e1"
    assert "x-rung-propensity" not in seen["headers"]


def test_services_may_name_their_unit(pair: Site):
    split = Split.ab(experiment="e1", challenger="housing.v1.m3", share=1.0)
    production = Production(
        service="housing", major=1, incumbent="housing.v1.m2", split=split, unit_header="x-customer"
    )
    pair.gateway.apply(Routing(backends=pair.backends("m2", "m3"), productions=(production,)))
    with pair.client() as client:
        seen = client.post("/housing/v1/predict", headers={"x-customer": "7"}).json()
    assert (seen["revision"], seen["headers"]["x-rung-arm"]) == ("housing.v1.m3", "challenger")
    assert seen["headers"]["x-rung-experiment"] == "e1"
