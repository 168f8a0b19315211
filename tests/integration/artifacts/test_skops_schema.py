"""What is written without skops is what skops would write."""

import contextlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor, StackingRegressor, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import all_estimators

from rung import artifacts
from rung.artifacts import _skops, _skops_schema
from rung.errors import CallError

GENERATOR = np.random.default_rng(0)
X = np.abs(GENERATOR.normal(size=(60, 3)))
LABELS = np.array(["no", "yes"])[(X[:, 0] > 0.5).astype(int)]
TOWNS = np.array([["Ulm", 1.5], [None, 2.5], ["Bonn", float("nan")]] * 20, dtype=object)
ORDINARY = {
    "forest": RandomForestRegressor(3, random_state=0).fit(X, X[:, 0]),
    "boosting": HistGradientBoostingRegressor(max_iter=3, random_state=np.random.RandomState(0)).fit(X, X[:, 0]),
    "target": TransformedTargetRegressor(LinearRegression(), func=np.log, inverse_func=np.exp).fit(X, X[:, 0]),
    "columns": make_column_transformer(
        (OneHotEncoder(dtype=np.float32, handle_unknown="ignore"), [0]), (SimpleImputer(), slice(1, 2))
    ).fit(TOWNS),
    "text": make_pipeline(TfidfVectorizer(stop_words=["the"]), LogisticRegression()).fit(
        ["the house", "a flat"] * 9, [0, 1] * 9
    ),
    "chosen": make_pipeline(SelectKBest(k=2), StandardScaler()).fit(X, LABELS),
    "voting": VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression())]).fit(X, LABELS),
    "stacking": StackingRegressor([("a", HuberRegressor()), ("b", LinearRegression())], cv=3).fit(X, X[:, 0]),
    "shared": make_pipeline(*[StandardScaler()] * 2),
}
LEFT = {
    "other keys": LogisticRegression(class_weight={0: 1, 1: 5}),
    "own function": FunctionTransformer(lambda x: x),
    "own type": SimpleImputer(missing_values=dict),
}


def written(described: Any) -> bytes:
    return b"".join(_skops._write(*described))  # noqa: SLF001  # what both ways have in common


def by_skops(model: Any) -> bytes:
    return written(_skops._read(skops.io.dumps(model)))  # noqa: SLF001  # as above


def fitted() -> Iterator[tuple[str, Any]]:
    """Give every estimator that needs no other, fitted where it takes such data."""
    for name, kind in all_estimators():
        with contextlib.suppress(TypeError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = kind()
            for data in ((X, LABELS), (X, X[:, 0]), (X[:, 0], X[:, 1])):
                with contextlib.suppress(Exception):
                    model.fit(*data)
                    break
            yield name, model


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_estimator_is_written_alike(name: str):
    described = _skops_schema.describe(ORDINARY[name])
    assert described is not None
    assert written(described) == by_skops(ORDINARY[name])


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_ordinary_is_left_to_skops(name: str):
    assert _skops_schema.describe(LEFT[name]) is None


def test_every_estimator_is_written_alike():
    same: dict[str, bool | None] = {}
    for name, model in fitted():
        described = _skops_schema.describe(model)
        same[name] = None if described is None else written(described) == by_skops(model)
    assert [name for name, is_same in same.items() if is_same is False] == []
    assert sum(is_same is None for is_same in same.values()) < 0.2 * len(same)


def test_trust_does_not_depend_on_who_wrote(monkeypatch: pytest.MonkeyPatch):
    here = {name: _skops.dump(model) for name, model in ORDINARY.items()}
    monkeypatch.setattr(_skops_schema, "COMPARED_WITH", "none")
    assert {name: _skops.dump(model) for name, model in ORDINARY.items()} == here


def test_depth_is_limited():
    nested: Any = LinearRegression()
    for _ in range(100):
        nested = make_pipeline(nested)
    assert _skops_schema.describe(nested) is None


def test_writing_does_not_import_skops_reader():
    program = (
        "import sys; from rung import artifacts; from sklearn.linear_model import LinearRegression;"
        "artifacts.encode(LinearRegression().fit([[0], [1]], [0, 1])); print('skops.io' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_what_skops_does_not_trust_needs_its_digest():
    data = artifacts.encode(ORDINARY["forest"])
    with pytest.raises(CallError, match=r"not read without its digest.*Tree"):
        artifacts.decode(data)
