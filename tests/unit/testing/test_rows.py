"""Rows by the hashes of their content."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rung import artifacts
from rung.errors import ConflictError
from rung.testing import _rows
from rung.testing._rows import Hashes, Overlap, TrainingRows, hash_rows, keep_rows, overlap


class House(BaseModel):
    rooms: int
    built: dt.date = dt.date(1996, 6, 15)
    area: float | None = None


class LaterHouse(House):
    """One revision later: a field more, and in another order."""

    garage: str | None = None
    rooms: int


HOUSES = [House(rooms=rooms) for rooms in range(10)]
TRUTHS = [float(rooms) for rooms in range(10)]


def against(held_out: Hashes, trained: Hashes) -> Overlap:
    return overlap(held_out, keep_rows(trained, max_leaked=0))


def test_rows_apart_do_not_overlap():
    found = against(hash_rows(HOUSES[:4], TRUTHS[:4]), hash_rows(HOUSES[4:], TRUTHS[4:]))
    assert (found.held_out, found.training, found.leaked, found.repeated, found.sampled) == (4, 6, (), 0, 1.0)


def test_shared_rows_are_found():
    found = against(hash_rows(HOUSES, TRUTHS), hash_rows(HOUSES[3:5], TRUTHS[3:5]))
    assert (found.leaked, found.share) == ((3, 4), 0.2)


def test_another_truth_is_a_repetition():
    found = against(hash_rows(HOUSES[:3], [9.0, 1.0, 2.0]), hash_rows(HOUSES, TRUTHS))
    assert (found.leaked, found.repeated) == ((1, 2), 1)


@pytest.mark.parametrize(("held_out", "trained"), [(TRUTHS, None), (None, TRUTHS[:2]), (None, None)])
def test_instance_counts_where_truths_are_unknown(held_out: Any, trained: Any):
    found = against(hash_rows(HOUSES, held_out), hash_rows(HOUSES[:2], trained))
    assert (found.leaked, found.repeated) == ((0, 1), 0)


def test_optional_field_may_be_added():
    assert hash_rows([LaterHouse(rooms=3)]) == hash_rows([House(rooms=3)])
    assert hash_rows([LaterHouse(rooms=3, garage="none")]) != hash_rows([House(rooms=3)])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(pl.DataFrame({"b": [1, 2], "a": ["x", "y"]}), id="polars"),
        pytest.param(pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), id="pandas"),
        pytest.param([{"a": "x", "b": 1}, {"a": "y", "b": 2}], id="dicts"),
    ],
)
def test_tables_are_rows(rows: Any):
    assert hash_rows(rows) == hash_rows(({"b": 1, "a": "x"}, {"b": 2, "a": "y"}))


def test_arrays_are_rows():
    rows = np.array([[1.0, np.nan], [2.0, 3.0]])
    assert hash_rows(rows, np.array([1, 2])) == hash_rows([[1.0, float("nan")], [2.0, 3.0]], [1, 2])


@pytest.mark.parametrize("row", [b"\xff\x00", {"picture": b"\xff"}, "lone \ud800", None, {1: 2}])
def test_odd_values_have_a_spelling(row: Any):
    assert len(hash_rows([row], [None]).instances) == 1


def test_what_has_no_spelling_is_refused():
    with pytest.raises(ConflictError, match=r"cannot be compared \(.*object.*\): give rows that JSON can spell"):
        hash_rows([object()])


def test_kept_rows_survive_the_store():
    kept = keep_rows(hash_rows(HOUSES + HOUSES, TRUTHS + TRUTHS), max_leaked=0.1)
    assert (kept.rows, len(kept.instances), len(kept.pairs or b"")) == (20, 80, 80)
    assert TrainingRows.model_validate(artifacts.decode(artifacts.encode(kept.model_dump()))) == kept


def test_too_many_rows_are_sampled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_rows, "MOST_HASHES", 500)
    rows = hash_rows(range(2_000))
    found = against(rows, rows)
    assert len(found.leaked) == 500
    assert found.sampled == pytest.approx(0.25, abs=0.05)


@given(st.lists(st.integers()), st.lists(st.integers()))
def test_leaks_are_those_of_sets(held_out: list[int], trained: list[int]):
    found = against(hash_rows(held_out), hash_rows(trained))
    assert found.leaked == tuple(index for index, row in enumerate(held_out) if row in set(trained))
