"""Contracts of consumers in a real registry: versions that are never changed, the last one holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung.errors import NotFoundError
from rung.registry import known_registry
from rung.schema import ConsumerRequest

if TYPE_CHECKING:
    from pathlib import Path

    from rung.registry import Registry

REQUEST = ConsumerRequest(route="predict", body={"instances": [{"x": 1}]})


def add(registry: Registry, consumer: str = "webshop", major: str = "housing.v1", place: str = "/price") -> int:
    reads = {place: ("number",)}
    made = registry.add_contract(major, consumer, requests=[REQUEST], reads=reads, because="they said so", actor="ada")
    return made.version


def test_the_newest_version_holds(registry: Registry):
    assert [add(registry), add(registry, place="/tax")] == [1, 2]
    (contract,) = registry.contracts("housing", 1)
    assert (contract.version, contract.reads, contract.requests) == (2, {"/tax": ("number",)}, (REQUEST,))
    assert [event.data["version"] for event in registry.contract_events("housing")] == [1, 2]


def test_majors_services_and_consumers_are_apart(registry: Registry):
    add(registry)
    add(registry, "desk")
    assert add(registry, major="housing.v2") == 1
    add(registry, major="parcels.v1")
    assert [one.consumer for one in registry.contracts("housing", 1)] == ["desk", "webshop"]
    assert [one.consumer for one in registry.contracts("housing", 2)] == ["webshop"]
    assert registry.contracts("housing", 3) == []
    assert len(registry.contract_events("housing")) == 3


def test_a_removed_contract_holds_no_more_and_stays_on_record(registry: Registry):
    add(registry)
    registry.remove_contract("housing.v1", "webshop", because="switched off", actor="ada")
    assert registry.contracts("housing", 1) == []
    assert [event.because for event in registry.contract_events("housing")] == ["they said so", "switched off"]
    with pytest.raises(NotFoundError, match=r"'webshop' has no contract with housing\.v1"):
        registry.remove_contract("housing.v1", "webshop", because="again", actor="ada")
    assert add(registry) == 2


def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path):
    with known_registry(tmp_path / "state") as registry:
        assert registry is None
    assert list(tmp_path.iterdir()) == []
