"""Whatever is sent as a request of the Open Inference Protocol, it is read or refused."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rung.schema import Request, max_instances
from rung.serving._handler import read_handler
from rung.serving._predict import read_request
from rung.serving._problems import ProblemError
from rung.serving._tensors import DATATYPES
from rung.serving._v2 import Model


@max_instances(4)
class Instance(BaseModel):
    area: float
    sizes: list[float] = []
    wall: str | None = None


class Parameters(BaseModel):
    factor: float = 1.0


class Prediction(BaseModel):
    price: float


def predict(request: Request[Instance, Parameters]) -> list[Prediction]:
    return [Prediction(price=instance.area) for instance in request.instances]


MODEL = Model(handler=read_handler("predict", predict))
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
)
SIZES = st.lists(st.integers(0, 4) | st.sampled_from([2**40, 2**62]), max_size=4)
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["area", "sizes", "wall", "input-0", "x"]),
        "datatype": st.sampled_from([*sorted(DATATYPES), "BF16"]),
        "shape": SIZES,
    },
    optional={
        "data": st.lists(ANY, max_size=4),
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "content_type", "x"]), ANY, max_size=2),
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=3)},
    optional={
        "id": st.text(),
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["price", "x"])}), max_size=2),
        "parameters": st.dictionaries(st.sampled_from(["factor", "binary_data_output", "x"]), ANY, max_size=2),
    },
)


def read(body: bytes, header_length: str | None) -> None:
    try:
        asked = MODEL.read(body, header_length)
        read_request(MODEL.handler, asked.body)
    except ProblemError as problem:
        assert problem.status in {400, 422}  # noqa: PT017  whether it is raised depends on the request


@given(REQUESTS, st.binary(max_size=40), st.integers(-3, 3) | st.none())
def test_any_request_is_read_or_refused(message: dict[str, Any], binary: bytes, off: int | None):
    text = json.dumps(message).encode()
    read(text + binary, None if off is None else str(len(text) + off))


def test_content_type_of_another_type_is_refused():
    parameters = '"parameters": {"content_type": []}'
    read(b'{"inputs": [{"name": "area", "datatype": "FP64", "shape": [0], %s}]}' % parameters.encode(), None)


@given(st.text(max_size=30))
def test_any_header_is_read_or_refused(header_length: str):
    read(b'{"inputs": []}', header_length)


def test_header_of_many_digits_is_refused():
    read(b'{"inputs": []}', "9" * 5_000)


def test_deeply_nested_data_are_refused():
    deep = "[" * 100_000 + "]" * 100_000
    read(b'{"inputs": [{"name": "area", "datatype": "FP64", "shape": [1], "data": %s}]}' % deep.encode(), None)
