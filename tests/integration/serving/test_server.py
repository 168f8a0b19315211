"""The serving process: gunicorn with real workers, real artifacts, real signals."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
import pytest
from waiting import until

from rung.serving import read_bundle, write_bundle

from .conftest import Server, serving

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("predictions-*") for line in path.read_text().splitlines()]


def test_trained_revision_answers(line: Place):
    with serving(line) as server:
        ready = {"status": "ready", "revision": "line.v1.m1", "artifacts": {"fit": "native"}}
        assert server.get("/readyz").json() == ready
        answer = server.predict(2.0)
        assert answer.json()["predictions"][0]["y"] == 6.0
        assert answer.headers["x-revision"] == "line.v1.m1"
        assert (server.socket.stat().st_mode & 0o077) == 0
    assert server.process.returncode == 0


def test_metrics_are_summed_over_workers(line: Place):
    with serving(line, workers=2) as server:
        server.every_worker(2)
        count = len(lines(server.log))
        expected = f'rung_requests_total{{route="predict",status="200"}} {count}.0'
        until(lambda: expected in server.get("/metrics").text)  # the other worker hands its counts over soon


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
        until(lambda: len(list(line.root.glob("begun.*"))) == 4)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.process.wait(timeout=60) == 0
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.headers["x-request-id"] for answer in answers} <= {entry["id"] for entry in lines(server.log)}


@pytest.mark.fault
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpx2 drops refused sockets unclosed
def test_no_request_is_lost_when_a_server_ends_under_load(line: Place):
    answers: list[httpx2.Response] = []
    refused = threading.Event()

    def call_on(server: Server) -> None:
        with server.client() as client:  # one connection, kept alive
            while not refused.is_set():
                try:
                    answers.append(client.post("/predict", json={"instances": [{"x": 1}]}))
                except httpx2.ConnectError:
                    refused.set()  # it was not accepted: the gateway sends it elsewhere

    with serving(line) as server:
        threads = [threading.Thread(target=call_on, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(answers) >= 200)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.process.wait(timeout=60) == 0
    gc.collect()
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["x-request-id"] for answer in answers} == {entry["id"] for entry in lines(server.log)}


def declare(place: Place, **serving_hardware: Any) -> None:
    """Change what the revision's bundle says of its machine."""
    state = place.root / ".rung"
    bundle = read_bundle(state, "line.v1.m1")
    write_bundle(state, bundle.model_copy(update={"infrastructure": {"serving": serving_hardware}}))


def test_requests_beyond_the_queue_are_told_to_come_again(line: Place):
    declare(line, batching={"max_instances": 4}, max_waiting=2)
    answers: list[httpx2.Response] = []
    with serving(line) as server:
        threads = [
            threading.Thread(target=lambda seconds=seconds: answers.append(server.predict(seconds=seconds)))
            for seconds in (1.51, 1.52, 1.53, 1.54, 1.55, 1.56)  # none shares a call with another
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.get("/livez").status_code == 200
        assert server.predict().status_code == 200
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 200, 503, 503, 503]
    turned_away = next(answer for answer in answers if answer.status_code == 503)
    assert turned_away.headers["retry-after"] == "1"
    assert "overloaded" in turned_away.json()["detail"]
    assert [entry["status"] for entry in lines(server.log)].count(503) == 3


def test_late_prediction_is_a_504(line: Place):
    declare(line, request_timeout_s=0.5)
    with serving(line) as server:
        begun = time.monotonic()
        answer = server.predict(seconds=3.0)
        assert time.monotonic() - begun < 3
        assert answer.status_code == 504
        assert "request_timeout_s" in answer.json()["detail"]
        assert server.predict().status_code == 200


@pytest.mark.fault
def test_worker_whose_calls_hang_is_replaced(line: Place):
    declare(line, request_timeout_s=0.3, batching={"max_instances": 4})
    with serving(line) as server:
        before = server.worker()
        late = [server.predict(seconds=60.0).status_code for _ in range(4)]
        assert late == [504] * 4
        deadline = time.monotonic() + 60
        after = before
        while after == before:
            assert time.monotonic() < deadline
            try:
                after = server.worker()
            except (httpx2.TransportError, KeyError):
                time.sleep(0.1)


def test_many_callers_share_calls_and_get_their_own(line: Place):
    declare(line, batching={"max_instances": 64})
    wrong: list[float] = []

    def call_on(server: Server, first: int) -> None:
        with server.client() as client:
            for x in range(first, first + 100):
                answer = client.post("/predict", json={"instances": [{"x": x}, {"x": x + 0.5}]})
                if [prediction["y"] for prediction in answer.json()["predictions"]] != [3.0 * x, 3.0 * x + 1.5]:
                    wrong.append(x)

    with serving(line) as server:
        threads = [threading.Thread(target=call_on, args=(server, 1_000 * number)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


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
        refused = server.predict()
        assert (refused.status_code, refused.headers["x-rung-not-ready"]) == (503, "1")  # the gateway asks another one


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


def test_workers_end_with_a_killed_parent(line: Place):
    with serving(line, workers=2) as server:
        workers = psutil.Process(server.process.pid).children()
        assert len(workers) == 2
        server.process.kill()
        gone, left = psutil.wait_procs(workers, timeout=60)
    for process in left:
        process.kill()
    assert len(gone) == 2
