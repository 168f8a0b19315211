from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.linear_model import LinearRegression

from rung.training import sampled

WITH_ROWS = {
    "a list": list(range(10)),
    "an array": np.arange(20).reshape(10, 2),
    "a pandas frame": pd.DataFrame({"x": range(10)}, index=[f"row {number}" for number in range(10)]),
    "a pandas series": pd.Series(range(10), index=np.arange(10) / 2),
    "a polars frame": pl.DataFrame({"x": range(10)}),
    "a polars series": pl.Series(range(10)),
    "a sparse matrix": scipy.sparse.csr_matrix(np.eye(10)),
}
WITHOUT = {
    "a text": "ten letters",
    "bytes": b"ten",
    "a number": np.float64(3),
    "a model": LinearRegression(),
    "none": None,
}


@pytest.mark.parametrize("value", WITH_ROWS.values(), ids=WITH_ROWS)
def test_rows_are_left_evenly_and_of_the_same_kind(value: Any):
    left = sampled(value, rows=4)
    assert type(left) is type(value)
    assert (left.shape[0] if hasattr(left, "shape") else len(left)) == 4


@pytest.mark.parametrize("value", WITHOUT.values(), ids=WITHOUT)
def test_what_has_no_rows_is_given_as_it_is(value: Any):
    assert sampled(value, rows=1) is value


@pytest.mark.parametrize("value", WITH_ROWS.values(), ids=WITH_ROWS)
def test_few_rows_are_left_as_they_are(value: Any):
    assert sampled(value, rows=10) is value


def test_features_and_truths_stay_together():
    features, truths = np.arange(1_001), list(range(1_001))
    left = sampled({"X": features, "both": (features, truths), "name": "all"}, rows=1_000)
    assert left["name"] == "all"
    assert left["X"].tolist() == left["both"][0].tolist() == left["both"][1] == list(range(0, 1_001, 2))
