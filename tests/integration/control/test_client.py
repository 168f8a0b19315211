"""The client for consumers against a gateway that has trouble: what may be repeated is, the rest is told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from rung.client import Client
from rung.errors import BrokenError, CallError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CUT = 0
"""Instead of a status: the connection is closed without an answer."""


class Troubled(ThreadingHTTPServer):
    """Answers with the statuses that it was told, in turn, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Troubled

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == _CUT:
            self.close_connection = True
            return
        told = {"predictions": [{"y": 1.0}]} if status == 200 else {"detail": f"trouble {status}"}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-request-id", "one")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Troubled]:
    with Troubled() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [502, 503, 504, _CUT])
def test_what_may_work_later_is_repeated(gateway: Troubled, status: int):
    gateway.statuses = [status, status]
    with Client(gateway.url) as client:
        assert client.predict("tiny", 1, [{"x": 1}]).prediction_id == "one"
    assert len(gateway.bodies) == 3


def test_repeated_outcome_keeps_its_id(gateway: Troubled):
    gateway.statuses = [503, _CUT]
    with Client(gateway.url) as client:
        client.report("tiny", "right", 1.0, unit="someone")
    identities = {json.loads(body)[0]["id"] for body in gateway.bodies}
    assert len(gateway.bodies) == 3
    assert len(identities) == 1


@pytest.mark.parametrize(("status", "error"), [(404, CallError), (422, CallError), (500, BrokenError)])
def test_what_cannot_work_is_told(gateway: Troubled, status: int, error: type[Exception]):
    gateway.statuses = [status]
    with Client(gateway.url) as client, pytest.raises(error, match=f"trouble {status}"):
        client.predict("tiny", 1, [{"x": 1}])
    assert len(gateway.bodies) == 1
