"""Exact terms: baseline plus terms are what the model says, by input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from rung.explain import NotExplainableError, explain_linear

ROWS = 60
FRAME = pl.DataFrame(
    {
        "wall": [("wood", "brick", "stone")[index % 3] for index in range(ROWS)],
        "area": [float(index * 7 % 50 + 10) for index in range(ROWS)],
        "depth": [None if index % 5 == 0 else float(index % 11) for index in range(ROWS)],
    }
)
PRICES = np.array([100 + 3 * area + (20 if wall == "stone" else 0) for wall, area, _ in FRAME.iter_rows()])


def features() -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["wall"]),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["area", "depth"]),
    )


def test_terms_add_up_to_the_prediction():
    model = make_pipeline(features(), Ridge()).fit(FRAME, PRICES)
    found = explain_linear(model, FRAME, artifact="build_model")
    assert [one.outputs[0].value for one in found] == pytest.approx(model.predict(FRAME).tolist())
    assert set(found[0].outputs[0].terms) == {"wall", "area", "depth"}
    assert (found[0].space, found[0].method, found[0].artifact) == ("prediction", "linear terms", "build_model")


def test_terms_of_a_logarithm_say_so():
    regressor = make_pipeline(features(), Ridge())
    model = TransformedTargetRegressor(regressor, func=np.log, inverse_func=np.exp).fit(FRAME, PRICES)
    found = explain_linear(model, FRAME)
    assert found[0].space == "log of the prediction"
    assert [math.exp(one.outputs[0].value) for one in found] == pytest.approx(model.predict(FRAME).tolist())


def test_two_classes_are_told_as_log_odds():
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME.select("area"), PRICES > 180)
    found = explain_linear(model, FRAME.select("area"))
    odds = [1 / (1 + math.exp(-one.outputs[0].value)) for one in found]
    assert odds == pytest.approx(model.predict_proba(FRAME.select("area"))[:, 1].tolist())
    assert (found[0].space, found[0].outputs[0].name) == ("log-odds", "True")


def test_words_of_a_text_are_its_terms():
    texts = ["good film", "bad film", "dull film", "good and good"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["p", "n", "0", "p"] * 5)
    (found,) = explain_linear(model, ["bad film"])
    assert [output.name for output in found.outputs] == ["0", "n", "p"]
    assert set(found.outputs[1].terms) == {"bad", "film"}
    weights = np.exp([output.value for output in found.outputs])
    assert (weights / weights.sum()).tolist() == pytest.approx(model.predict_proba(["bad film"])[0].tolist())


@pytest.mark.parametrize("drop", [None, "first", "if_binary"])
def test_columns_of_one_input_are_added_up(drop: str | None):
    encoder = OneHotEncoder(drop=drop, sparse_output=True, max_categories=2)
    model = make_pipeline(make_column_transformer((encoder, ["wall"])), LinearRegression()).fit(FRAME, PRICES)
    found = explain_linear(model, FRAME)
    assert set(found[0].outputs[0].terms) <= {"wall"}
    assert [one.outputs[0].value for one in found] == pytest.approx(model.predict(FRAME).tolist())


def test_columns_by_place_mask_and_remainder_are_named():
    numbers = FRAME.select("area", "depth").fill_null(0).with_columns(rooms=pl.col("area") / 10).to_pandas()
    columns = make_column_transformer(
        (StandardScaler(), [0]), (StandardScaler(), [False, True, False]), remainder="passthrough"
    )
    model = make_pipeline(columns, LinearRegression()).fit(numbers, PRICES)
    found = explain_linear(model, numbers)
    assert set(found[0].outputs[0].terms) == {"area", "depth", "rooms"}
    assert found[3].outputs[0].value == pytest.approx(model.predict(numbers)[3])


def test_products_of_columns_keep_their_names():
    rows = FRAME.select("area").with_columns(rooms=pl.col("area") % 7)
    model = make_pipeline(PolynomialFeatures(2), Ridge()).fit(rows, PRICES)
    assert "area rooms" in explain_linear(model, rows)[0].outputs[0].terms


def test_rows_without_names_have_numbered_columns():
    rows = np.arange(20.0).reshape(10, 2)
    model = LinearRegression().fit(rows, rows)
    found = explain_linear(model, rows)
    assert [output.name for output in found[0].outputs] == ["output 0", "output 1"]
    assert set(found[0].outputs[0].terms) == {"column 0", "column 1"}


@pytest.mark.parametrize(
    ("model", "rows", "told"),
    [
        (RandomForestRegressor(2), FRAME.select("area"), "RandomForestRegressor is not linear"),
        (PoissonRegressor(), FRAME.select("area"), "something between its terms and what it predicts"),
        (make_pipeline(HashingVectorizer(), Ridge()), FRAME["wall"].to_list(), "HashingVectorizer makes have no names"),
        (RidgeClassifier(), FRAME.select("area"), "whose terms are no log-odds"),
    ],
)
def test_what_is_not_a_sum_of_terms_is_refused(model: Any, rows: Any, told: str):
    truths = PRICES > 180 if isinstance(model, RidgeClassifier) else PRICES
    with pytest.raises(NotExplainableError, match=told):
        explain_linear(model.fit(rows, truths), rows)


def test_many_terms_are_told_as_one_sum():
    rows = np.eye(60)
    (found, *_) = explain_linear(LinearRegression().fit(rows, np.arange(60.0)), rows)
    told = found.to_json()["outputs"][0]
    assert len(told["terms"]) == 50
    assert told["others"]["count"] == 10
    assert told["baseline"] + sum(told["terms"].values()) + told["others"]["sum"] == pytest.approx(told["value"])
