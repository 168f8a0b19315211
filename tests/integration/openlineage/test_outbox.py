"""Events of real trainings and ingests: in their file, at a real server, and later when it was away."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from openlineage_schemas import problems
from waiting import until

from rung.openlineage import emit_ingest, send_soon
from rung.openlineage.send import send
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Place

MAIN = """
from rung.training import Experiment, TestResults, data_file


def load() -> str:
    return data_file("data/rows.txt").read_text()


def evaluate(load: str) -> TestResults:
    assert load != "bad", "the rows are bad"
    return TestResults(rows=len(load), data=(), regression=(), example={})


experiment = Experiment(load, evaluate)
"""


@dataclass
class Server:
    """Takes events, or answers as it is told."""

    url: str = ""
    status: int = 200
    refuses: str = "nothing"
    """An event with this in it gets a 422."""
    events: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            server.keys.add(self.headers["authorization"])
            status = 422 if server.refuses in body else server.status
            if status == 200:
                server.events.append(json.loads(body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.url = f"http://127.0.0.1:{listening.server_port}/api/v1/lineage"
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def toy(place: Place) -> Place:
    place.service("toy", MAIN)
    place.write("data/rows.txt", "rows")
    place.commit()
    return place


def workspace(place: Place) -> Workspace:
    return Workspace(root=place.root, state=place.root / ".rung")


def written(place: Place) -> list[dict[str, Any]]:
    path = place.root / ".rung" / "log" / "openlineage.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def idle(folder: Path) -> bool:
    return (folder / "openlineage.sent").read_text() == str((folder / "openlineage.jsonl").stat().st_size)


def test_training_is_told(toy: Place):
    record = toy.train("toy")
    began, ended = written(toy)
    assert problems(began) == problems(ended) == []
    assert (began["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert began["run"]["runId"] == ended["run"]["runId"]
    assert ended["job"] == {**ended["job"], "namespace": "rung:workspace", "name": "toy.training"}
    assert [one["name"] for one in ended["inputs"]] == [str(toy.root / "data" / "rows.txt")]
    versions = [one["facets"]["version"]["datasetVersion"] for one in ended["outputs"]]
    assert versions == list(record.artifacts.values())


def test_failed_training_is_told(toy: Place):
    toy.write("data/rows.txt", "bad")
    toy.fail("toy")
    event = written(toy)[-1]
    assert problems(event) == []
    assert event["eventType"] == "FAIL"
    assert "the rows are bad" in event["run"]["facets"]["errorMessage"]["message"]


def test_ingest_is_told(toy: Place):
    toy.write("sales.csv", "house,price\na,1.5\nb,2.5\n")
    toy.python("-m", "rung.cli", "data", "ingest", "sales.csv", "--name", "houses")
    began, ended = written(toy)
    assert problems(began) == problems(ended) == []
    assert [one["name"] for one in ended["inputs"]] == [str(toy.root / "sales.csv")]
    (made,) = ended["outputs"]
    assert made["name"] == str(toy.root / ".rung" / "lake" / "datasets" / "houses")
    assert [field["name"] for field in made["facets"]["schema"]["fields"]] == ["house", "price"]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 2
    toy.write("sales.csv", "house,price\nc,many\n")
    assert toy.python("-m", "rung.cli", "data", "ingest", "sales.csv", "--name", "houses").returncode != 0
    assert written(toy)[-1]["eventType"] == "FAIL"
    toy.python("-m", "rung.cli", "data", "ingest", "sales.csv", "--name", "houses", "--dry-run")
    assert len(written(toy)) == 4


def test_recalled_training_moved_no_data(toy: Place):
    toy.train("toy")
    ended = toy.python("-m", "rung.cli", "train", "toy")
    assert "unchanged since run" in ended.stderr
    assert len(toy.runs()) == 2
    assert len(written(toy)) == 2


def test_origin_is_told_without_secrets(toy: Place):
    with (toy.root / ".git" / "config").open("a") as file:
        file.write('[remote "origin"]\n\turl = https://ada:secret@git.example.org/shop.git\n')
    toy.train("toy")
    event = written(toy)[-1]
    assert event["job"]["facets"]["sourceCodeLocation"]["url"] == "https://git.example.org/shop.git"
    assert "secret" not in json.dumps(event)


def test_events_are_sent(toy: Place, server: Server):
    toy.write("rung.toml", f'openlineage_url = "{server.url}"\n')
    toy.train("toy", environment={"OPENLINEAGE_API_KEY": "k1"})
    until(lambda: len(server.events) == 2)
    assert server.events == written(toy)
    assert server.keys == {"Bearer k1"}


def test_nothing_is_sent_without_the_setting(toy: Place, server: Server):
    toy.train("toy")
    send_soon(workspace(toy))
    time.sleep(0.5)
    assert not server.events
    assert not (toy.root / ".rung" / "log" / "openlineage.lock").exists()


def test_server_that_is_away_gets_events_later(toy: Place, server: Server):
    folder = toy.root / ".rung" / "log"
    server.status = 503
    for run in ("r1", "r2"):
        emit_ingest(workspace(toy), "houses", run=run, status="succeeded", source="data/rows.txt")
    assert not send(folder, server.url)
    server.status = 200
    assert send(folder, server.url)
    assert server.events == written(toy)
    assert send(folder, server.url)
    assert len(server.events) == 2


def test_event_that_is_refused_is_set_aside(toy: Place, server: Server):
    folder = toy.root / ".rung" / "log"
    server.refuses = "houses"
    for dataset in ("houses", "sales"):
        emit_ingest(workspace(toy), dataset, run=dataset, status="running")
    assert send(folder, server.url)
    assert [event["job"]["name"] for event in server.events] == ["sales.ingest"]
    refused = json.loads((folder / "openlineage.refused.jsonl").read_text())
    assert (refused["status"], refused["event"]["job"]["name"]) == (422, "houses.ingest")


def test_half_a_line_waits_for_its_end(toy: Place, server: Server):
    folder = toy.root / ".rung" / "log"
    emit_ingest(workspace(toy), "houses", run="r", status="running")
    with (folder / "openlineage.jsonl").open("a") as file:
        file.write('{"eventType": "ST')
    assert send(folder, server.url)
    assert len(server.events) == 1
    assert not idle(folder)


def test_one_sender_at_a_time_and_nothing_twice(toy: Place, server: Server):
    folder = toy.root / ".rung" / "log"
    for number in range(40):
        emit_ingest(workspace(toy), "houses", run=f"r{number}", status="running")
    threads = [threading.Thread(target=send, args=(folder, server.url)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: idle(folder))
    assert server.events == written(toy)


def test_nothing_fails_where_nothing_can_be_written(toy: Place):
    log = toy.root / ".rung" / "log"
    log.write_text("a file is in the way")
    emit_ingest(workspace(toy), "houses", run="r", status="running")
    assert toy.train("toy").status == "succeeded"
    assert log.read_text() == "a file is in the way"
