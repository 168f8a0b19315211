"""Envoy's split of the units is the one that Python computes, so that an experiment can be audited."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

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


def arms(site: Site, units: list[str]) -> dict[str, tuple[str, str]]:
    """Return the arm that the server was told and the revision that answered, by unit."""
    with site.client() as client:
        seen = {unit: client.post("/housing/v1/predict", headers={"x-unit-id": unit}).json() for unit in units}
    return {unit: (entry["headers"]["x-rung-arm"], entry["revision"]) for unit, entry in seen.items()}


def test_units_get_the_arm_that_python_computes(pair: Site):
    routing = pair.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.3)
    pair.gateway.apply(routing)
    split = routing.productions[0].split
    assert split
    revisions = {"challenger": "housing.v1.m3", "incumbent": "housing.v1.m2"}
    expected = {unit: (assigned(split, unit), revisions[assigned(split, unit)]) for unit in UNITS}
    assert len(UNITS) == 300
    assert arms(pair, UNITS) == expected
    assert {arm for arm, _ in expected.values()} == {"challenger", "incumbent"}


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
    split = Split(experiment="e2", challenger="housing.v1.m3", share=0.5)
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


def test_services_may_name_their_unit(pair: Site):
    split = Split(experiment="e1", challenger="housing.v1.m3", share=1.0)
    production = Production(
        service="housing", major=1, incumbent="housing.v1.m2", split=split, unit_header="x-customer"
    )
    pair.gateway.apply(Routing(backends=pair.backends("m2", "m3"), productions=(production,)))
    with pair.client() as client:
        seen = client.post("/housing/v1/predict", headers={"x-customer": "7"}).json()
    assert (seen["revision"], seen["headers"]["x-rung-arm"]) == ("housing.v1.m3", "challenger")
    assert seen["headers"]["x-rung-experiment"] == "e1"
