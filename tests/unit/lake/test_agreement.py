from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.lake import Agreement, Answered, compare_predictions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def compared(*pairs: tuple[Any, Any], **options: Any) -> Agreement:
    answered = [
        Answered(id=f"p{number}", instance=number, one=one, other=other) for number, (one, other) in enumerate(pairs)
    ]
    return compare_predictions(answered, **options)


def test_numbers_agree_within_the_tolerance():
    found = compared(({"price": 100}, {"price": 100.5}), ({"price": 1.0}, {"price": 1}), tolerance=0.01)
    price = found.fields["price"]
    assert (price.compared, price.equal, price.close, price.numbers, price.difference) == (2, 1, 2, 2, 0.25)
    assert (found.share, price.agreement) == (1, 1)


def test_texts_agree_when_they_are_equal():
    found = compared(({"label": "a"}, {"label": "b"}), ({"label": "a"}, {"label": "a"}))
    label = found.fields["label"]
    assert (label.agreement, label.numbers, label.difference, found.share) == (0.5, 0, None, 0.5)


def test_fields_are_named_by_their_path():
    found = compared(({"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3]}, "d": 1}))
    assert {name: field.agreement for name, field in found.fields.items()} == {"a.b[]": 0.5, "c": 0, "d": 0}


def test_lists_of_other_lengths_differ():
    assert compared(([1, 2], [1])).fields[""].agreement == 0


@pytest.mark.parametrize(("one", "other"), [(True, 1), (None, 0), ("1", 1), (math.nan, 1.0), (10**400, 1)])
def test_values_of_other_kinds_differ(one: Any, other: Any):
    assert compared((one, other)).share == 0


def test_tiny_numbers_are_close_to_zero():
    assert compared((0.0, 1e-15)).share == 1


def test_the_ten_that_differ_most_are_kept():
    found = compared(*[(1.0, 1.0 + number % 25) for number in range(50)])
    assert [row.other for row in found.differing] == [25.0, 25.0, 24.0, 24.0, 23.0, 23.0, 22.0, 22.0, 21.0, 21.0]
    assert [row.id for row in found.differing[:2]] == ["p24", "p49"]
    assert found.differing[0].distance == pytest.approx(24 / 25)


def test_nothing_compared_agrees():
    found = compared()
    assert (found.share, found.fields, found.differing) == (1, {}, ())


@given(st.lists(JSON, max_size=4))
def test_everything_agrees_with_itself(values: list[Any]):
    found = compared(*[(value, json.loads(json.dumps(value))) for value in values])
    assert (found.instances, found.same, found.differing) == (len(values), len(values), ())


@given(st.lists(st.tuples(JSON, JSON), max_size=4))
def test_both_directions_agree_alike(pairs: list[tuple[Any, Any]]):
    one, other = compared(*pairs), compared(*[(second, first) for first, second in pairs])
    assert (one.same, one.fields) == (other.same, other.fields)
