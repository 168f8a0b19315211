"""The serving process: gunicorn with real workers, real artifacts, real signals."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from rung.serving import read_bundle, write_bundle

from .conftest import serving

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("predictions-*") for line in path.read_text().splitlines()]


def test_trained_revision_answers(line: Place):
    with serving(line) as server:
        assert server.get("/readyz").json() == {"status": "ready", "revision": "line.v1.m1"}
        answer = server.predict(2.0)
        assert answer.json()["predictions"][0]["y"] == 6.0
        assert answer.headers["x-revision"] == "line.v1.m1"
        assert (server.socket.stat().st_mode & 0o077) == 0
    assert server.process.returncode == 0


def test_metrics_are_summed_over_workers(line: Place):
    with serving(line, workers=2) as server:
        workers = set()
        for _ in range(200):
            workers.add(server.worker())
            if len(workers) == 2:
                break
        count = len(lines(server.log))
        assert len(workers) == 2
        assert f'rung_requests_total{{route="predict",status="200"}} {count}.0' in server.get("/metrics").text


@pytest.mark.fault
def test_dead_worker_takes_nothing_with_it(line: Place):
    with serving(line, workers=2) as server:
        acknowledged = [server.predict(number) for number in range(20)]
        os.kill(server.worker(), signal.SIGKILL)
        after: list[httpx2.Response] = []
        for number in range(20):
            try:
                after.append(server.predict(number))
            except httpx2.TransportError:  # it was on its way to the one that died
                continue
        assert len(after) >= 19
        kept = {entry["id"]: json.loads(entry["predictions"]) for entry in lines(server.log)}
        for answer in (*acknowledged, *after):
            assert kept[answer.headers["x-request-id"]] == answer.json()["predictions"]


@pytest.mark.fault
def test_requests_in_flight_are_answered_at_the_end(line: Place):
    answers: list[httpx2.Response] = []
    with serving(line) as server:
        threads = [threading.Thread(target=lambda: answers.append(server.predict(seconds=1.0))) for _ in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 15
        while len(list(line.root.glob("begun.*"))) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.process.wait(timeout=15) == 0
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.headers["x-request-id"] for answer in answers} <= {entry["id"] for entry in lines(server.log)}


@pytest.mark.fault
def test_changed_artifact_is_named_and_never_served(line: Place):
    digest = read_bundle(line.root / ".rung", "line.v1.m1").artifacts["fit"].partition(":")[2]
    path = line.root / ".rung" / "artifacts" / digest[:2] / digest[2:]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with serving(line) as server:
        answer = server.get("/readyz")
        assert answer.status_code == 503
        assert "the artifact 'fit'" in answer.json()["detail"]
        assert server.predict().status_code == 503


def test_revision_without_a_bundle_is_not_ready(line: Place):
    with serving(line, revision="line.v1.m7") as server:
        assert "line.v1.m7 has no trained artifacts" in server.get("/readyz").json()["detail"]


def test_example_that_fails_is_not_ready(line: Place):
    state = line.root / ".rung"
    bundle = read_bundle(state, "line.v1.m1")
    write_bundle(state, bundle.model_copy(update={"example": {"predict": {"instances": [{"x": -1}]}}}))
    with serving(line) as server:
        answer = server.get("/readyz")
        assert answer.status_code == 503
        assert "ValidationError" in answer.json()["detail"]
