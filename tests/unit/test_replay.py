from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.replay import first_difference

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)

DIFFERENT = {
    "a number": ([{"y": 1.0}], [{"y": 1.5}], "/0/y"),
    "its type": ([{"y": 1}], [{"y": 1.0}], "/0/y"),
    "a truth value": ([True], [1], "/0"),
    "the second": ([1, 2, 3], [1, 5, 6], "/1"),
    "one more": ([1], [1, 2], "/1"),
    "a field more": ({"a": 1}, {"a": 1, "b": None}, "/b"),
    "a field of an odd name": ({"a/b~": 1}, {"a/b~": 2}, "/a~1b~0"),
    "all of it": ([1], {"a": 1}, ""),
}


@pytest.mark.parametrize(("one", "other", "pointer"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_first_difference_is_pointed_to(one: Any, other: Any, pointer: str):
    assert first_difference(one, other) == pointer
    assert first_difference(other, one) == pointer


@given(JSON)
def test_nothing_differs_from_itself(value: Any):
    assert first_difference(value, value) is None
