"""What the schemas of a route mean for columns."""

from __future__ import annotations

from enum import StrEnum

import polars as pl
import pytest
from pydantic import BaseModel, ConfigDict, RootModel

from rung.batch._columns import answer_types, text_types
from rung.schema import read_fields


class Colour(StrEnum):
    RED = "red"


class Inner(BaseModel):
    a: int
    b: list[float]


class Instance(BaseModel):
    rooms: int
    area: float | None = None
    colour: Colour
    garden: bool = False
    near: list[str] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


def test_fields_are_named_with_their_kinds():
    fields = read_fields(Instance.model_json_schema())
    assert fields.kinds == {"rooms": "integer", "area": "number", "colour": "string", "garden": "boolean", "near": ""}
    assert fields.required == {"rooms", "colour"}
    assert fields.nullable == {"area"}
    assert not fields.is_open


def test_text_of_other_fields_stays_text():
    types = text_types(read_fields(Instance.model_json_schema()))
    assert types["rooms"] == pl.Int64()
    assert types["near"] == pl.String()


def test_instance_of_any_fields_is_open():
    assert read_fields(Open.model_json_schema()).is_open


class Prediction(BaseModel):
    price: float
    likely: float | None
    terms: dict[str, float]
    inner: Inner
    many: list[Inner]
    either: int | str


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("price", pl.Float64()),
        ("likely", pl.Float64()),
        ("terms", None),
        ("inner", pl.Struct({"a": pl.Int64(), "b": pl.List(pl.Float64())})),
        ("many", pl.List(pl.Struct({"a": pl.Int64(), "b": pl.List(pl.Float64())}))),
        ("either", None),
    ],
)
def test_answer_has_a_column_for_each_field(name: str, type_: pl.DataType | None):
    assert answer_types(Prediction.model_json_schema(mode="serialization"))[name] == type_


@pytest.mark.parametrize("model", [RootModel[list[float]], Open])
def test_answer_without_fixed_fields_is_one_column(model: type[BaseModel]):
    assert answer_types(model.model_json_schema(mode="serialization")) == {}


class Tree(BaseModel):
    left: Tree | None = None


def test_answer_that_holds_itself_is_json():
    assert answer_types(Tree.model_json_schema(mode="serialization")) in ({"left": None}, {})
