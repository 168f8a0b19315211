"""Recorded requests sent to a real server, as the job of a promotion does."""

from __future__ import annotations

import json
import socketserver
import threading
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.serving.conftest import Server, lay_line, serving

from rung.lake import Lake
from rung.testing.replay import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Place

APP = "experiments/line/serve/app.py"


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    """A server of `line` that fails for 666."""
    lay_line(place)
    place.edit(APP, "worker=os.getpid()", "worker=1")
    place.edit(APP, "slope * instance.x", "1 / 0 if instance.x == 666 else slope * instance.x")
    place.python("-m", "rung.training.deployed", "--service", "line", environment={"RUNG_REVISION": "line.v1.m1"})
    with serving(place) as server:
        yield server


def recorded(identity: str, *values: float, y: float | None = None, **more: Any) -> dict[str, Any]:
    """Give a request as it was recorded: each number was answered with its triple, or with `y`."""
    return {
        "id": identity,
        "route": "predict",
        "body": {"instances": [{"x": x} for x in values], "parameters": {"seconds": 0.0}},
        "predictions": [{"y": 3 * x if y is None else y, "worker": 1} for x in values],
        "duration_ms": 2.0,
        **more,
    }


def replayed(server: Server, folder: Path, *requests: dict[str, Any], **more: Any) -> dict[str, Any]:
    plan, result = folder / "plan.json", folder / "result.json"
    plan.write_text(json.dumps({"major": "line.v1", "requests": requests, **more}))
    assert main(["--plan", str(plan), "--endpoint", f"unix:{server.socket}", "--result", str(result)]) == 0
    figures: dict[str, Any] = json.loads(result.read_text())
    return figures


def test_same_answers_agree(server: Server, tmp_path: Path):
    found = replayed(server, tmp_path, *(recorded(f"p{x}", x, x + 1) for x in range(30)))
    assert (found["major"], found["recorded"], found["asked"]) == ("line.v1", 30, 30)
    assert (found["refused"], found["failed"], found["problem"]) == (0, 0, "")
    assert (found["agreement"]["instances"], found["agreement"]["share"]) == (60, 1.0)
    assert found["recorded_latency"] == {"p50_ms": 2.0, "p99_ms": 2.0}
    assert 0 < found["latency"]["p50_ms"] <= found["latency"]["p99_ms"]


def test_replayed_requests_are_logged_as_such(server: Server, tmp_path: Path):
    replayed(server, tmp_path, recorded("00000000-0000-4000-8000-000000000001", 5))
    lake = Lake(tmp_path / "lake", logs=server.log)
    lake.ship()
    rows = lake.predictions().select("id", "kind").collect().rows()
    assert rows == [("00000000-0000-4000-8000-000000000001", "replay")]


def test_other_answers_are_shown(server: Server, tmp_path: Path):
    requests = [recorded("same", 1), *(recorded(f"p{x}", x, y=2.9 * x) for x in range(1, 20))]
    agreement = replayed(server, tmp_path, *requests)["agreement"]
    assert agreement["share"] == pytest.approx(1 / 20)
    assert agreement["fields"]["worker"]["close"] == 20
    assert agreement["fields"]["y"]["difference"] == pytest.approx(0.1 * sum(range(20)) / 20)
    assert len(agreement["differing"]) == 10
    first = agreement["differing"][0]
    assert (first["one"]["y"] / first["other"]["y"], first["instance"].keys()) == (pytest.approx(2.9 / 3), {"x"})


def test_refused_and_failed_requests_are_counted(server: Server, tmp_path: Path):
    found = replayed(server, tmp_path, recorded("bad", -1), recorded("worse", 666), recorded("good", 1))
    assert (found["asked"], found["refused"], found["failed"]) == (3, 1, 1)
    assert found["problem"].startswith("predict answered 422: ")
    assert found["agreement"]["instances"] == 1


def test_new_field_differs_from_nothing(server: Server, tmp_path: Path):
    before = recorded("p1", 2, predictions=[{"y": 6.0}])
    gone = recorded("p2", 2, predictions=[{"y": 6.0, "worker": 1, "was": 1}])
    assert replayed(server, tmp_path, before)["agreement"]["share"] == 1.0
    assert replayed(server, tmp_path, gone)["agreement"]["share"] == 0.0
    assert replayed(server, tmp_path, gone, is_same_major=False)["agreement"]["share"] == 1.0


def test_requests_that_could_not_be_mapped_are_refused(server: Server, tmp_path: Path):
    found = replayed(server, tmp_path, recorded("p1", 2), unmapped=["it raised KeyError"], is_same_major=False)
    assert (found["recorded"], found["asked"], found["refused"]) == (2, 2, 1)
    assert found["problem"] == "it raised KeyError"


def test_time_bounds_a_replay(server: Server, tmp_path: Path):
    slow = [recorded(f"p{x}", x) for x in range(20)]
    for request in slow:
        request["body"]["parameters"]["seconds"] = 0.4
    found = replayed(server, tmp_path, *slow, within_s=1.0, concurrency=2)
    assert 0 < found["asked"] < 10
    assert (found["recorded"], found["refused"], found["failed"]) == (20, 0, 0)


def test_server_that_hangs_up_fails_all(tmp_path: Path):
    plan, result = tmp_path / "plan.json", tmp_path / "result.json"
    plan.write_text(json.dumps({"major": "line.v1", "requests": [recorded("p1", 1)]}))
    with (
        TemporaryDirectory(prefix="rung") as folder,  # a socket's path is at most 107 bytes long
        socketserver.UnixStreamServer(f"{folder}/s", socketserver.BaseRequestHandler) as rude,
    ):
        threading.Thread(target=rude.handle_request).start()
        assert main(["--plan", str(plan), "--endpoint", f"unix:{folder}/s", "--result", str(result)]) == 0
    found = json.loads(result.read_text())
    assert (found["asked"], found["failed"]) == (1, 1)
    assert found["problem"].startswith("no answer: ")


def test_what_is_no_plan_is_said_to_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    plan = tmp_path / "plan.json"
    for text in ("{}", None):
        plan.unlink(missing_ok=True)
        if text:
            plan.write_text(text)
        assert main(["--plan", str(plan), "--endpoint", "unix:s", "--result", str(tmp_path / "result.json")]) == 2
        assert "is not a plan of a replay" in capsys.readouterr().err
