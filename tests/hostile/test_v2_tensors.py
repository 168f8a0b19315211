"""Requests of the Open Inference Protocol that lie about what they hold: the server says so, and goes on."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Target

INFER = b"/v2/models/predict/infer"


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP64", "shape": [2], "data": [1.0, 2.0], **changes}


def binary(size: Any, **changes: Any) -> dict[str, Any]:
    found = tensor(parameters={"binary_data_size": size}, **changes)
    del found["data"]
    return found


def ask(target: Target, inputs: Any, tail: bytes = b"", *, length: bytes | None = None) -> bytes:
    head = json.dumps({"inputs": inputs}).encode()
    said = b"%d" % len(head) if length is None else length
    lines = b"content-length: %d\r\ninference-header-content-length: %s" % (len(head) + len(tail), said)
    path = (b"/doubling/v1" if target.name == "gateway" else b"") + INFER
    return target.send(target.request(head + tail, head=lines, path=path))


TWO = struct.pack("<2d", 1, 2)
LIES: dict[str, tuple[Any, bytes]] = {
    "a shape without end": ([tensor(shape=[2**62])], b""),
    "a shape whose product is without end": ([tensor(shape=[2**40, 2**40, 0])], b""),
    "many dimensions": ([tensor(shape=[1] * 10_000)], b""),
    "a negative shape": ([tensor(shape=[-1])], b""),
    "rows of nothing": ([tensor(shape=[10_000_000, 0], data=[])], b""),
    "more data than shape": ([tensor(data=[0.0] * 50_000)], b""),
    "nested data": ([tensor(data=json.loads("[" * 150 + "]" * 150))], b""),
    "a size beyond the body": ([binary(2**40)], TWO),
    "a negative size": ([binary(-8)], TWO),
    "a size that is none": ([binary("8")], TWO),
    "a fraction of a size": ([binary(8.0)], TWO),
    "a truth value for a size": ([binary(True)], TWO),
    "less than the body": ([binary(8, shape=[1])], TWO),
    "half a number": ([binary(15)], TWO[:15]),
    "a text longer than its part": ([binary(8, name="note", datatype="BYTES", shape=[1])], b"\xff\xff\xff\xffabcd"),
    "a text without its length": ([binary(3, name="note", datatype="BYTES", shape=[1])], b"abc"),
    "a text that is none": ([binary(6, name="note", datatype="BYTES", shape=[1])], b"\2\0\0\0\xff\xfe"),
    "an unknown datatype": ([tensor(datatype="FP4")], b""),
    "the same tensor twice": ([tensor(), tensor()], b""),
    "a name without end": ([tensor(name="n" * 500_000)], b""),
    "many tensors": ([tensor(name=f"n{number}") for number in range(5_000)], b""),
    "no tensors": ([], b""),
    "deep JSON in a text": ([tensor(name="rest", datatype="BYTES", shape=[1], data=["[" * 100_000])], b""),
}


@pytest.mark.parametrize("target_name", ["server", "gateway"])
@pytest.mark.parametrize(("inputs", "tail"), LIES.values(), ids=LIES.keys())
def test_lies_about_tensors_are_refused(request: pytest.FixtureRequest, target_name: str, inputs: Any, tail: bytes):
    target: Target = request.getfixturevalue(target_name)
    target.remember()
    answer = ask(target, inputs, tail)
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:300]
    assert len(answer) < 10_000
    target.check()


LENGTHS = [b"-1", b"99999999999999999999", b"0x10", b"", b"1e3", b"1, 2", b"10"]


@pytest.mark.parametrize("length", LENGTHS)
def test_lies_about_the_header_are_refused(server: Target, length: bytes):
    assert b"HTTP/1.1 400 " in ask(server, [binary(16)], TWO, length=length)[:20]
    server.check()


def test_the_truth_is_answered(server: Target):
    assert b"HTTP/1.1 200 " in ask(server, [binary(16)], TWO)[:20]
