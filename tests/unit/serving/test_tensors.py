"""Tensors of a schema: which there are, rows out of them and back, their binary form."""

from __future__ import annotations

import struct
from datetime import date
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from rung.serving import _tensors
from rung.serving._tensors import TensorError, packed, rows_of, tensors_of, unpacked, values_of


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Point(BaseModel):
    x: float
    y: float


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    x: float


class Tree(BaseModel):
    value: int
    inner: Tree | None = None
    others: list[Tree] = []


def tensors(annotation: Any, *, is_answer: bool = False) -> list[tuple[str, str, tuple[int, ...], bool]]:
    """Derive the tensors of a model with the one field `f`."""
    model = create_model("Model", f=annotation)
    schema = model.model_json_schema(mode="serialization" if is_answer else "validation")
    return [
        (each.name, each.datatype, each.shape, each.is_json)
        for each in tensors_of(schema, whole="row", is_answer=is_answer)
    ]


JSON = ("BYTES", (), True)


@pytest.mark.parametrize(
    ("annotation", "asked", "answered"),
    [
        pytest.param(float, ("FP64", (), False), None, id="number"),
        pytest.param(int, ("INT64", (), False), None, id="integer"),
        pytest.param(bool, ("BOOL", (), False), None, id="truth"),
        pytest.param(str, ("BYTES", (), False), None, id="text"),
        pytest.param(date, ("BYTES", (), False), None, id="date"),
        pytest.param(Colour, ("BYTES", (), False), None, id="names"),
        pytest.param(Size, ("INT64", (), False), None, id="numbered names"),
        pytest.param(Literal["a", "b"], ("BYTES", (), False), None, id="words"),
        pytest.param(Literal[7], ("INT64", (), False), None, id="one number"),
        pytest.param(Literal[7, "a"], JSON, None, id="words and numbers"),
        pytest.param(int | str, JSON, None, id="several types"),
        pytest.param(dict[str, float], JSON, None, id="open keys"),
        pytest.param(Any, JSON, None, id="anything"),
        pytest.param(float | None, ("FP64", (), False), JSON, id="number or null"),
        pytest.param(Point | None, JSON, None, id="model or null"),
        pytest.param(list[float], ("FP64", (-1,), False), JSON, id="list"),
        pytest.param(list[list[int]], ("INT64", (-1, -1), False), JSON, id="matrix"),
        pytest.param(list[Point], JSON, None, id="list of models"),
        pytest.param(list[float | None], JSON, None, id="list with nulls"),
        pytest.param(tuple[float, float], ("FP64", (2,), False), None, id="pair"),
        pytest.param(tuple[float, str], JSON, None, id="mixed pair"),
        pytest.param(
            Annotated[list[str], Field(min_length=3, max_length=3)], ("BYTES", (3,), False), None, id="triple"
        ),
    ],
)
def test_field_has_the_tensor_that_fits(annotation: Any, asked: Any, answered: Any):
    assert tensors(annotation) == [("f", *asked)]
    assert tensors(annotation, is_answer=True) == [("f", *(answered or asked))]


def test_model_in_a_model_is_flattened():
    assert [each[0] for each in tensors(Point)] == ["f.x", "f.y"]


def test_open_model_in_an_answer_is_json():
    assert tensors(Open) == [("f.x", "FP64", (), False)]
    assert tensors(Open, is_answer=True) == [("f", *JSON)]


def test_model_in_itself_ends():
    found = tensors_of(Tree.model_json_schema(), whole="row", is_answer=False)
    assert [(each.name, each.is_json) for each in found] == [("value", False), ("inner", True), ("others", True)]


def test_names_that_meet_are_not_flattened():
    model = create_model("Model", point=Point, other=(float, Field(alias="point.x")))
    found = tensors_of(model.model_json_schema(), whole="row", is_answer=False)
    assert [(each.name, each.is_json) for each in found] == [("point", True), ("point.x", False)]


def test_row_that_is_a_value_is_one_tensor():
    (tensor,) = tensors_of(RootModel[float].model_json_schema(), whole="row", is_answer=False)
    assert (tensor.name, tensor.datatype) == ("row", "FP64")
    assert rows_of([sent("row", "FP64", [2], [1.0, 2.0])], [tensor]) == [1.0, 2.0]
    assert values_of([1.0, 2.0], tensor) == [1.0, 2.0]


def sent(name: str, datatype: str, shape: list[int], data: list[Any]) -> _tensors.Given:
    return _tensors.given(name, datatype, shape, data, most_rows=9)


def rows(annotation: Any, datatype: str, shape: list[int], data: list[Any]) -> list[Any]:
    """Give the field `f` of each row."""
    found = tensors_of(create_model("Model", f=annotation).model_json_schema(), whole="row", is_answer=False)
    return [row["f"] for row in rows_of([sent("f", datatype, shape, data)], found)]


@pytest.mark.parametrize(
    ("annotation", "datatype", "shape", "data", "expected"),
    [
        pytest.param(float, "FP32", [2], [1, 2], [1, 2], id="flat"),
        pytest.param(float, "FP32", [2, 1], [1, 2], [1, 2], id="column"),
        pytest.param(float, "FP32", [2, 1], [[1], [2]], [1, 2], id="nested data"),
        pytest.param(str, "BYTES", [2, 1], ["a", "1"], ["a", "1"], id="texts are no JSON"),
        pytest.param(int | None, "BYTES", [2], ["3", "null"], [3, None], id="nulls as JSON"),
        pytest.param(list[float], "FP64", [2, 2], [1, 2, 3, 4], [[1, 2], [3, 4]], id="lists"),
        pytest.param(list[float], "FP64", [2, 0], [], [[], []], id="empty lists"),
        pytest.param(list[float], "BYTES", [2], ["[]", "[1]"], [[], [1]], id="lists as JSON"),
        pytest.param(list[str], "BYTES", [1, 2], ["a", "b"], [["a", "b"]], id="lists of texts"),
        pytest.param(list[str], "BYTES", [1], ['["a"]'], [["a"]], id="lists of texts as JSON"),
        pytest.param(list[list[int]], "INT8", [1, 2, 1], [1, 2], [[[1], [2]]], id="matrices"),
        pytest.param(dict[str, int], "BYTES", [1], ['{"a": 1}'], [{"a": 1}], id="object as JSON"),
        pytest.param(int | str, "INT64", [1], [1], [1], id="one of several types"),
    ],
)
def test_tensor_becomes_the_field_of_each_row(
    *, annotation: Any, datatype: str, shape: list[int], data: list[Any], expected: list[Any]
):
    assert rows(annotation, datatype, shape, data) == expected


@pytest.mark.parametrize(
    ("annotation", "datatype", "shape", "data", "because"),
    [
        pytest.param(float, "FP64", [3], [1, 2], "has 2 values in the shape", id="too few values"),
        pytest.param(float, "FP64", [10, 0], [], "in 9 rows at the most", id="more rows than may be"),
        pytest.param(list[list[int]], "INT8", [2, 10**12, 0], [], "9 rows", id="shape that would fill the memory"),
        pytest.param(float, "FP64", [1, 2], [1, 2], r"it is \[-1\]", id="rank too high"),
        pytest.param(list[float], "FP64", [2], [1, 2], r"it is \[-1, -1\]", id="rank too low"),
        pytest.param(float, "BYTES", [1], ["x"], "is not JSON", id="no JSON"),
    ],
)
def test_tensor_that_does_not_fit_is_refused(
    *, annotation: Any, datatype: str, shape: list[int], data: list[Any], because: str
):
    with pytest.raises(TensorError, match=because):
        rows(annotation, datatype, shape, data)


POINT = tensors_of(Point.model_json_schema(), whole="row", is_answer=False)


def test_matrix_holds_all_fields_in_order():
    assert rows_of([sent("input-0", "FP32", [2, 2], [1, 2, 3, 4])], POINT) == [{"x": 1, "y": 2}, {"x": 3, "y": 4}]


def test_matrix_of_another_width_is_refused():
    with pytest.raises(TensorError, match=r"\[-1, 2\]"):
        rows_of([sent("input-0", "FP32", [2, 3], [1, 2, 3, 4, 5, 6])], POINT)


def test_unknown_input_is_refused():
    with pytest.raises(TensorError, match="there is no input 'z'; there is x, y"):
        rows_of([sent("x", "FP64", [1], [1]), sent("z", "FP64", [1], [1])], POINT)


def test_inputs_of_different_lengths_are_refused():
    with pytest.raises(TensorError, match="1 and 2 rows"):
        rows_of([sent("x", "FP64", [1], [1]), sent("y", "FP64", [2], [1, 2])], POINT)


def test_prediction_without_its_promised_field_is_told():
    with pytest.raises(TensorError, match="has no 'y'"):
        values_of([{"x": 1}], POINT[1])


def test_prediction_of_another_shape_is_told():
    (tensor,) = tensors_of(create_model("Model", f=tuple[int, int]).model_json_schema(), whole="row", is_answer=True)
    assert values_of([{"f": [1, 2]}, {"f": [3, 4]}], tensor) == [1, 2, 3, 4]
    with pytest.raises(TensorError, match="another shape"):
        values_of([{"f": [1, 2, 3]}], tensor)


def of_datatype(datatype: str) -> _tensors.Tensor:
    return _tensors.Tensor(name="f", path=("f",), datatype=datatype, shape=(), is_json=False)


@given(st.lists(st.text()))
def test_texts_survive_their_binary_form(texts: list[str]):
    assert unpacked(packed(texts, of_datatype("BYTES")), "BYTES", name="f") == texts


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_survive_their_binary_form(numbers: list[int]):
    assert unpacked(packed(numbers, of_datatype("INT64")), "INT64", name="f") == numbers


@given(st.lists(st.floats(allow_nan=False)))
def test_numbers_survive_their_binary_form(numbers: list[float]):
    assert unpacked(packed(numbers, of_datatype("FP64")), "FP64", name="f") == numbers


@given(st.binary(), st.sampled_from(sorted(_tensors.DATATYPES)))
def test_any_bytes_are_read_or_refused(data: bytes, datatype: str):
    try:
        unpacked(data, datatype, name="f")
    except TensorError as error:
        assert "'f'" in str(error)  # noqa: PT017  whether it is raised depends on the bytes


def test_small_numbers_have_their_own_binary_forms():
    assert unpacked(b"\x01\x00", "BOOL", name="f") == [True, False]
    assert unpacked(struct.pack("<2e", 0.5, -2), "FP16", name="f") == [0.5, -2]
    assert unpacked(b"\xff", "UINT8", name="f") == [255]


def test_number_that_is_too_large_is_refused():
    with pytest.raises(TensorError, match="does not fit INT64"):
        packed([2**63], of_datatype("INT64"))
