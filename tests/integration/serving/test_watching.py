"""What a server tells of itself without being asked: metrics of all workers, lines of JSON, spans of its requests."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from waiting import until

from .conftest import FILES, Server, lay_line, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def watched(place: Place) -> Place:
    """The service `line`, whose handler logs and counts."""
    app = FILES["serve/app.py"].replace("import os\n", "import logging\n        import os\n")
    app = app.replace("from rung.serving import Artifact,", "from rung.serving import Artifact, metric,")
    app = app.replace(
        "            if request.parameters.seconds:",
        '            metric("asked", len(request.instances), size="large")\n'
        '            metric.histogram("x", request.instances[0].x)\n'
        '            logging.getLogger("author").info("asked for %d", len(request.instances))\n'
        "            if request.parameters.seconds:",
    )
    lay_line(place)
    place.write("experiments/line/serve/app.py", app)
    ended = place.python(
        "-m", "rung.training.deployed", "--service", "line", environment={"RUNG_REVISION": "line.v1.m1"}
    )
    assert ended.returncode == 0, ended.stderr
    return place


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def shown(server: Server, name: str, least: float) -> dict[str, float]:
    """Give the metrics once this one is there: other workers hand theirs over soon."""
    deadline = time.monotonic() + 60
    while (found := samples(server.get("/metrics").text)).get(name, 0.0) < least:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def log_lines(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.output.read_text().splitlines()]


def test_workers_tell_one_sum(watched: Place):
    with serving(watched, workers=2) as server:
        asked = server.every_worker(2).total()
        assert server.predict(-1.0).status_code == 422
        shown(server, 'rung_requests_total{route="predict",status="200"}', asked)
        found = shown(server, 'rung_errors_total{kind="refused",route="predict"}', 1)
        resident = [value for name, value in found.items() if name.startswith("rung_resident_bytes{pid=")]
        until(lambda: samples(server.get("/metrics").text)["rung_held_bytes"] == 0)  # as of each worker's last look
    assert found['service_asked_total{size="large"}'] == asked + 2  # each worker rehearsed one
    assert found["service_x_count"] == asked + 2
    assert found['rung_errors_total{kind="refused",route="predict"}'] == 1
    assert found['rung_wait_seconds_count{route="predict"}'] >= asked
    assert found['rung_call_instances_sum{route="predict"}'] >= asked
    assert found["rung_cpu_seconds_total"] > 0.1
    assert len(resident) == 2
    assert min(resident) > 10_000_000


def test_lines_name_the_request(watched: Place):
    with serving(watched) as server:
        answer = server.predict(2.0)
    lines = log_lines(server)
    assert {line["revision"] for line in lines} == {"line.v1.m1"}
    (line,) = [one for one in lines if one.get("request_id") == answer.headers["x-request-id"]]
    assert (line["event"], line["level"], line["logger"]) == ("asked for 1", "info", "author")
    assert any(one["logger"] == "gunicorn.error" for one in lines)


def test_each_worker_says_when_it_serves_and_each_line_which_process_wrote_it(watched: Place):
    with serving(watched, workers=2) as server:
        workers = server.every_worker(2).keys()
    lines = log_lines(server)
    assert {line["pid"] for line in lines if line["event"] == "Application startup complete."} == workers
    assert server.process.pid in {line["pid"] for line in lines if line["logger"] == "gunicorn.error"}


def test_malformed_request_is_told_in_the_log(watched: Place):
    with serving(watched) as server:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(server.socket))
            caller.sendall(b"not http at all\r\n\r\n")
            assert caller.recv(100).startswith(b"HTTP/1.1 400")
        lines = log_lines(server)
    assert any((one["event"], one["level"]) == ("Invalid HTTP request received.", "warning") for one in lines)


@contextmanager
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Take spans as OTLP over HTTP; give where, and what has come."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, trace_service_pb2.ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def read(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_trace_goes_on_to_the_handler(watched: Place, monkeypatch: pytest.MonkeyPatch):
    with receiver() as (url, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with serving(watched) as server, server.client() as client:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-rung-arm": "challenger"}
            traced = client.post("/predict", json={"instances": [{"x": 1}, {"x": 2}]}, headers=headers)
            begun = client.post("/predict", json={"instances": [{"x": 1}]})
            refused = client.post("/predict", json={"instances": [{"x": -1}]})
        lines = log_lines(server)
    assert {path for path, _ in got} == {"/v1/traces"}
    resources = [resource for _, message in got for resource in message.resource_spans]
    assert {read(one.resource)["service.name"] for one in resources} == {"line"}
    spans = [span for resource in resources for scope in resource.scope_spans for span in scope.spans]
    requests = {read(span)["rung.request_id"]: span for span in spans if span.name == "POST /predict"}
    first = requests[traced.headers["x-request-id"]]
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, PARENT)
    told = read(first)
    assert (told["rung.revision"], told["rung.arm"], told["rung.instances"]) == ("line.v1.m1", "challenger", 2)
    assert (told["http.route"], told["http.response.status_code"]) == ("/predict", 200)
    (handler,) = [span for span in spans if span.name == "handler" and span.parent_span_id == first.span_id]
    assert first.start_time_unix_nano <= handler.start_time_unix_nano <= handler.end_time_unix_nano
    assert requests[begun.headers["x-request-id"]].parent_span_id == b""
    assert read(requests[refused.headers["x-request-id"]])["http.response.status_code"] == 422
    (line,) = [one for one in lines if one.get("request_id") == traced.headers["x-request-id"]]
    assert line["trace_id"] == TRACE


def test_server_without_a_receiver_loads_no_telemetry(watched: Place):
    code = (
        "import sys, experiments.line.serve.app; "
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk') or 'otlp' in name])"
    )
    ended = watched.python("-c", code)
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr


def test_fetch_of_features_lies_in_the_span_around_it(monkeypatch: pytest.MonkeyPatch):
    code = (
        "import os\n"
        "from opentelemetry import trace\n"
        "from prometheus_client import REGISTRY\n"
        "from rung.features._sources import Snapshot\n"
        "from rung.serving._fetches import WatchedSource\n"
        "from rung.serving._tracing import tracer_of\n"
        "class Houses:\n"
        "    def read(self, keys):\n"
        "        return Snapshot(entries=[None for _ in keys])\n"
        "tracer = tracer_of(os.environ, 'line.v1.m1')\n"
        "with trace.get_tracer('author').start_as_current_span('around'):\n"
        "    WatchedSource(Houses(), 'houses', tracer).read(['a', 'b'])\n"
        "tracer.close()\n"
        "for name in ('seconds_count', 'entities_total', 'missing_total'):\n"
        "    print(REGISTRY.get_sample_value(f'rung_features_{name}', {'view': 'houses'}))\n"
    )
    with receiver() as (url, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout.split()) == (0, ["1.0", "2.0", "2.0"]), ended.stderr
    found = {
        span.name: span
        for _, message in got
        for resource in message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    assert found["features"].parent_span_id == found["around"].span_id
    assert read(found["features"]) == {"rung.view": "houses", "rung.entities": 2}
