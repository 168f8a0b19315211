"""Which trainings a review compares, from a real registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rung.lifecycle import State
from rung.registry import Registry, open_registry
from rung.reviews._gather import _runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = {"load_data": "sample_data"}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with open_registry(tmp_path) as opened:
        yield opened


def record(registry: Registry, number: int, commit: str, **more: Any) -> None:
    run = {"status": "succeeded", "dirty": False, "revision": None, "overrides": {}, "settings": {}, "metrics": {}}
    started = f"2026-11-22T00:00:0{number}+00:00"
    registry.record_run({**run, "id": f"r{number}", "service": "shop", "started": started, "commit": commit, **more})


def chosen(registry: Registry) -> tuple[str | None, str | None]:
    before, after = _runs(registry, "shop", commit="base", major=1)
    return before and before["id"], after and after["id"]


def test_nothing_was_trained(registry: Registry):
    record(registry, 1, "base")
    record(registry, 2, "head", status="failed")
    assert chosen(registry) == (None, None)


def test_the_base_is_compared_where_it_was_trained_alike(registry: Registry):
    record(registry, 1, "base", overrides=SMALL)
    record(registry, 2, "base")
    record(registry, 3, "base", overrides=SMALL, dirty=True)
    record(registry, 4, "head", overrides=SMALL)
    record(registry, 5, "base", revision="shop.v1.m3")
    assert chosen(registry) == ("r1", "r4")


def test_a_changed_tree_is_the_change(registry: Registry):
    record(registry, 1, "base")
    record(registry, 2, "base", dirty=True)
    assert chosen(registry) == ("r1", "r2")


def test_the_incumbent_stands_in_for_the_base(registry: Registry):
    name = registry.create_revision("shop", 1, actor="ada", commit="old", dirty=False)
    path = (State.TRAINED, State.DEPLOYING, State.CANDIDATE, State.TESTING, State.INCUMBENT)
    for state in path:
        registry.move(name, state, because="so", actor="ada")
    record(registry, 1, "old", revision=str(name))
    record(registry, 2, "head", overrides=SMALL)
    assert chosen(registry) == ("r1", "r2")
