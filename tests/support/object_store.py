"""An S3-compatible server of the tests' own, on loopback, and what can go wrong between it and its clients."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rung.compute.environments import Environments, Lock
from rung.errors import EnvironmentBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
_ENVIRONMENTS = HERE.parents[1] / "build" / "test-environments"
_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever started it is gone
server.stop()
"""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """A server."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def variables(self) -> dict[str, str]:
        """What its clients need in their environment."""
        return variables(self.url)

    def bucket(self) -> str:
        """Make a bucket with a name of its own; give the URL of a prefix in it."""
        name = f"rung-test-{os.getpid()}-{next(_numbers)}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("PUT", f"/{name}")
        assert connection.getresponse().status == 200
        connection.close()
        return f"s3://{name}/shop"


def variables(url: str) -> dict[str, str]:
    """Name a server and credentials, as an environment does."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextlib.contextmanager
def serving_objects() -> Iterator[ObjectStore]:
    """Serve objects for as long as the block lasts; skip the tests where the server cannot be installed."""
    lock = Lock(text=f"# Python {sys.version_info[0]}.{sys.version_info[1]}\n{(HERE / 'moto.txt').read_text()}")
    try:
        python = Environments(_ENVIRONMENTS, with_rung=False).ensure(lock).python
    except EnvironmentBuildError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the S3 server of the tests cannot be installed: {error}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    process = subprocess.Popen(
        [python, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield ObjectStore(port=int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Faults:
    """What becomes of requests on their way: `fault(method, path)` says `before`, `after` or nothing.

    `before`: the connection breaks and the server never hears of it; `after`: the server does it, the answer is lost.
    """

    to: int
    fault: Callable[[str, str], str | None] = lambda _method, _path: None
    seen: list[str] = field(default_factory=list)
    port: int = 0


@contextlib.contextmanager
def faults_before(store: ObjectStore) -> Iterator[Faults]:
    """Stand between a server and its clients."""
    faults = Faults(to=store.port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            faults.seen.append(f"{self.command} {self.path}")
            fault = faults.fault(self.command, self.path)
            with contextlib.suppress(ConnectionError):  # a client that was killed does not wait for its answer
                self._serve(body, fault)

        def _serve(self, body: bytes, fault: str | None) -> None:
            if fault != "before":
                connection = http.client.HTTPConnection("127.0.0.1", faults.to, timeout=30)
                connection.request(self.command, self.path, body=body, headers=dict(self.headers))
                answer = connection.getresponse()
                data = answer.read()
                connection.close()
            if fault is not None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                    self.send_header(name, value)
            length = answer.getheader("content-length") if self.command == "HEAD" else str(len(data))
            self.send_header("content-length", length or "0")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on  # noqa: N815  as the library names them

        def log_message(self, *_: Any) -> None:
            pass

    with _listening(Handler) as port:
        faults.port = port
        yield faults


@contextlib.contextmanager
def careless_objects(*, refuses: bool) -> Iterator[str]:
    """Serve objects without conditional writes: they overwrite, or are refused as not implemented. Gives the URL."""
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, data: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.send_header("etag", '"1"')
            self.send_header("last-modified", "Sat, 21 Nov 2026 19:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if refuses and self.headers.get("if-none-match"):
                self._answer(501)
                return
            kept[self.path] = body
            self._answer(200)

        def do_GET(self) -> None:
            self._answer(200 if self.path in kept else 404, kept.get(self.path, b""))

        do_HEAD = do_GET  # noqa: N815  as the library names it

        def do_DELETE(self) -> None:
            kept.pop(self.path, None)
            self._answer(204)

        def log_message(self, *_: Any) -> None:
            pass

    with _listening(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """The server."""
    with serving_objects() as store:
        yield store


@pytest.fixture
def storage(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix in a bucket, and the environment that leads there."""
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    return object_store.bucket()
