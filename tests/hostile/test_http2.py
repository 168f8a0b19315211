"""HTTP/2 as no client speaks it, frame by frame: the gateway closes such connections and answers the others.

Frames: RFC 9113, 4.1; field blocks: RFC 7541, 6.1 and 6.2.2.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from conftest import Target

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
GET = bytes([0x82, 0x86, 0x84]) + b"\x01\x06target"  # :method GET, :scheme http, :path /, :authority target
POST = bytes([0x83, 0x86]) + b"\x04\x14/doubling/v1/predict" + b"\x01\x06target"  # :method POST, its :path
MANY = 20_000


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


@pytest.fixture
def connection(gateway: Target) -> Iterator[socket.socket]:
    """A connection that has begun to speak HTTP/2; afterwards the gateway is as it was."""
    gateway.remember()
    with gateway.connect() as made:
        made.settimeout(10)
        made.sendall(PREFACE + frame(SETTINGS, 0, 0))
        yield made
    gateway.check()


CLOSED = -1


def kinds(connection: socket.socket) -> list[int]:
    """Read until nothing comes any more; give the kinds of the frames, and `CLOSED` when the gateway closed."""
    received, found = b"", []
    try:
        while part := connection.recv(1 << 16):
            received += part
        found.append(CLOSED)
    except ConnectionError:
        found.append(CLOSED)
    except TimeoutError:
        pass
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        found.append(received[3])
        received = received[9 + length :]
    return found


def flood(connection: socket.socket, frames: Iterator[bytes]) -> bool:
    """Send frames until the gateway has had enough; tell whether it had."""
    try:
        for each in frames:
            connection.sendall(each)
    except ConnectionError:
        return True
    return not {GOAWAY, CLOSED}.isdisjoint(kinds(connection))


def test_a_request_is_answered(connection: socket.socket):
    connection.sendall(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET) + frame(GOAWAY, 0, 0, bytes(8)))
    assert HEADERS in kinds(connection)


@pytest.mark.parametrize("head", [GET, POST], ids=["answered by the gateway", "answered by a server"])
def test_streams_that_are_reset_at_once_end_the_connection(connection: socket.socket, head: bytes):
    def resets() -> Iterator[bytes]:
        for stream in range(1, 2 * MANY, 2):
            yield frame(HEADERS, END_STREAM | END_HEADERS, stream, head) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")

    assert flood(connection, resets())


def test_headers_that_go_on_for_ever_end_the_connection(connection: socket.socket):
    def continued() -> Iterator[bytes]:
        yield frame(HEADERS, END_STREAM, 1, GET)
        for _ in range(MANY):
            yield frame(CONTINUATION, 0, 1, literal(b"x-a", b"a" * 100))

    assert flood(connection, continued())


def test_pings_without_end_end_the_connection(connection: socket.socket):
    assert flood(connection, (frame(PING, 0, 0, bytes(8)) * 100 for _ in range(MANY)))


def test_settings_without_end_end_the_connection(connection: socket.socket):
    assert flood(connection, (frame(SETTINGS, 0, 0, b"\0\x04\0\1\0\0") * 100 for _ in range(MANY)))


def test_empty_data_without_end_ends_the_connection(connection: socket.socket):
    def empty() -> Iterator[bytes]:
        yield frame(HEADERS, END_HEADERS, 1, POST)
        for _ in range(MANY):
            yield frame(DATA, 0, 1)

    assert flood(connection, empty())


def test_windows_of_nothing_end_the_connection(connection: socket.socket):
    assert flood(connection, iter([frame(WINDOW_UPDATE, 0, 0, bytes(4))]))


def test_more_streams_than_allowed_are_refused(connection: socket.socket):
    """Each waits for a body; the gateway holds a hundred of them."""
    for stream in range(1, 400, 2):
        connection.sendall(frame(HEADERS, END_HEADERS, stream, POST))
    connection.settimeout(3)
    assert not {GOAWAY, RST_STREAM, CLOSED}.isdisjoint(kinds(connection))


WRONG = {
    "a frame that is too long": b"\xff\xff\xff" + bytes([DATA, 0]) + b"\0\0\0\1",
    "headers on no stream": frame(HEADERS, END_STREAM | END_HEADERS, 0, GET),
    "an index that is none": frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\x7f"),
    "an even stream": frame(HEADERS, END_STREAM | END_HEADERS, 2, GET),
    "a smuggled length": frame(
        HEADERS, END_STREAM | END_HEADERS, 1, GET + literal(b"transfer-encoding", b"chunked") + literal(b"x", b"a\r\nb")
    ),
    "a name in capitals": frame(HEADERS, END_STREAM | END_HEADERS, 1, GET + literal(b"X-Rung-Arm", b"forged")),
    "a setting that is none": frame(SETTINGS, 0, 0, b"\0"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_frames_are_refused(connection: socket.socket, wrong: bytes):
    connection.sendall(wrong)
    connection.settimeout(3)
    found = kinds(connection)
    assert not {GOAWAY, RST_STREAM, CLOSED}.isdisjoint(found)
    assert HEADERS not in found
