from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

from rung.checks._artifacts import may_be


class Predicts(Protocol):
    def predict(self, rows: Any) -> Any: ...


class Row(TypedDict):
    x: float


T = TypeVar("T")
Price = NewType("Price", float)

FITTING = {
    "the same": (Pipeline, Pipeline),
    "a subclass": (Pipeline, BaseEstimator),
    "a narrower promise than the handler needs": (BaseEstimator, Pipeline),
    "nothing is known of one": (Pipeline, Any),
    "nothing is known of the other": (Any, Pipeline),
    "every value is an object": (Pipeline, object),
    "a protocol": (Pipeline, Predicts),
    "a type variable": (T, Pipeline),
    "values, not a type": (str, Literal["a"]),
    "an abstract class that is not named": (np.ndarray, Sequence[float]),
    "a function": (Callable[[float], float], Callable),
    "an object that can be called": (Pipeline, Callable[[float], float]),
    "a generic": (list[int], list),
    "what a generic is of": (list[int], list[str]),
    "an array of a type": (NDArray[np.float64], np.ndarray),
    "a mapping": (dict[str, float], Mapping[str, float]),
    "a typed dict": (dict[str, float], Row),
    "one of several": (Pipeline, LinearRegression | Pipeline),
    "perhaps none": (Optional[Pipeline], Pipeline),  # noqa: UP045  people write it both ways
    "none where none may be": (type(None), Pipeline | None),
    "a whole number where any will do": (int, float),
    "a number by another name": (float, Price),
}
DIFFERING = {
    "two classes": (LinearRegression, Pipeline),
    "two classes, one of them of an abstract base": (RandomForestRegressor, Pipeline),
    "two generics": (dict[str, float], list[float]),
    "a class and a generic": (Pipeline, dict[str, float]),
    "none of several": (LinearRegression | RandomForestRegressor, Pipeline | dict),
    "alike in that there may be none": (LinearRegression | None, Pipeline | None),
    "a text where a number is taken": (str, float),
    "a typed dict and a list": (list[float], Row),
    "a text by another name": (str, Price),
}


@pytest.mark.parametrize(("given", "taken"), FITTING.values(), ids=FITTING)
def test_a_value_of_one_type_may_be_one_of_the_other(given: Any, taken: Any):
    assert may_be(given, taken)


@pytest.mark.parametrize(("given", "taken"), DIFFERING.values(), ids=DIFFERING)
def test_no_value_is_of_both_types(given: Any, taken: Any):
    assert not may_be(given, taken)
