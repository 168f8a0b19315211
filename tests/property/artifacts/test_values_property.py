import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung import artifacts
from rung.artifacts import _container
from rung.artifacts._container import Part
from rung.errors import IntegrityError

characters = st.text(st.characters())  # surrogates too
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | characters
    | st.binary(max_size=600)
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones() | st.just(dt.UTC))
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
keys = st.integers() | characters | st.dates() | st.tuples(st.booleans(), characters)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(characters, inner)
        | st.dictionaries(st.sampled_from(["$part", "$", "$dict", "a"]), inner)
        | st.dictionaries(keys, inner)
        | st.sets(keys)
        | st.frozensets(keys)
    ),
    max_leaves=15,
)


def same(one: Any, other: Any) -> bool:
    """Compare with types, order, signs of zero and NaN, as `==` does not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.items(), other.items())) and len(one) == len(other)
    if isinstance(one, float):
        return repr(one) == repr(other)
    return one == other and (isinstance(one, set | frozenset) or repr(one) == repr(other))


@given(values)
def test_any_value_comes_back_exactly(value: Any):
    data = artifacts.encode(value)
    back = artifacts.decode(data)
    assert same(back, value)
    assert artifacts.encode(back) == data


@given(st.lists(keys, unique=True), st.randoms())
def test_order_of_a_set_does_not_count(items: list[Any], random: Any):
    shuffled = random.sample(items, len(items))
    assert artifacts.encode(set(items)) == artifacts.encode(set(shuffled))


@given(st.lists(st.tuples(st.text(), st.binary()), max_size=4), st.data())
def test_no_changed_container_is_read(parts: Any, data: Any):
    made = _container.pack([Part(*part) for part in parts])
    at = data.draw(st.integers(0, len(made) - 1))
    changed = made[:at] + data.draw(st.binary(max_size=3)) + made[at + data.draw(st.integers(0, 3)) :]
    if changed != made:
        with pytest.raises(IntegrityError):
            _container.unpack(changed)


@given(st.binary(max_size=200))
def test_chance_bytes_are_refused(data: Any):
    for read in (artifacts.decode, artifacts.describe):
        with pytest.raises(IntegrityError):
            read(data)
