"""Locust from its own environment against a real uvicorn on loopback."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import uvicorn

from rung.errors import BrokenError, CallError
from rung.lifecycle import judge_load
from rung.testing.load import LoadPlan, run_load
from rung.testing.load._run import LOCK, run_bounded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = {"latency_p99_ms": 1_000.0, "throughput_rps": 25.0, "error_rate": 0.01}


class App:
    """Does what each body says: `sleep` seconds, alone or not, then answers with `status`."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[dict[str, Any], Any]] = []  # scope, body
        self.arrivals: list[float] = []
        self.at_work: list[tuple[float, int]] = []
        self._working = 0
        self._alone: asyncio.Lock | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        self.arrivals.append(time.perf_counter())
        self.seen.append((scope, body))
        self._count(1)
        self._alone = self._alone or asyncio.Lock()
        if body.get("alone"):
            async with self._alone:
                await asyncio.sleep(body["sleep"])
        else:
            await asyncio.sleep(body.get("sleep", 0))
        self._count(-1)
        headers = [(b"content-length", b"5"), (b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": body.get("status", 200), "headers": headers})
        await send({"type": "http.response.body", "body": b"words"})

    def _count(self, change: int) -> None:
        self._working += change
        self.at_work.append((time.perf_counter(), self._working))


@contextmanager
def serve(app: App) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/housing/v1/m2"
        server.should_exit = server.force_exit = True
        thread.join()


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    with serve(app) as app.url:
        yield app


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


def plan(*bodies: dict[str, Any], stages: list[dict[str, float]], rate: float = 20, last: float = 0.1) -> LoadPlan:
    return LoadPlan.model_validate(
        {"route": "predict", "bodies": bodies, "stages": stages, "open": {"rate_rps": rate, "duration_s": last}}
    )


def command(planned: LoadPlan, url: str, environments: Path, folder: Path) -> list[str]:
    (folder / "plan.json").write_text(planned.model_dump_json())
    options = {"plan": folder / "plan.json", "url": url, "environments": environments, "result": folder / "result.json"}
    return [sys.executable, "-m", "rung.testing.load", *(f"--{name}={value}" for name, value in options.items())]


def test_fast_endpoint_passes(app: App, environments: Path, tmp_path: Path):
    planned = plan({"row": 1}, {"row": 2}, stages=[{"users": 4, "duration": 1, "interval": 0.02}], rate=50, last=1)
    done = subprocess.run(command(planned, app.url, environments, tmp_path), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads((tmp_path / "result.json").read_text())
    assert judge_load(found, LIMITS).kind == "pass"
    assert (found["failures"], found["errors"], found["users"]) == (0, [], 4)
    assert found["requests"] + found["open"]["requests"] == len(app.seen)
    assert (found["open"]["requests"], found["open"]["rate_rps"]) == (50, 50)
    assert found["open"]["throughput_rps"] == pytest.approx(50, rel=0.3)
    assert found["throughput_rps"] == pytest.approx(found["requests"] / found["seconds"], rel=1e-3)

    scopes, bodies = zip(*app.seen, strict=True)
    assert {scope["path"] for scope in scopes} == {"/housing/v1/m2/predict"}
    assert abs(bodies.count({"row": 1}) - bodies.count({"row": 2})) <= 1
    assert not [name for scope in scopes for name, _ in scope["headers"] if name.startswith((b"x-", b"cookie"))]
    assert len({tuple(scope["client"]) for scope in scopes}) < 4 + 20  # users keep theirs; so does the fixed rate


def test_slow_share_is_the_99th_percentile(app: App, environments: Path):
    bodies = [{"sleep": 0}] * 19 + [{"sleep": 1}]
    found = run_load(
        plan(*bodies, stages=[{"users": 5, "duration": 3, "interval": 0.01}], rate=80, last=2), app.url, environments
    )
    for part in (found, found["open"]):
        assert part["latency_p50_ms"] < 500
        assert part["latency_p90_ms"] < 1_000
        assert 1_000 <= part["latency_p99_ms"] < 3_000


def test_stages_keep_their_shape(app: App, environments: Path):
    stages = [
        {"users": 2, "duration": 1.6},
        {"users": 6, "duration": 1},
        {"users": 3, "duration": 1.4},
        {"users": 5, "duration": 1},
    ]
    found = run_load(plan({"sleep": 0.1}, stages=stages), app.url, environments)
    begin = app.arrivals[0]
    for middle, users in ((1.0, 2), (2.2, 6), (3.4, 3), (4.6, 5)):
        counts = [count for at, count in app.at_work if middle - 0.3 < at - begin < middle + 0.3]
        assert max(counts) == users
        assert statistics.median(counts) >= users / 2
    assert found["seconds"] == pytest.approx(5, abs=1)
    assert found["users"] == 6


def test_users_pause_and_spread(app: App, environments: Path):
    run_load(plan({}, stages=[{"users": 10, "duration": 3.6, "interval": 1.2}]), app.url, environments)
    first = sorted(at - app.arrivals[0] for at in app.arrivals[:10])
    assert max(after - before for before, after in itertools.pairwise(first)) < 0.45
    assert 20 <= len(app.arrivals) - 2 <= 30  # the last two are the fixed rate's


def test_overload_shows_at_the_fixed_rate(app: App, environments: Path):
    planned = plan({"sleep": 0.025, "alone": True}, stages=[{"users": 2, "duration": 1}], rate=80, last=1)
    found = run_load(planned, app.url, environments)
    assert found["open"]["latency_p99_ms"] > 700
    assert found["latency_p99_ms"] < found["open"]["latency_p99_ms"] / 2  # users in turn wait, and see nothing
    assert found["open"]["throughput_rps"] < 45
    verdict = judge_load(found, {**LIMITS, "throughput_rps": 60.0})
    assert verdict.kind == "fail"
    assert "with users in turn" not in verdict.because
    assert "of the promised 60 requests/s" in verdict.because


def test_any_other_status_is_a_failure(app: App, environments: Path):
    bodies = [{}, {"status": 202}, {"status": 302}, {"status": 503}]
    found = run_load(plan(*bodies, stages=[{"users": 1, "duration": 1}], rate=40, last=0.2), app.url, environments)
    assert found["failures"] == pytest.approx(found["requests"] * 3 / 4, abs=3)
    assert found["open"]["failures"] == 6
    assert [error["error"].split(":")[0] for error in found["open"]["errors"]] == [
        "status 202",
        "status 302",
        "status 503",
    ]
    assert {"error": "status 503: words", "count": 2} in found["open"]["errors"]
    assert "/elsewhere" not in {scope["path"] for scope, _ in app.seen}


def test_nobody_there_is_a_failure(environments: Path):
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/housing/v1/m2"
        found = run_load(plan({}, stages=[{"users": 2, "duration": 1, "interval": 0.1}]), url, environments)
    assert found["failures"] == found["requests"] > 10
    assert [error["error"] for error in found["errors"]] == [
        "ConnectionRefusedError: [Errno 111] Connection refused",
    ]
    assert judge_load(found, LIMITS).kind == "fail"


@pytest.mark.parametrize(
    "ending",
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
    ids=["terminated", "interrupted", "killed"],
)
def test_load_ends_with_the_test(app: App, environments: Path, tmp_path: Path, ending: tuple[signal.Signals, int]):
    number, code = ending
    planned = plan({}, stages=[{"users": 2, "duration": 300, "interval": 0.02}])
    process = subprocess.Popen(command(planned, app.url, environments, tmp_path), stderr=subprocess.PIPE)
    while not app.seen:
        time.sleep(0.02)
    (locust,) = psutil.Process(process.pid).children()
    os.kill(process.pid, number)
    _, words = process.communicate(timeout=60)
    assert (process.returncode, words) == (code, b"")
    assert psutil.wait_procs([locust], timeout=60)[1] == []
    assert not (tmp_path / "result.json").exists()


def test_overdue_load_test_is_killed():
    code = "import sys, time; print('what it said', file=sys.stderr, flush=True); time.sleep(600)"
    begin = time.perf_counter()
    with pytest.raises(BrokenError, match=r"did not end within 0\.5 s and was killed\nwhat it said"):
        run_bounded([sys.executable, "-c", code], limit_s=0.5)
    assert time.perf_counter() - begin < 5


def test_broken_locust_is_told():
    with pytest.raises(BrokenError, match=r"Locust ended with 1\n(.|\n)*ZeroDivisionError"):
        run_bounded([sys.executable, "-c", "1 / 0"], limit_s=10)


def test_wrong_plan_is_told(tmp_path: Path):
    planned = command(plan({}, stages=[{"users": 1, "duration": 1}]), "http://127.0.0.1:1", tmp_path, tmp_path)
    (tmp_path / "plan.json").write_text('{"route": "predict"}')
    done = subprocess.run(planned, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "plan.json is not a plan of a load test: bodies: Field required" in done.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:4780/housing", "ftp://host/housing", "http://host/housing?a=1"])
def test_url_that_cannot_be_called_is_refused(url: str, tmp_path: Path):
    with pytest.raises(CallError, match="not the URL of a revision"):
        run_load(plan({}, stages=[{"users": 1, "duration": 1}]), url, tmp_path)


def test_more_connections_than_the_machine_has_are_refused(tmp_path: Path):
    script = (
        "import resource, sys; from pathlib import Path; from rung.testing.load import *\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))\n"
        "run_load(LoadPlan.model_validate_json(sys.argv[1]), 'http://127.0.0.1:1', Path(sys.argv[2]))"
    )
    planned = plan({}, stages=[{"users": 450, "duration": 1}]).model_dump_json()
    done = subprocess.run([sys.executable, "-c", script, planned, tmp_path], capture_output=True, check=False)
    assert b"may need 550 connections at once, and a process may have 500 files here" in done.stderr


def test_lock_names_versions_and_no_index():
    text = LOCK.read_text(encoding="utf-8")
    assert text.count("--hash=sha256:") > text.count("==") > 25
    assert "://" not in text
    assert "rung" not in text
