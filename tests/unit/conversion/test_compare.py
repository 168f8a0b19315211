"""How far two lists of predictions are apart."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from pydantic import BaseModel

from rung.conversion import Difference, Tolerance, compare


class Prediction(BaseModel):
    price: float
    label: str = "a"


@pytest.mark.parametrize(
    ("native", "converted", "number", "flips"),
    [
        pytest.param({"p": 0.5}, {"p": 0.75}, 0.25, 0.0, id="absolute up to one"),
        pytest.param({"p": 200.0}, {"p": 201.0}, 0.005, 0.0, id="relative above"),
        pytest.param({"p": -200}, {"p": -201.0}, 0.005, 0.0, id="whole and fraction"),
        pytest.param({"p": 1.0}, {"p": nan}, inf, 0.0, id="not a number"),
        pytest.param({"p": True}, {"p": False}, 0.0, 1.0, id="boolean"),
        pytest.param({"p": 1.0}, {"p": None}, 0.0, 1.0, id="missing"),
        pytest.param({"p": "a"}, {"p": "b"}, 0.0, 1.0, id="text"),
        pytest.param({"p": [1.0, "a"]}, {"p": [1.5, "a"]}, 0.5, 0.0, id="list"),
        pytest.param({"p": [1.0]}, {"p": [1.0, 2.0]}, 0.0, 1.0, id="length"),
        pytest.param({"p": {"a": 1}}, {"p": {"b": 1}}, 0.0, 1.0, id="keys"),
        pytest.param(Prediction(price=2.0), Prediction(price=3.0, label="b"), 0.5, 1.0, id="models"),
    ],
)
def test_difference_is_as_told(native: Any, converted: Any, number: float, flips: float):
    found = compare([native], [converted])
    assert (found.rows, found.number, found.flips) == (1, number, flips)


def test_flips_are_a_share_of_rows():
    found = compare([{"a": "x", "b": "y"}, {"a": "x", "b": "y"}], [{"a": "x", "b": "y"}, {"a": "p", "b": "q"}])
    assert found.flips == 0.5


def test_lists_of_other_lengths_differ():
    assert compare([{"a": 1}], []) == Difference(rows=1, number=inf, flips=1.0)


@pytest.mark.parametrize(
    ("number", "flips", "refused"),
    [(1e-4, 0.01, False), (1.1e-4, 0.0, True), (0.0, 0.011, True), (nan, 0.0, True), (inf, 0.0, True)],
)
def test_tolerance_refuses_what_is_beyond(number: float, flips: float, refused: bool):
    found = Difference(rows=100, number=number, flips=flips)
    assert bool(Tolerance(max_flips=0.01).refuses(found)) is refused
