"""Requests that no well-meaning client sends: each gets a clear refusal, and the next good one an answer."""

from __future__ import annotations

import gzip
import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Target

REFUSED = range(400, 500)
MIB = 1024 * 1024
LARGEST = {"gateway": 10 * MIB, "server": 10 * MIB, "collector": MIB, "api": MIB}


def refused(target: Target, request: bytes, *statuses: int) -> None:
    """Send a request that must not be answered as if it were right."""
    status = target.status(request)
    assert status in (statuses or (0, *REFUSED)), status


# --- bodies ---


def test_declared_size_is_believed_before_it_comes(target: Target):
    body = b" " * (LARGEST[target.name] + 1)
    refused(target, target.request(body), 413, 0)


def test_size_is_counted_when_nothing_is_declared(target: Target):
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    count = LARGEST[target.name] // 65_536 + 2
    refused(target, target.request(head=b"transfer-encoding: chunked") + chunk * count + b"0\r\n\r\n", 413, 0)


def test_a_body_that_never_ends_is_cut_off(target: Target):
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    answer = b""
    with target.connect() as connection:
        try:
            connection.sendall(target.request(head=b"transfer-encoding: chunked"))
            for _ in range(64 * MIB // 65_536):
                connection.sendall(chunk)
            answer = connection.recv(100)
        except ConnectionError:
            pass
    assert not answer or b" 413 " in answer


def test_fewer_bytes_than_declared_are_no_request(target: Target):
    with target.connect() as connection:
        connection.sendall(target.request(head=b"content-length: 1000") + b'{"instances": [')


def test_more_bytes_than_declared_are_another_request(target: Target):
    answer = target.send(target.request(b"", head=b"content-length: 2") + b"{}" + b'{"instances": [{"x": 1}]}' * 10)
    assert answer.count(b" 200 ") == 0


BODIES: dict[str, Callable[[], bytes]] = {
    "nested lists": lambda: b"[" * 100_000 + b"]" * 100_000,
    "nested objects": lambda: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nested in an instance": lambda: b'{"instances": [{"x": 1, "rest": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
    "open lists": lambda: b"[" * 500_000,
    "a huge integer": lambda: b'{"instances": [{"x": 1, "whole": ' + b"9" * 500_000 + b"}]}",
    "a huge float": lambda: b'{"instances": [{"x": 1e999999999}]}',
    "digits without end": lambda: b'{"instances": [{"x": ' + b"9" * 500_000 + b"}]}",
    "not a number": lambda: b'{"instances": [{"x": NaN}]}',
    "infinity": lambda: b'{"instances": [{"x": -Infinity}]}',
    "a lone surrogate": lambda: b'{"instances": [{"x": 1, "note": "\\ud800"}]}',
    "bytes that are no text": lambda: b'{"instances": [{"x": 1, "note": "\xff\xfe"}]}',
    "an overlong encoding": lambda: b'{"instances": [{"x": 1, "note": "\xc0\xaf"}]}',
    "UTF-16": lambda: '{"instances": [{"x": 1}]}'.encode("utf-16"),
    "zeros": lambda: b"\0" * 100_000,
    "no body": lambda: b"",
    "a text": lambda: b'"' + b"a" * 500_000 + b'"',
    "too many instances": lambda: json.dumps({"instances": [{"x": 1}] * 20_000}).encode(),
    "unknown keys": lambda: json.dumps({"instances": [{"x": 1}], **{f"k{n}": n for n in range(20_000)}}).encode(),
    "a huge key": lambda: b'{"instances": [{"x": 1}], "' + b"k" * 900_000 + b'": 1}',
    "a huge value": lambda: b'{"instances": [{"x": "' + b"k" * 900_000 + b'"}]}',
    "many errors": lambda: json.dumps({"instances": [{"x": "a"}] * 20_000}).encode(),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_wrong_bodies_are_refused(target: Target, body: Callable[[], bytes]):
    answer = target.send(target.request(body()))
    assert b" 4" in answer[:13], answer[:200]
    assert len(answer) < 50_000


def test_of_two_equal_keys_the_last_one_counts(server: Target):
    answer = server.send(server.request(b'{"instances": [{"x": 1, "x": 2}], "instances": [{"x": 5, "x": 4}]}'))
    assert b'"y":8.0' in answer


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "x-unknown"])
def test_compressed_bodies_are_not_unpacked(target: Target, encoding: str):
    bomb = gzip.compress(b"[" + b"0," * (50 * MIB) + b"0]") if encoding == "gzip" else b"\x1f\x8b" * 100
    assert len(bomb) < MIB
    refused(
        target,
        target.request(bomb, head=b"content-encoding: %s\r\ncontent-length: %d" % (encoding.encode(), len(bomb))),
    )


# --- headers and lines ---

SMUGGLED = b"POST /outcomes HTTP/1.1\r\nhost: target\r\ncontent-length: 0\r\n\r\n"
HEADS = {
    "a length and chunks": b"content-length: 4\r\ntransfer-encoding: chunked",
    "chunks and a length": b"transfer-encoding: chunked\r\ncontent-length: 4",
    "two lengths": b"content-length: 0\r\ncontent-length: 80",
    "two lengths in one": b"content-length: 0, 80",
    "a negative length": b"content-length: -1",
    "a length with a sign": b"content-length: +80",
    "a length in hexadecimal": b"content-length: 0x50",
    "a length without end": b"content-length: " + b"9" * 30,
    "no length": b"content-length:",
    "unknown transfer": b"transfer-encoding: xchunked",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: identity",
    "chunked in the middle": b"transfer-encoding: chunked, identity",
    "a space before the colon": b"content-length : 0",
    "a name with a space": b"x foo: 1",
    "an empty name": b": 1",
    "a zero in a value": b"x-foo: a\0b",
    "a control character in a name": b"x-\x01foo: 1",
    "a line without a colon": b"nonsense",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_smuggling_is_refused(target: Target, head: bytes):
    answer = target.send(target.request(head=head) + b"0\r\n\r\n" + SMUGGLED, patience_s=3)
    assert b"HTTP/1.1 2" not in answer, answer[:300]
    assert answer.count(b"HTTP/1.1 ") <= 1, "a second request was seen"


CHUNKS = {
    "no size": b"\r\n",
    "a size that is none": b"zz\r\n",
    "a size without end": b"F" * 30 + b"\r\n",
    "a negative size": b"-1\r\nx\r\n",
    "an endless extension": b"1;" + b"a" * 300_000 + b"\r\nx\r\n0\r\n\r\n",
    "no end of line": b"1\r\nxx0\r\n\r\n",
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
def test_wrong_chunks_are_refused(target: Target, chunks: bytes):
    refused(target, target.request(head=b"transfer-encoding: chunked") + chunks)


LINES = {
    "no version": b"GET /nowhere\r\n\r\n",
    "an unknown version": b"GET /nowhere HTTP/9.9\r\nhost: a\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nhost: a\r\n\r\n",
    "a control character": b"GET /\x01 HTTP/1.1\r\nhost: a\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "noise": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_what_is_no_http_is_refused(target: Target, line: bytes):
    status = target.status(line) if b"\n" in line else target.status(line + b"\r\n\r\n")
    assert status in (0, *REFUSED, 505)


def test_a_path_without_end_is_refused(gateway: Target, api: Target):
    for target in (gateway, api):
        refused(target, target.request(path=b"/" + b"a" * 200_000), 0, 400, 414, 431)


def test_headers_without_number_are_refused(gateway: Target, api: Target):
    for target in (gateway, api):
        many = b"\r\n".join(b"x-%d: 1" % number for number in range(100_000))
        refused(target, target.request(head=b"content-length: 0\r\n" + many), 0, 400, 431)


def test_a_header_without_end_is_refused(gateway: Target, api: Target):
    for target in (gateway, api):
        target.remember()
        refused(target, target.request(head=b"content-length: 0\r\nx-a: " + b"a" * (20 * MIB)), 0, 400, 431)
        target.check()


def test_many_cookies_and_ranges_cost_nothing(gateway: Target):
    head = b"content-length: 0\r\nrange: bytes=" + b",".join(b"%d-%d" % (n, n + 1) for n in range(5_000))
    refused(gateway, gateway.request(head=head))


def test_requests_in_a_row_are_answered_in_order(target: Target):
    one = target.good.replace(b"connection: close\r\n", b"")
    answer = target.send(one * 50 + target.good)
    assert answer.count(b"HTTP/1.1 20") == 51


# --- what consumers cannot say ---

PATHS = {
    "a step up": b"/doubling/v1/../v1/m1/predict",
    "an encoded step up": b"/doubling/v1/%2e%2e/v1/m1/predict",
    "an encoded slash": b"/doubling/v1/m1%2fpredict",
    "an encoded backslash": b"/doubling/v1/m1%5cpredict",
    "a backslash": b"/doubling/v1/m1\\..\\predict",
    "two slashes": b"//doubling//v1//m1//predict",
    "a zero": b"/doubling/v1/predict%00",
    "a zero in the middle": b"/doubling/v1/%00/predict",
    "an encoding that is none": b"/doubling/v1/%zz",
    "a step to the top": b"/doubling/v1/../../../../etc/passwd",
    "an absolute form": b"http://elsewhere/doubling/v1/m9/predict",
    "another revision": b"/doubling/v1/m9/predict",
    "another revision by steps": b"/doubling/v1/m1/../m9/predict",
    "the metrics of all": b"/metrics",
    "the admin": b"/stats",
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_no_spelling_of_a_path_leads_elsewhere(gateway: Target, path: bytes):
    """What is answered at all is answered by the revision that the plain path names."""
    answer = gateway.send(gateway.request(b'{"instances": [{"x": 3}]}', path=path))
    if b"HTTP/1.1 200" in answer:
        assert b"x-revision: undeployed" in answer.lower()
        assert b'"y":6.0' in answer
    else:
        assert b"HTTP/1.1 4" in answer
    gateway.check()


FORGED = {
    "plain": b"x-rung-%s: forged",
    "in capitals": b"X-RUNG-%s: forged",
    "with underscores": b"x_rung_%s: forged",
    "with both": b"x-rung_%s: forged",
    "folded": b"x-other: 1\r\n x-rung-%s: forged",
    "after a tab": b"x-other: 1\r\n\tx-rung-%s: forged",
}
OURS = (b"route", b"experiment", b"arm", b"propensity", b"consumer", b"consumer-service", b"user", b"anything")


@pytest.mark.parametrize("form", FORGED.values(), ids=FORGED.keys())
def test_no_header_of_ours_can_be_forged(echo: Target, form: bytes):
    """What a server behind the gateway sees of them: nothing but what the gateway itself says."""
    head = b"content-length: 0\r\n" + b"\r\n".join(form.replace(b"%s", name) for name in OURS)
    answer = echo.send(echo.request(head=head))
    assert b"HTTP/1.1 200" in answer or b"HTTP/1.1 400" in answer
    if b"HTTP/1.1 200" in answer:
        seen = json.loads(answer.partition(b"\r\n\r\n")[2])
        ours = {name: value for name, value in seen.items() if name.replace("_", "-").startswith("x-rung-")}
        assert ours == {"x-rung-route": "production"}


# --- time ---


def test_headers_that_trickle_are_cut_off(gateway: Target, api: Target):
    """At the gateway after 10 s, at the API after 20 s."""
    begun = time.monotonic()
    connections = [target.connect() for target in (gateway, api)]
    for connection in connections:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: a\r\n")
    is_open = [True, True]
    while any(is_open) and time.monotonic() - begun < 30:
        for number, connection in enumerate(connections):
            try:
                if is_open[number]:
                    connection.sendall(b"x-slow: 1\r\n")
            except ConnectionError:
                is_open[number] = False
        time.sleep(0.5)
    for connection in connections:
        connection.close()
    assert is_open == [False, False]
    gateway.check()
    api.check()


def test_idle_connections_keep_nobody_out(target: Target):
    idle = [target.connect() for _ in range(200)]
    try:
        target.check()
    finally:
        for connection in idle:
            connection.close()


def test_consumers_that_read_nothing_are_let_go(gateway: Target):
    greedy = [gateway.connect() for _ in range(50)]
    try:
        for connection in greedy:
            connection.sendall(gateway.good.replace(b"connection: close\r\n", b"") * 20)
        gateway.check()
    finally:
        for connection in greedy:
            connection.close()


def test_consumers_that_hang_up_leave_nothing(target: Target):
    for _ in range(200):
        with target.connect() as connection:
            connection.sendall(target.good)
    target.check()
