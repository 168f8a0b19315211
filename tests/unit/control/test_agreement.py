"""Answers held against those of evaluation, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.control.deployment.agreement import Agreement, Answer, compare
from rung.testing import MAX_DIFFERENCE, Exchange

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def held(expected: list[Any], answer: Answer, *, max_difference: float = MAX_DIFFERENCE) -> Agreement:
    exchange = Exchange(route="predict", instances=[{"x": row} for row in range(len(expected))], predictions=expected)
    return compare([exchange], [answer], max_difference=max_difference)


@given(st.lists(JSON, min_size=1, max_size=5))
def test_same_answers_agree_exactly(predictions: list[Any]):
    found = held(predictions, json.loads(json.dumps(predictions)), max_difference=0)
    assert (found.differing, found.largest_difference, found.first) == (0, 0, None)
    assert found.rows == found.kept == len(predictions)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        pytest.param({"y": 100.0}, {"y": 100.0005}, id="last digits"),
        pytest.param({"y": 3.0}, {"y": 3}, id="number without its fraction"),
        pytest.param({"p": [0.25, 0.75]}, {"p": [0.2500001, 0.7499999]}, id="inside a list"),
        pytest.param({"y": 0.0}, {"y": 0.000001}, id="zero and nearly zero"),
    ],
)
def test_small_differences_of_numbers_agree(expected: Any, got: Any):
    assert held([expected], [got]).differing == 0


@pytest.mark.parametrize(
    ("expected", "got", "place"),
    [
        pytest.param({"y": 100.0}, {"y": 100.01}, "/y", id="number"),
        pytest.param({"y": 0.00001}, {"y": 0.000011}, "/y", id="small number"),
        pytest.param({"n": 10_000_001}, {"n": 10_000_002}, "/n", id="integer"),
        pytest.param({"y": 1.0}, {"y": 10**400}, "/y", id="integer without end"),
        pytest.param({"label": "cat"}, {"label": "dog"}, "/label", id="text"),
        pytest.param({"is_spam": True}, {"is_spam": 1}, "/is_spam", id="kind"),
        pytest.param({"y": 1.0}, {"y": None}, "/y", id="nothing"),
        pytest.param({"p": [0.5, 0.5]}, {"p": [1.0]}, "/p", id="length"),
        pytest.param({"a": 1.0}, {"a": 1.0, "b": 2.0}, "", id="field more"),
    ],
)
def test_other_differences_are_named(expected: Any, got: Any, place: str):
    found = held([expected], [got])
    assert found.differing == 1
    assert found.first is not None
    assert found.first.pointer == f"/exchanges/0/predictions/0{place}"


def test_numbers_are_measured_by_their_field():
    rows = [{"y": 1_000.0}, {"y": 1_000.0}, {"y": 1e-9}]
    noise = [{"y": 1_000.0}, {"y": 1_000.0}, {"y": 2e-9}]
    assert held(rows, noise).differing == 0


def test_first_differing_row_is_told():
    found = held([{"y": float(row)} for row in range(5)], [{"y": row + 2.0 * (row == 3)} for row in range(5)])
    assert found.told == (
        "1 of 5 held-out rows are not answered as in its evaluation; the first is"
        " /exchanges/0/predictions/3/y of predict: expected 3.0, got 5.0"
    )
    assert found.largest_difference == pytest.approx(2 / 3)
    assert found.to_json()["first"]["instance"] == {"x": 3}


def test_problem_is_a_difference_of_all_rows():
    found = held([{"y": 1.0}, {"y": 2.0}], "500: the handler raised KeyError")
    assert found.differing == found.rows == 2
    assert 'got "500: the handler raised KeyError"' in found.told


def test_rows_that_were_not_asked_are_not_counted():
    exchange = Exchange(route="predict", instances=[1, 2], predictions=[1.0, 2.0])
    found = compare([exchange, exchange], [[1.0, 2.0]], max_difference=0)
    assert (found.rows, found.kept) == (2, 4)
    assert found.told == "2 of 4 held-out rows are answered as in its evaluation"


def test_nothing_to_compare_is_told():
    found = compare([], [], max_difference=0, skipped="its training kept no answers")
    assert found.told == "not compared with its evaluation: its training kept no answers"
