"""SHAP values of trees, where `shap` is installed; what is said where it is not, or is wrong."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from rung.explain import NotExplainableError, explain_model, explain_shap

needs_shap = pytest.mark.skipif(find_spec("shap") is None, reason="shap is not installed (the extra explain)")
RNG = np.random.default_rng(0)
ROWS = pl.DataFrame(
    {
        "wall": [("wood", "brick", "stone")[index % 3] for index in range(600)],
        "area": RNG.uniform(10, 50, 600),
    }
)
PRICES = np.exp(1 + 0.05 * ROWS["area"].to_numpy() + 0.3 * (ROWS["wall"] == "stone").to_numpy())


def boosting(categories: Any) -> Any:
    features = make_column_transformer((OrdinalEncoder(), ["wall"]), ("passthrough", ["area"]))
    trees = HistGradientBoostingRegressor(max_iter=20, categorical_features=categories, random_state=0)
    model = TransformedTargetRegressor(make_pipeline(features, trees), func=np.log, inverse_func=np.exp)
    return model.fit(ROWS, PRICES)


@pytest.mark.skipif(find_spec("shap") is not None, reason="shap is installed")
def test_author_is_told_how_to_get_them():
    with pytest.raises(NotExplainableError, match="shap is not installed") as raised:
        explain_model(boosting(None), ROWS)
    assert "infrastructure/requirements.txt" in raised.value.hint


@needs_shap
def test_values_of_trees_add_up_to_the_prediction():
    model = boosting(None)
    found = explain_model(model, ROWS[:50], artifact="build_model")
    assert [math.exp(one.outputs[0].value) for one in found] == pytest.approx(model.predict(ROWS[:50]).tolist())
    assert set(found[0].outputs[0].terms) == {"wall", "area"}
    assert (found[0].method, found[0].space) == ("shap", "log of the prediction")


@needs_shap
def test_values_that_do_not_add_up_are_refused():
    """shap 0.51 reads splits by category as numeric ones."""
    with pytest.raises(NotExplainableError, match="do not add up"):
        explain_shap(boosting([0]), ROWS[:50])


@needs_shap
def test_probabilities_of_a_forest_are_explained_by_class():
    kinds = ROWS["wall"].to_numpy()
    model = RandomForestClassifier(5, random_state=0).fit(ROWS.select("area").to_numpy(), kinds)
    (found,) = explain_shap(model, ROWS.select("area").to_numpy()[:1])
    told = {output.name: output.value for output in found.outputs}
    expected = model.predict_proba(ROWS.select("area").to_numpy()[:1])[0]
    assert told == pytest.approx(dict(zip(model.classes_, expected, strict=True)))


@needs_shap
def test_rows_beyond_a_hundred_are_refused():
    rows = ROWS.select("area").to_numpy()
    with pytest.raises(NotExplainableError, match="600 rows are more than the 100"):
        explain_shap(RandomForestRegressor(2).fit(rows, PRICES), rows)


@needs_shap
def test_model_that_shap_does_not_know_is_refused():
    rows = ROWS.select("area").to_numpy()
    with pytest.raises(NotExplainableError, match="shap does not explain LinearRegression"):
        explain_shap(LinearRegression().fit(rows, PRICES), rows[:50])
