"""Bounds of a request's body."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from rung.errors import SchemaError
from rung.schema import Request, instance_limit, max_instances, request_arguments

T = TypeVar("T", bound=BaseModel)


@max_instances(2)
class House(BaseModel):
    rooms: int


class Unbounded(BaseModel):
    rooms: int


class Cottage(House):
    pass


class AllOptional(BaseModel):
    model_config = ConfigDict(extra="forbid")
    round_to: int = 100


class OneRequired(BaseModel):
    currency: str
    round_to: int = 100


BODY = Request[House, AllOptional]
ONE = {"rooms": 3}

BODIES = {
    "one instance": (BODY, {"instances": [ONE]}, None),
    "as many as allowed": (BODY, {"instances": [ONE, ONE]}, None),
    "one too many": (BODY, {"instances": [ONE, ONE, ONE]}, "too_long"),
    "no instance": (BODY, {"instances": []}, "too_short"),
    "instances left out": (BODY, {}, "missing"),
    "instances not a list": (BODY, {"instances": ONE}, "list_type"),
    "wrong instance": (BODY, {"instances": [{"rooms": "many"}]}, "int_parsing"),
    "unknown key": (BODY, {"instances": [ONE], "instance": ONE}, "extra_forbidden"),
    "unknown parameter": (BODY, {"instances": [ONE], "parameters": {"round": 1}}, "extra_forbidden"),
    "parameters null": (BODY, {"instances": [ONE], "parameters": None}, "model_type"),
    "parameters in part": (
        Request[House, OneRequired],
        {"instances": [ONE], "parameters": {"currency": "USD"}},
        None,
    ),
    "required parameters left out": (Request[House, OneRequired], {"instances": [ONE]}, "missing"),
    "required parameter left out": (
        Request[House, OneRequired],
        {"instances": [ONE], "parameters": {"round_to": 1}},
        "missing",
    ),
    "the limit is inherited": (Request[Cottage, AllOptional], {"instances": [ONE] * 3}, "too_long"),
    "default limit": (Request[Unbounded, AllOptional], {"instances": [ONE] * 1_000}, None),
    "beyond the default limit": (Request[Unbounded, AllOptional], {"instances": [ONE] * 1_001}, "too_long"),
}


@pytest.mark.parametrize(("body", "data", "refused"), BODIES.values(), ids=BODIES.keys())
def test_body_is_bounded(body: type[BaseModel], data: Any, refused: str | None):
    if refused is None:
        assert body.model_validate(data).model_dump()["instances"] == data["instances"]
    else:
        with pytest.raises(ValidationError) as caught:
            body.model_validate(data)
        assert [error["type"] for error in caught.value.errors()] == [refused]


def test_parameters_left_out_are_the_defaults():
    assert BODY.model_validate({"instances": [ONE]}).parameters == AllOptional(round_to=100)


def test_defaults_are_not_shared():
    first, second = (BODY.model_validate({"instances": [ONE]}) for _ in range(2))
    first.parameters.round_to = 1
    assert second.parameters.round_to == 100


def test_same_models_give_same_body():
    assert Request[House, AllOptional] is BODY
    assert issubclass(BODY, Request)


def test_body_tells_its_models():
    assert request_arguments(BODY) == (House, AllOptional)


@pytest.mark.parametrize("annotation", [int, None, "Request", list[int], Request])
def test_other_annotations_tell_none(annotation: Any):
    assert request_arguments(annotation) is None


def test_generic_body_stays_generic():
    assert request_arguments(Request[T, AllOptional]) is None


def test_arguments_must_be_models():
    with pytest.raises(SchemaError, match=r"Request\[House, int\]: int is not a Pydantic model: write it as"):
        Request[House, int]


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, House])
def test_limit_must_bound(limit: Any):
    with pytest.raises(SchemaError, match=r"write it as @max_instances\(64\)"):
        max_instances(limit)


def test_limit_is_told():
    assert (instance_limit(House), instance_limit(Cottage), instance_limit(Unbounded)) == (2, 2, 1_000)
