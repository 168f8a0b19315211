"""YAML that every parser reads back as it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rung.exports._yaml import spell_yaml

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(_VALUES)
def test_values_come_back(value: Any):
    assert yaml.safe_load(spell_yaml(value)) == value


@pytest.mark.parametrize(
    "word", ["yes", "NO", "off", "null", "1e3", "0x10", "2026-11-22", "1:30", ".5", "-", "a: b", "~"]
)
def test_words_that_mean_something_stay_words(word: str):
    assert yaml.safe_load(spell_yaml({word: [word]})) == {word: [word]}


def test_lines_are_a_block():
    assert spell_yaml({"script": "one\n  two\n"}) == "script: |\n  one\n    two\n"
