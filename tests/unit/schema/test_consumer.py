"""What a consumer reads: types by a schema, types of an answer."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from rung.errors import CallError
from rung.schema import outside, pointer_of, type_at, types_at


class Part(BaseModel):
    name: str
    weight: float | None = None


class Answer(BaseModel):
    price: float
    rooms: int
    kind: Literal["a", "b"]
    code: Literal["a", 1] | None
    parts: Annotated[list[Part], Field(min_length=1)]
    pair: tuple[int, str]
    by_name: dict[str, float]
    best: Part | None = None


SCHEMA = Answer.model_json_schema(mode="serialization")
EXPECTED = {
    "/price": {"number"},
    "/rooms": {"integer"},
    "/kind": {"string"},
    "/code": {"string", "integer", "null"},
    "/parts": {"array"},
    "/parts/0/name": {"string"},
    "/parts/1/name": {"string", "absent"},
    "/parts/0/weight": {"number", "null"},
    "/parts/x": {"absent"},
    "/pair/1": {"string"},
    "/pair/2": {"absent"},
    "/by_name/any": {"number", "absent"},
    "/best": {"object", "null"},
    "/best/name": {"string", "absent"},
    "/tax": {"absent"},
    "/price/currency": {"absent"},
}


@pytest.mark.parametrize(("place", "types"), EXPECTED.items(), ids=EXPECTED.keys())
def test_types_are_what_the_schema_allows(place: str, types: set[str]):
    assert types_at(SCHEMA, place) == types


def test_types_of_an_answer_are_found():
    answer = {"price": 1.5, "a/b": [True, None, {"~": "x"}]}
    assert [type_at(answer, place) for place in ("/price", "/a~1b/0", "/a~1b/1", "/a~1b/2/~0", "/a~1b/3", "/x/y")] == [
        "number",
        "boolean",
        "null",
        "string",
        "absent",
        "absent",
    ]


@given(
    st.builds(
        Answer,
        parts=st.lists(st.builds(Part), min_size=1, max_size=3),
        price=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from(list(EXPECTED)),
)
def test_every_answer_is_within_its_schema(answer: Answer, place: str):
    found = type_at(answer.model_dump(mode="json"), place)
    assert not outside(frozenset({found}), types_at(SCHEMA, place))


def test_a_whole_number_is_a_number_and_not_the_other_way_round():
    assert not outside(frozenset({"integer"}), frozenset({"number"}))
    assert outside(frozenset({"number"}), frozenset({"integer"})) == {"number"}


@pytest.mark.parametrize("field", ["", "/", "a~2", "x" * 501, "a\nb"])
def test_what_names_no_field_is_refused(field: str):
    with pytest.raises(CallError, match="names no field"):
        pointer_of(field)
