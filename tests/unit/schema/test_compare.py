"""Every kind of change on both sides of a promise: what a consumer sends, and what it reads."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model
from typing_extensions import TypeAliasType

from rung.schema import Break, Contract, breaking_changes, route_contract

Empty = create_model("Empty")
Positive = TypeAliasType("Positive", Annotated[int, Field(gt=0)])


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class MoreColours(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Level(Enum):
    LOW = 1
    HIGH = "high"


class Address(BaseModel):
    street: str


class Place(BaseModel):
    street: str


class LongAddress(BaseModel):
    street: str
    city: str = ""


class Node(BaseModel):
    value: int
    left: Node | None = None
    right: Node | None = None


class Knot(BaseModel):
    value: int
    left: Knot | None = None
    right: Knot | None = None


class WideNode(BaseModel):
    value: float
    left: WideNode | None = None
    right: WideNode | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class FloatCat(BaseModel):
    kind: Literal["cat"]
    lives: float


class Dog(BaseModel):
    kind: Literal["dog"]


class Pair(NamedTuple):
    low: int
    high: int


Tagged = Annotated[Cat | Dog, Field(discriminator="kind")]
FloatTagged = Annotated[FloatCat | Dog, Field(discriminator="kind")]
Names = Annotated[str, Field(pattern="^[a-z]+$")]


def contract(*, limit: int = 10, route: str = "predict", **parts: Any) -> Contract:
    models = {"instance": Empty, "parameters": Empty, "prediction": Empty} | parts
    made = route_contract(**models)
    made = type(made)(
        instance=made.instance, parameters=made.parameters, prediction=made.prediction, max_instances=limit
    )
    return Contract.from_json(Contract(major=1, routes={route: made}).to_json())


def model(**fields: Any) -> type[BaseModel]:
    return create_model("Model", **fields)


def changes(part: str, old: type[BaseModel], new: type[BaseModel]) -> list[str]:
    return [str(found) for found in breaking_changes(contract(**{part: old}), contract(**{part: new}))]


def field(kind: Any) -> type[BaseModel]:
    return model(x=(kind, ...))


BOTH, WIDER, EQUAL = "breaks both sides", "breaks readers", "breaks nobody"
"""Of a change from the first type to the second; one that widens breaks senders when it is undone."""

TYPES = {
    "the same": (int, int, EQUAL),
    "whole number to number": (int, float, WIDER),
    "whole number to text": (int, str, BOTH),
    "truth value to whole number": (bool, int, BOTH),
    "truth value to both literals": (bool, Literal[True, False], EQUAL),
    "one literal to truth value": (Literal[True], bool, WIDER),
    "type to type or none": (int, int | None, WIDER),
    "type to anything": (int, Any, WIDER),
    "none to type or none": (None, int | None, WIDER),
    "type to union": (int, int | str, WIDER),
    "union in another order": (int | str, str | int, EQUAL),
    "union to wider union": (int | str, int | str | None, WIDER),
    "union to its widest member": (int | float, float, EQUAL),
    "union to another union": (int | None, str | None, BOTH),
    "literal with one more": (Literal["a"], Literal["a", "b"], WIDER),
    "literals in another order": (Literal["a", "b"], Literal["b", "a"], EQUAL),
    "literal to its type": (Literal["a"], str, WIDER),
    "literals of one to true": (Literal[1], Literal[True], BOTH),
    "literals of two types to union": (Literal[1, "a"], int | str, WIDER),
    "literals to union of literals": (Literal["a", "b"], Literal["a", "b", "c"] | int, WIDER),
    "literal inside a bound": (Literal[2, 3], Annotated[int, Field(ge=2)], WIDER),
    "literal outside a bound": (Literal[1, 3], Annotated[int, Field(ge=2)], BOTH),
    "literal that matches a pattern": (Literal["a"], Names, WIDER),
    "literal that does not match": (Literal["A"], Names, BOTH),
    "literal longer than allowed": (Literal["abc"], Annotated[str, Field(max_length=2)], BOTH),
    "literal of text to date": (Literal["1993-01-01"], date, BOTH),
    "enum with one more": (Colour, MoreColours, WIDER),
    "enum to its literals": (Colour, Literal["red", "blue"], EQUAL),
    "enum to text": (Colour, str, WIDER),
    "enum of two types to union": (Level, int | str, WIDER),
    "no bound to bound": (Annotated[int, Field(ge=1)], int, WIDER),
    "lower bound": (Annotated[int, Field(ge=2)], Annotated[int, Field(ge=1)], WIDER),
    "upper bound": (Annotated[float, Field(le=1)], Annotated[float, Field(le=2)], WIDER),
    "at least to more than": (Annotated[float, Field(gt=0)], Annotated[float, Field(ge=0)], WIDER),
    "more than 0 to at least 1, whole": (Annotated[int, Field(gt=0)], Annotated[int, Field(ge=1)], EQUAL),
    "less than 3 to at most 2, whole": (Annotated[int, Field(lt=3)], Annotated[int, Field(le=2)], EQUAL),
    "both kinds of bound": (Annotated[int, Field(ge=5, gt=1)], Annotated[int, Field(ge=5)], EQUAL),
    "bounds crossing": (Annotated[int, Field(ge=1, le=9)], Annotated[int, Field(ge=2, le=10)], BOTH),
    "bound on date": (Annotated[date, Field(ge=date(1993, 1, 1))], Annotated[date, Field(ge=date(1990, 1, 1))], WIDER),
    "bound on date, strict": (Annotated[date, Field(lt=date(1993, 1, 1))], date, WIDER),
    "bound on aware time": (
        Annotated[datetime, Field(ge=datetime(1993, 1, 1, tzinfo=UTC))],
        Annotated[datetime, Field(gt=datetime(1992, 1, 1, tzinfo=UTC))],
        WIDER,
    ),
    "length of text": (Annotated[str, Field(max_length=2)], Annotated[str, Field(max_length=3)], WIDER),
    "shortest text": (Annotated[str, Field(min_length=2)], str, WIDER),
    "pattern": (Names, str, WIDER),
    "other pattern": (Names, Annotated[str, Field(pattern="^[a-y]+$")], BOTH),
    "multiple of ten to five": (Annotated[int, Field(multiple_of=10)], Annotated[int, Field(multiple_of=5)], WIDER),
    "multiple of a tenth": (
        Annotated[float, Field(multiple_of=0.3)],
        Annotated[float, Field(multiple_of=0.1)],
        WIDER,
    ),
    "multiple of two to three": (Annotated[int, Field(multiple_of=2)], Annotated[int, Field(multiple_of=3)], BOTH),
    "date to text": (date, str, WIDER),
    "date to time": (date, datetime, BOTH),
    "bounds through a name": (Positive, int, WIDER),
    "bounds beside a name": (Annotated[Positive, Field(description="words")], Positive, EQUAL),
    "bounds in a union": (Annotated[int, Field(gt=0)] | None, int | None, WIDER),
    "exact number": (Decimal, Decimal, EQUAL),
    "list items": (list[int], list[float], WIDER),
    "list of anything": (list[int], list[Any], WIDER),
    "list length": (Annotated[list[int], Field(max_length=2)], list[int], WIDER),
    "list to set": (set[int], list[int], WIDER),
    "list to its item": (list[int], int, BOTH),
    "pair to list": (tuple[int, int], list[int], WIDER),
    "pair with wider second": (tuple[int, int], tuple[int, float], WIDER),
    "pair with other second": (tuple[int, int], tuple[int, str], BOTH),
    "pair to triple": (tuple[int, int], tuple[int, int, int], BOTH),
    "pair to pair or triple": (tuple[int, int], tuple[int, int] | tuple[int, int, int], WIDER),
    "empty list of anything": (tuple[()], list[str], WIDER),
    "named pair": (Pair, tuple[int, int], EQUAL),
    "values of a mapping": (dict[str, int], dict[str, float], WIDER),
    "mapping to any mapping": (dict[str, int], dict[str, Any], WIDER),
    "names of a mapping": (dict[Literal["a"], int], dict[str, int], WIDER),
    "more names of a mapping": (dict[Literal["a"], int], dict[Literal["a", "b"], int], WIDER),
    "pattern of a mapping's names": (dict[Names, int], dict[str, float], WIDER),
    "values under a pattern": (dict[Names, int], dict[Names, float], WIDER),
    "pattern to other pattern of names": (dict[Names, int], dict[Annotated[str, Field(pattern="b")], int], BOTH),
    "size of a mapping": (Annotated[dict[str, int], Field(min_length=1)], dict[str, int], WIDER),
    "model to mapping": (Address, dict[str, str], WIDER),
    "model to mapping of other values": (Address, dict[str, int], BOTH),
    "model to mapping of some names": (Address, dict[Literal["street"], str], WIDER),
    "model to mapping of other names": (Address, dict[Literal["road"], str], BOTH),
    "renamed model": (Address, Place, EQUAL),
    "renamed models in a list": (list[Address], list[Place], EQUAL),
    "renamed recursive model": (Node, Knot, EQUAL),
    "recursive model": (Node, WideNode, WIDER),
    "recursive to flat model": (Node, Address, BOTH),
    "tagged union": (Tagged, FloatTagged, WIDER),
    "tagged union to member": (Cat, Tagged, WIDER),
    "tagged union to plain union": (Tagged, Cat | Dog, EQUAL),
    "nested unions": (list[int | None], list[float | None] | None, WIDER),
}


@pytest.mark.parametrize(("old", "new", "breaks"), TYPES.values(), ids=TYPES.keys())
def test_change_of_type_is_judged(old: Any, new: Any, breaks: str):
    narrow, wide = field(old), field(new)
    assert bool(changes("instance", narrow, wide)) == (breaks == BOTH)
    assert bool(changes("prediction", narrow, wide)) == (breaks != EQUAL)
    assert bool(changes("instance", wide, narrow)) == (breaks != EQUAL)
    assert bool(changes("prediction", wide, narrow)) == (breaks == BOTH)


STRICT = create_model("Strict", __config__=ConfigDict(extra="forbid"), x=(int, ...))
OPEN = create_model("Open", __config__=ConfigDict(extra="allow"), x=(int, ...))
X, X_OPTIONAL = model(x=(int, ...)), model(x=(int, 1))
XY, XY_OPTIONAL = model(x=(int, ...), y=(int, ...)), model(x=(int, ...), y=(int, 1))
NONE_X = model(x=(int | None, ...))


class TypedExtras(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    x: int


FIELDS = {
    "nothing": (X, X, "", ""),
    "add an optional field": (X, XY_OPTIONAL, "", ""),
    "add a required field": (X, XY, ".y: is now required", ""),
    "remove a required field": (XY, X, ".y: is gone", ".y: is gone"),
    "remove an optional field": (XY_OPTIONAL, X, ".y: is gone", ".y: is gone"),
    "required to optional": (X, X_OPTIONAL, "", ".x: may now be missing"),
    "optional to required": (X_OPTIONAL, X, ".x: is now required", ""),
    "nullable to optional and not nullable": (
        NONE_X,
        X_OPTIONAL,
        ".x: the type is integer, was integer or null",
        ".x: may now be missing",
    ),
    "rename a field": (X, model(z=(int, ...)), ".x: is gone", ".x: is gone"),
    "rename to an alias": (X, model(x=(int, Field(alias="z"))), ".x: is gone", ".x: is gone"),
    "change a description": (X, model(x=(int, Field(description="words", examples=[1]))), "", ""),
    "change a default": (X_OPTIONAL, model(x=(int, 2)), "", ""),
    "refuse undeclared fields": (X, STRICT, ": undeclared fields are now refused", ""),
    "refuse what was kept": (OPEN, STRICT, ": undeclared fields are now refused", ""),
    "ignore undeclared fields": (STRICT, X, "", ""),
    "keep undeclared fields": (X, OPEN, "", ""),
    "check undeclared fields": (X, TypedExtras, ".*: the type is integer, was anything", ""),
    "no more check of undeclared fields": (TypedExtras, OPEN, "", ".*: the type is anything, was integer"),
    "strict model with one more": (
        STRICT,
        create_model("More", __config__=ConfigDict(extra="forbid"), x=(int, ...), y=(int, 0)),
        "",
        "",
    ),
    "nested optional field": (field(Address), field(LongAddress), "", ""),
    "nested field taken away": (field(LongAddress), field(Address), ".x.city: is gone", ".x.city: is gone"),
    "field of a listed model": (
        field(list[Address]),
        field(list[model(street=(int, ...))]),
        ".x[].street: the type is integer, was string",
        ".x[].street: the type is integer, was string",
    ),
    "field of a mapped model": (
        field(dict[str, Address]),
        field(dict[str, XY]),
        ".x.*.y: is now required",
        ".x.*.street: is gone",
    ),
    "second of a pair": (
        field(tuple[int, int]),
        field(tuple[int, str]),
        ".x[1]: the type is string, was integer",
        ".x[1]: the type is string, was integer",
    ),
    "deep in a recursive model": (
        Node,
        WideNode,
        "",
        ".value: the type is number, was integer",
    ),
    "field in one member of a union": (
        field(Cat | Dog),
        field(FloatCat | Dog),
        "",
        ".x.lives: the type is number, was integer",
    ),
    "bound of a nullable field": (
        field(int | None),
        field(Annotated[int, Field(gt=0)] | None),
        ".x: the lower bound is > 0, was not set",
        "",
    ),
    "mapping to a model without fields": (field(dict[str, str]), field(Empty), "", ""),
    "other tag of a model": (
        field(Cat | None),
        field(Dog | None),
        ".x: the type is Dog or null, was Cat or null",
        ".x: the type is Dog or null, was Cat or null",
    ),
    "literals": (
        field(Literal["a", "b"]),
        field(Literal["b"]),
        ".x: the type is 'b', was 'a' or 'b'",
        "",
    ),
    "names of a mapping": (
        field(dict[str, int]),
        field(dict[Literal["a"], int]),
        ".x names: the type is 'a', was string",
        "",
    ),
}


@pytest.mark.parametrize(("old", "new", "sender", "reader"), FIELDS.values(), ids=FIELDS.keys())
def test_change_of_fields_is_judged(old: type[BaseModel], new: type[BaseModel], sender: str, reader: str):
    for part, told in (("instance", sender), ("parameters", sender), ("prediction", reader)):
        found = changes(part, old, new)
        assert (f"predict: {part}{told}" in found) if told else not found


def test_fewer_instances_break_senders():
    assert breaking_changes(contract(limit=10), contract(limit=9)) == [
        Break(where="predict", what="at most 9 instances a request, was 10")
    ]


def test_more_instances_break_nobody():
    assert breaking_changes(contract(limit=10), contract(limit=11)) == []


def test_route_must_stay():
    assert [str(found) for found in breaking_changes(contract(), contract(route="rank"))] == [
        "predict: the route is gone"
    ]


def test_routes_may_be_added():
    old = contract()
    new = Contract(major=1, routes={**old.routes, "rank": old.routes["predict"]})
    assert breaking_changes(old, new) == []


def test_contract_survives_json():
    one = contract(instance=Node, prediction=field(Annotated[date, Field(ge=date(1993, 1, 1))]))
    assert Contract.from_json(one.to_json()) == one


def expressions(prefix: str, leaf: Any) -> type[BaseModel]:
    """Make twelve models each of which holds each."""
    names = [f"{prefix}{number}" for number in range(12)]
    union = " | ".join(names)
    space: dict[str, Any] = {}
    for number, name in enumerate(names):
        fields = {"kind": (Literal[f"k{number}"], ...), "leaf": (leaf, ...)}
        children = dict.fromkeys(("left", "right"), (f"list[{union}]", ...))
        space[name] = create_model(name, **fields, **children)
    for made in space.values():
        made.model_rebuild(_types_namespace=space)
    return space[names[0]]


@pytest.mark.parametrize(("leaf", "breaks"), [(int, False), (float, True)], ids=["same", "wider"])
def test_many_recursive_models_end_soon(leaf: Any, breaks: bool):
    started = time.monotonic()
    found = changes("prediction", expressions("A", int), expressions("B", leaf))
    assert bool(found) == breaks
    assert time.monotonic() - started < 5


CUSTOM = {
    "all of, merged": ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, {"type": "integer", "minimum": 2}, False),
    "all of, wider": ({"type": "integer"}, {"allOf": [{"type": "integer"}, {"minimum": 2}]}, True),
    "all of, two patterns": (
        {"type": "string", "pattern": "a"},
        {"type": "string", "allOf": [{"pattern": "a"}, {"pattern": "b"}]},
        True,
    ),
    "alias of itself": ({"type": "integer"}, {"$ref": "#/$defs/Self"}, False),
    "reference to the whole": ({"type": "integer"}, {"$ref": "#"}, True),
    "list of types": ({"type": "integer"}, {"type": ["integer", "null"]}, False),
    "nothing fits": ({"not": {}}, {"type": "integer"}, False),
    "something to nothing": ({"type": "integer"}, {"not": {}}, True),
    "no items": ({"type": "array", "items": False}, {"type": "array", "items": {"type": "integer"}}, False),
    "enumerated list": ({"enum": [[1]]}, {"type": "array"}, True),
    "enumerated list to anything": ({"enum": [[1], 1.5]}, {"title": "X"}, False),
    "enumerated fraction": ({"const": 1.5}, {"type": "number", "minimum": 1, "multipleOf": 0.5}, False),
    "enumerated fraction off the grid": ({"const": 1.5}, {"type": "number", "multipleOf": 1}, True),
    "union with a bound beside it": ({"type": "integer"}, {"anyOf": [{"type": "integer"}], "minimum": 1}, True),
    "condition": ({"type": "integer"}, {"type": "integer", "if": {"minimum": 1}}, True),
    "note of the author": ({"type": "integer"}, {"type": "integer", "x-unit": "metres"}, False),
}


@pytest.mark.parametrize(("old", "new", "breaks"), CUSTOM.values(), ids=CUSTOM.keys())
def test_schema_written_by_hand_is_judged(old: dict[str, Any], new: dict[str, Any], breaks: bool):
    def one(schema: dict[str, Any]) -> Contract:
        route = contract().routes["predict"]
        instance = {
            "type": "object",
            "$defs": {"Self": {"$ref": "#/$defs/Self"}},
            "properties": {"x": schema},
        }
        changed = type(route)(instance=instance, parameters={}, prediction={}, max_instances=1)
        return Contract(major=1, routes={"predict": changed})

    assert bool(breaking_changes(one(old), one(new))) == breaks
