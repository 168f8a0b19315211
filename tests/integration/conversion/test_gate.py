"""The parity gate with real libraries: what the service's handlers predict with either model decides."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.integration.conversion.conftest import (
    IS_DEAR,
    PRICES,
    ROWS,
    TEXTS,
    Instance,
    Prediction,
    prove,
    to_array,
    to_frame,
    verdict,
)

from rung import artifacts
from rung.conversion import OnnxModel

if TYPE_CHECKING:
    from collections.abc import Callable

FOREST = RandomForestRegressor(10, random_state=0).fit(to_array(ROWS), PRICES)


def columns(last: Any) -> Pipeline:
    features = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["wall"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["area", "floors"]),
    )
    return make_pipeline(features, last)


def from_array(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(price=price) for price in model.predict(to_array(rows))]


def from_frame(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(price=price) for price in model.predict(to_frame(rows))]


def from_pandas(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(price=price) for price in model.predict(to_frame(rows).to_pandas())]


def labelled(rows: list[Instance], model: Any) -> list[Prediction]:
    dear = list(model.classes_).index("dear")
    shares, labels = model.predict_proba(to_frame(rows))[:, dear], model.predict(to_frame(rows))
    return [Prediction(price=share, label=label) for share, label in zip(shares, labels, strict=True)]


def from_texts(rows: list[Instance], model: Any) -> list[Prediction]:
    texts = [row.text for row in rows]
    shares, labels = model.predict_proba(texts)[:, 1], model.predict(texts)
    return [Prediction(price=share, label=label) for share, label in zip(shares, labels, strict=True)]


LOG_PRICE = TransformedTargetRegressor(columns(Ridge()), func=np.log, inverse_func=np.exp)
SENTIMENT = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())


@pytest.mark.parametrize(
    ("model", "predict"),
    [
        pytest.param(columns(Ridge()).fit(to_frame(ROWS), PRICES), from_frame, id="columns of polars"),
        pytest.param(columns(Ridge()).fit(to_frame(ROWS).to_pandas(), PRICES), from_pandas, id="columns of pandas"),
        pytest.param(LOG_PRICE.fit(to_frame(ROWS), PRICES), from_frame, id="logarithm of the target"),
        pytest.param(columns(LogisticRegression()).fit(to_frame(ROWS), IS_DEAR), labelled, id="classifier"),
        pytest.param(columns(RandomForestClassifier(10)).fit(to_frame(ROWS), IS_DEAR), labelled, id="forest of labels"),
        pytest.param(
            columns(HistGradientBoostingClassifier()).fit(to_frame(ROWS), IS_DEAR), labelled, id="boosting of labels"
        ),
        pytest.param(columns(HistGradientBoostingRegressor()).fit(to_frame(ROWS), PRICES), from_frame, id="boosting"),
        pytest.param(SENTIMENT.fit(TEXTS, ["good" in text for text in TEXTS]), None, id="boolean labels"),
        pytest.param(FOREST, from_array, id="forest"),
    ],
)
def test_model_is_converted(model: Any, predict: Callable[..., Any] | None):
    told = verdict(model, predict or (lambda rows, model: from_texts(rows, _Spelled(model))))
    assert told.verdict == "equal", told
    assert (told.rows, told.flips) == (300, 0.0)
    assert told.libraries.keys() >= {"onnxruntime", "skl2onnx"}


class _Spelled:
    """Gives labels as texts."""

    def __init__(self, model: Any) -> None:
        self.predict_proba = model.predict_proba
        self.predict = lambda texts: [str(label) for label in model.predict(texts)]


def test_letters_beyond_ascii_are_equal():
    labels = ["good" if "good" in text else "bad" for text in TEXTS]
    told = verdict(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, labels), from_texts)
    assert told.verdict == "equal", told


def test_forest_fails_a_tight_tolerance():
    told = verdict(FOREST, from_array, max_difference=1e-12)
    assert told.verdict == "different"
    assert told.because.startswith("a number differs by ")
    assert told.difference is not None
    assert 1e-12 < told.difference < 1e-4


def labels_of(rows: list[Instance], model: Any) -> list[Prediction]:
    return [Prediction(label=str(label)) for label in model.predict([row.text for row in rows])]


def naming(word: str, *, pattern: str) -> Pipeline:
    model = make_pipeline(TfidfVectorizer(token_pattern=pattern), LogisticRegression())
    return model.fit(TEXTS, [word in text for text in TEXTS])


def test_flipped_labels_are_counted():
    """In the runtime's regular expressions the letters of a pattern of the author's own are ASCII only."""
    model = naming("Ärger", pattern=r"\w\w+")
    told = verdict(model, labels_of)
    assert told.verdict == "different"
    assert told.flips is not None
    assert told.flips > 0.1
    assert told.because.endswith("of the rows have another label, text or boolean (at most 0 % may)")
    assert verdict(model, labels_of, max_flips=1.0).verdict == "equal"


def test_refusing_runtime_is_told():
    told = verdict(naming("film", pattern=r"(?u)\w+"), labels_of)
    assert told.verdict == "failed"
    assert told.because.startswith("onnxruntime does not take the converted model")


@pytest.mark.parametrize(
    ("model", "predict", "because"),
    [
        pytest.param(
            {"slope": 3.0}, lambda rows, _: [Prediction() for _ in rows], "a dict is not converted", id="data"
        ),
        pytest.param(FOREST, lambda rows, _: [Prediction() for _ in rows], "did not call the model", id="not called"),
        pytest.param(
            FOREST,
            lambda rows, model: (
                [Prediction(price=model.predict(to_array(rows))[0] * len(model.estimators_))] * len(rows)
            ),
            "a handler reads estimators_ of the model",
            id="parts",
        ),
        pytest.param(
            FOREST,
            lambda rows, model: [Prediction(price=price) for price in model.predict(X=to_array(rows))],
            "more than one argument",
            id="by name",
        ),
        pytest.param(
            FOREST,
            lambda rows, model: [Prediction(price=leaf) for leaf in model.apply(to_array(rows))[:, 0]],
            "a handler calls apply",
            id="method",
        ),
        pytest.param(
            FOREST,
            lambda rows, model: [Prediction(price=price) for price in model.predict(to_array(rows).tolist())],
            "a handler hands the model a list",
            id="lists",
        ),
        pytest.param(
            FOREST, lambda rows, model: [len(model)] * len(rows), "there is nothing to compare with", id="operators"
        ),
        pytest.param(
            TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=lambda y: np.exp(1.0 * y)).fit(
                to_array(ROWS), PRICES
            ),
            from_array,
            "the target is transformed by something that is not converted",
            id="own inverse",
        ),
    ],
)
def test_what_is_not_converted_is_told(model: Any, predict: Callable[..., Any], because: str):
    proven = prove(model, predict)
    assert proven.verdicts["fit"].verdict == "failed"
    assert because in proven.verdicts["fit"].because
    assert not proven.kept


def test_no_held_out_rows_prove_nothing():
    assert "no held-out instances" in verdict(FOREST, from_array, rows=[]).because


@pytest.mark.parametrize("library", ["onnxruntime", "skl2onnx"])
def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, library: str):
    monkeypatch.setitem(sys.modules, library, None)
    told = verdict(FOREST, from_array)
    assert (told.verdict, told.because) == (
        "failed",
        f"{library} is not installed: add it to infrastructure/requirements.txt",
    )


def test_converted_model_is_data():
    proven = prove(FOREST, from_array)
    stored = artifacts.encode(proven.kept["fit.onnx"])
    assert not artifacts.describe(stored).marked_unsafe
    assert artifacts.encode(prove(FOREST, from_array).kept["fit.onnx"]) == stored
    assert isinstance(proven.models["fit"], OnnxModel)


def test_evidence_has_sizes_and_times():
    told = verdict(FOREST, from_array)
    assert told.native_bytes > 1_000
    assert told.converted_bytes > 1_000
    assert told.native_seconds is not None
    assert told.converted_seconds is not None
    assert told.converted_seconds < told.native_seconds
    assert told.precision == "float64"
