"""What a hyperparameter model declares to be tuned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from rung.errors import CallError
from rung.training import NotTuned, Range
from rung.tuning._space import Parameter, Space, declared


class Model(BaseModel):
    kind: Literal["tree", "linear"] = "tree"
    verbose: bool = False
    rate: Annotated[float, Field(gt=0, le=1), Range(0.01, log=True)] = 0.1
    depth: Annotated[int, Field(gt=1, lt=8)] = 3
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    width: Annotated[int, Field(ge=8, le=64), Range(step=8)] = 16
    open_ended: Annotated[int, Field(ge=0)] = 0
    free: float = 0.0
    only: Literal["one"] = "one"
    name: str = ""
    some: float | None = None
    years: Annotated[int, Field(ge=1, le=9), NotTuned] = 3
    months: Annotated[int, Field(ge=1, le=9), NotTuned()] = 3
    seed: Annotated[int, Field(ge=0, le=9)] = 0


SPACE = declared(Model)
KNOWN = {one.name: one for one in SPACE.parameters}


def test_only_what_has_a_range_is_tuned() -> None:
    assert list(KNOWN) == ["kind", "verbose", "rate", "depth", "share", "width"]


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("open_ended", "its range has no upper end"),
        ("free", "its range has no ends"),
        ("only", "it has one value"),
        ("name", "no range can be declared for str"),
        ("some", "no range can be declared for float | None"),
        ("years", "it is declared NotTuned"),
        ("months", "it is declared NotTuned"),
        ("seed", "a seed is no setting: runs with other seeds show the spread"),
    ],
)
def test_what_is_left_out_says_why(name: str, because: str) -> None:
    assert SPACE.left_out[name] == because


def test_open_bounds_are_left_by_one_step() -> None:
    assert (KNOWN["depth"].low, KNOWN["depth"].high) == (2, 7)
    assert KNOWN["share"].low == 0
    assert 0.999 < KNOWN["share"].high < 1


def test_a_range_goes_before_the_bounds_and_leaves_them_the_rest() -> None:
    assert (KNOWN["rate"].low, KNOWN["rate"].high, KNOWN["rate"].log) == (0.01, 1, True)


def test_a_setting_of_the_study_is_not_tuned() -> None:
    assert declared(Model, fixed=["rate"]).left_out["rate"] == "it is set for the whole study"


def test_nothing_to_tune_is_an_error() -> None:
    class Nothing(BaseModel):
        free: float = 0.0

    with pytest.raises(CallError, match="free: its range has no ends"):
        declared(Nothing)
    with pytest.raises(CallError, match="no hyperparameters"):
        declared(None)


def test_a_logarithm_of_nothing_is_an_error() -> None:
    class Zero(BaseModel):
        rate: Annotated[float, Field(ge=0, le=1), Range(log=True)] = 0.1

    with pytest.raises(CallError, match="begins at 0"):
        declared(Zero)


def test_a_range_that_the_bounds_empty_is_an_error() -> None:
    class Empty(BaseModel):
        depth: Annotated[int, Field(le=3), Range(low=5)] = 3

    with pytest.raises(CallError, match="5 to 3"):
        declared(Empty)


def test_a_space_is_read_as_it_was_written() -> None:
    assert Space.from_json(SPACE.to_json()) == SPACE


@pytest.mark.parametrize("parameter", SPACE.parameters, ids=lambda one: one.name)
def test_optuna_takes_every_parameter(parameter: Parameter) -> None:
    distribution: Any = parameter.distribution()
    assert distribution._contains(distribution.to_internal_repr(parameter.default))  # noqa: SLF001  its own question


def test_proposed_numbers_have_few_digits_and_stay_in_range() -> None:
    assert KNOWN["rate"].rounded(0.0123456) == 0.01235
    assert KNOWN["share"].rounded(KNOWN["share"].high) == KNOWN["share"].high
    assert KNOWN["depth"].rounded(5) == 5


def test_a_value_has_a_place_in_its_range() -> None:
    assert KNOWN["rate"].place(0.1) == pytest.approx(0.5)
    assert KNOWN["kind"].place("linear") == 1.0
    assert KNOWN["depth"].place(2) == 0.0
