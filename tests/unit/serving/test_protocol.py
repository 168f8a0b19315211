"""Uvicorn's own protocol on a transport that keeps its writes apart, as the system sends them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from rung.serving._protocol import WholeAnswers

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n%s\r\n"


class Wire(asyncio.Transport):
    """Keeps what each write sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.late: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        (self.late if self.is_closed else self.sent).append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        """Nothing more comes in a test."""

    def resume_reading(self) -> None:
        """As above."""


async def one_part(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def three_parts(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for part in (b"first", b"second", b"third"):
        await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body"})


async def no_pause(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    for _ in range(99):
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await asyncio.Event().wait()


async def no_end(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await asyncio.Event().wait()


def exchange(app: Any, *headers: bytes, requests: int = 1, lost: bool = False) -> Wire:
    """Send requests to an application, and give what it wrote until it ended, or for some turns where it never does."""

    async def run() -> Wire:
        state, wire = ServerState(), Wire()
        protocol = WholeAnswers(Config(app, log_level="warning", ws="none"), state, {})
        protocol.connection_made(wire)
        protocol.data_received(REQUEST % b"".join(header + b"\r\n" for header in headers) * requests)
        if lost:
            await asyncio.sleep(0)
            wire.close()
            protocol.connection_lost(None)
        for _ in range(10):
            await asyncio.sleep(0)
        while state.tasks and app not in (no_pause, no_end):  # an answer may begin the next one
            await asyncio.wait(state.tasks)
        for task in state.tasks:
            task.cancel()
        return wire

    return asyncio.run(run())


def test_answer_is_one_write():
    (answer,) = exchange(one_part).sent
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok")


def test_each_answer_to_requests_in_a_row_is_one_write():
    assert [answer[-6:] for answer in exchange(one_part, requests=3).sent] == [b"\r\n\r\nok"] * 3


def test_last_answer_of_a_connection_is_sent_before_it_closes():
    wire = exchange(one_part, b"connection: close")
    assert [answer[-6:] for answer in wire.sent] == [b"\r\n\r\nok"]
    assert wire.is_closed
    assert wire.late == []


def test_parts_that_come_later_are_sent_when_they_come():
    head, *parts = exchange(three_parts).sent
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert parts == [b"5\r\nfirst\r\n", b"6\r\nsecond\r\n", b"5\r\nthird\r\n0\r\n\r\n"]


def test_parts_without_a_pause_do_not_pile_up():
    assert len(exchange(no_pause).sent) == 50


def test_head_without_a_body_is_sent():
    (head,) = exchange(no_end).sent
    assert head.endswith(b"transfer-encoding: chunked\r\n\r\n")


@pytest.mark.parametrize("app", [three_parts, no_pause, no_end])
def test_nothing_is_written_to_a_lost_connection(app: Any):
    assert exchange(app, lost=True).late == []
