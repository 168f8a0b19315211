"""A deployment compares its server with the evaluation, and measures what the server takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import tiny_service
from live_platform import LivePlatform, live_platform

from rung.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = 'model["slope"] * instance.x + offset'


@pytest.fixture(scope="module")
def platform() -> Iterator[LivePlatform]:
    """A platform with nothing but the tiny service's code."""
    with live_platform() as platform:
        tiny_service.write(platform.root)
        platform.rung("up", "--detach")
        yield platform


def evidence(platform: LivePlatform, name: str, state: str) -> dict[str, Any]:
    """Give what the event of a move keeps."""
    return next(event["data"] for event in platform.ask("why", name)["events"] if event["kind"] == state)


def train(platform: LivePlatform) -> str:
    platform.commit()
    name: str = platform.ask("deploy", "training", "tiny")["id"]
    return name


def test_same_answers_make_a_candidate(platform: LivePlatform):
    name = train(platform)
    told = platform.rung("deploy", "serving", name).stdout
    assert "its server answered a prediction; 200 held-out rows are answered as in its evaluation" in told
    found = evidence(platform, name, "candidate")["agreement"]
    assert (found["rows"], found["kept"], found["differing"], found["largest_difference"]) == (200, 200, 0, 0)

    lake = Lake(platform.place.lake, logs=platform.place.predictions)
    lake.ship()
    kinds = lake.predictions().select("kind").collect()["kind"].to_list()
    assert set(kinds) == {"test"}
    assert len(kinds) >= 200 / 8


def test_memory_is_measured_and_shown(platform: LivePlatform):
    tiny_service.change(platform.root, "memory_gib=1,\n", "memory_gib=0.01,\n", file="infrastructure/hardware.py")
    name = train(platform)
    told = platform.rung("deploy", "serving", name).stdout
    assert "memory: 2 workers, " in told
    memory = evidence(platform, name, "candidate")["memory"]
    assert memory["is_above"]
    assert 2 * memory["worker_bytes"] < memory["total_bytes"] < 1 << 30

    shown = platform.revision(name)
    assert shown["memory"] == {**memory, "told": shown["memory"]["told"]}
    assert shown["troubles"] == [f"its server takes {shown['memory']['told']}"]
    status = platform.rung("status").stdout
    assert "MEMORY" in status
    assert f"  {memory['total_bytes'] / 2**20:.0f} MiB  " in status
    assert f"{name}: its server takes 2 workers, " in status
    assert "which is too little: raise memory_gib or lower gunicorn_workers" in status


def test_other_answers_fail_the_deployment(platform: LivePlatform):
    only_there = f'{ANSWER} + ("RUNG_LOG" in os.environ and instance.x == 7)'
    tiny_service.change(platform.root, "import math", "import math\nimport os", file="serve/app.py")
    tiny_service.change(platform.root, ANSWER, only_there, file="serve/app.py")
    name = train(platform)
    platform.rung("deploy", "serving", name, expect=4)
    shown = platform.revision(name)
    assert shown["state"] == "failed"
    assert "1 of 200 held-out rows are not answered as in its evaluation; the first is /exchanges/" in shown["reason"]
    assert shown["reason"].endswith("/y of predict: expected 0.0, got 1.0")
    assert evidence(platform, name, "failed")["agreement"]["first"]["instance"] == {"x": 7}
    tiny_service.change(platform.root, only_there, ANSWER, file="serve/app.py")


def test_revision_without_kept_answers_is_served(platform: LivePlatform):
    itself = "TestResults(data=(), regression=(), rows=0, example={'predict': {'instances': [{'x': 1}]}})"
    found = "evaluate_models(X_test=[Instance(x=x) for x in load_data], y_test=[2.0 * x for x in load_data])"
    tiny_service.change(platform.root, found, itself)
    name = train(platform)
    told = platform.rung("deploy", "serving", name).stdout
    assert "not compared with its evaluation: its training kept no answers" in told
    tiny_service.change(platform.root, itself, found)
