"""Datasets of what services answered are brought up to date by themselves, each by a process of its own."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from rung.control._feedback import Feedback
from rung.control.place import Place
from rung.data import Append, open_catalogue
from rung.data.feedback import refresh
from rung.lake import AppendLog, open_lake, prediction_line
from rung.lifecycle import State
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Registry

RETRAINED = "[services.shop.retraining]\nnew_data = true\ncool_down_s = 60\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "rung.toml").write_text(RETRAINED)
    return Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))


@pytest.fixture
def registry(place: Place) -> Iterator[Registry]:
    with open_registry(place.workspace.state) as opened:
        yield opened


def feedback(place: Place, registry: Registry, *must_forget: str) -> Feedback:
    return Feedback(place=place, registry=registry, must_forget=frozenset(must_forget))


def answer(place: Place, service: str, number: int) -> None:
    """Log and ship one answer."""
    lake = open_lake(place.workspace)
    log = AppendLog(lake.logs)
    line = prediction_line(
        id=f"{service}-{number}",
        revision=f"{service}.v1.m1",
        time=int(time.time() * 1e6),
        status=200,
        duration_ms=1,
        kind="production",
        instances=b'[{"area":1.0}]',
        predictions=b'[{"price":1.0}]',
    )
    log.append(line)
    log.close()
    lake.ship()


def rows(place: Place, service: str) -> list[int]:
    return [one.rows for one in open_catalogue(place.workspace).versions(f"{service}.predictions")]


def look_until_it_ended(found: Feedback, seconds: float = 60.0) -> None:
    found.look()
    deadline = time.monotonic() + seconds
    while found._running is not None or found._waiting:  # noqa: SLF001  what goes on is nobody else's
        assert time.monotonic() < deadline
        time.sleep(0.1)
        found.look()


def test_a_dataset_is_brought_up_to_date_once_a_day(place: Place, registry: Registry):
    answer(place, "housing", 1)
    answer(place, "reviews", 1)
    refresh(place.workspace, "housing")
    answer(place, "housing", 2)
    found = feedback(place, registry)
    look_until_it_ended(found)
    assert rows(place, "housing") == [1]  # its newest version is of today
    found._planned, found._tried["housing"] = -math.inf, -math.inf  # noqa: SLF001  as if a day had passed
    look_until_it_ended(found)
    assert rows(place, "housing") == [1, 2]
    assert not open_catalogue(place.workspace).has("reviews.predictions")  # nobody has asked for it
    answer(place, "housing", 3)
    look_until_it_ended(found)
    assert rows(place, "housing") == [1, 2]


def test_what_must_be_forgotten_is_looked_at_at_once(place: Place, registry: Registry):
    answer(place, "housing", 1)
    refresh(place.workspace, "housing")
    answer(place, "housing", 2)
    look_until_it_ended(feedback(place, registry, "housing"))
    assert rows(place, "housing") == [1, 2]


def test_what_a_retraining_waits_for_comes_as_often_as_it_may_begin(place: Place, registry: Registry):
    for service in ("housing", "shop"):
        answer(place, service, 1)
        refresh(place.workspace, service)
    name = registry.create_revision("shop", 1, actor="ada", commit="c", dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE, State.TESTING, State.INCUMBENT):
        registry.move(name, state, because="so", actor="ada")
    read: list[dict[str, Any]] = [{"path": "dataset:shop.predictions@1", "dataset": "shop.predictions", "version": 1}]
    started = "2026-11-22T00:00:00+00:00"
    record = {"id": str(name), "service": "shop", "started": started, "status": "succeeded"}
    registry.record_run({**record, "tasks": [{"name": "load", "data": read}]})
    found = feedback(place, registry)
    an_hour_ago = time.monotonic() - 3_601
    found._tried |= {"housing": an_hour_ago, "shop": an_hour_ago}  # noqa: SLF001  as if time had passed
    assert found._due() == ["shop"]  # noqa: SLF001  what look begins


def test_a_dataset_that_somebody_ingested_is_left_alone(place: Place, registry: Registry):
    catalogue = open_catalogue(place.workspace)
    catalogue.write("own.predictions", pl.DataFrame({"x": [1]}), how=Append())
    found = feedback(place, registry, "own")
    look_until_it_ended(found)
    assert rows(place, "own") == [1]


def test_a_refresh_that_runs_is_stopped_with_the_platform(place: Place, registry: Registry):
    answer(place, "housing", 1)
    refresh(place.workspace, "housing")
    found = feedback(place, registry, "housing")
    found.look()
    assert found._running is not None  # noqa: SLF001  it takes a second at least
    child = found._running.child  # noqa: SLF001
    found.close()
    assert child.returncode is not None
