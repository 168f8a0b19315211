"""Values of libraries: frames, arrays, models."""

import datetime as dt
import decimal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest
from onnx import TensorProto, helper
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from rung import artifacts
from rung.errors import CallError, TaskError

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(200, 4))
Y = X.sum(axis=1)


def through(value: Any) -> tuple[Any, artifacts.Description]:
    data = artifacts.encode(value)
    return artifacts.decode(data, digest=artifacts.digest_of(data)), artifacts.describe(data)


class Doubling(TransformerMixin, BaseEstimator):
    def fit(self, X: Any, y: Any = None) -> "Doubling":  # noqa: ARG002, N803  # the names that scikit-learn gives
        self.width_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:  # noqa: N803  # as above
        return 2 * X


class Forgetful(Doubling):
    """Cannot be put together from its state alone."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.width_ = 0


class Unreadable(Doubling):
    def __setstate__(self, state: dict[str, Any]) -> None:
        raise ValueError("no such state")


POLARS = pl.DataFrame(
    {
        "integer": pl.Series([1, None], dtype=pl.Int16),
        "float": [float("nan"), 1.0],
        "text": ["é", None],
        "when": pl.Series([dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None], dtype=pl.Datetime("ms", "Europe/Paris")),
        "time": [dt.time(1), None],
        "money": pl.Series([decimal.Decimal("1.20"), None]),
        "category": pl.Series(["a", "b"], dtype=pl.Categorical),
        "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
        "list": [[1], []],
        "struct": [{"x": 1}, {"x": None}],
        "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
        "null": [None, None],
    }
)


@pytest.mark.parametrize(
    "frame", [POLARS, POLARS.clear(), pl.DataFrame(), POLARS.tail(1)], ids=["all", "0", "{}", "slice"]
)
def test_polars_frame_comes_back_as_parquet(frame: Any):
    back, description = through(frame)
    assert back.equals(frame)
    assert back.schema == frame.schema
    assert (description.format, description.type) == ("parquet", "polars.dataframe.frame:DataFrame")
    assert description.libraries == {"polars": pl.__version__}


def test_polars_series_comes_back():
    back, description = through(POLARS["when"])
    assert back.equals(POLARS["when"], check_names=True, check_dtypes=True)
    assert description.format == "parquet"


def test_polars_objects_are_refused():
    with pytest.raises(TaskError, match=r"DataFrame cannot be stored.*Object"):
        artifacts.encode(pl.DataFrame({"o": pl.Series([{1}, {2}], dtype=pl.Object)}))


def test_plans_are_refused():
    with pytest.raises(TaskError, match=r"plan, not data.*collect"):
        artifacts.encode(POLARS.lazy())


PANDAS = {
    "plain": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}),
    "index": pd.DataFrame({"a": [1.5]}, index=pd.Index(["k"], name="key")),
    "levels": pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([(1, "x"), (2, "y")], names=["n", None])),
    "times": pd.DataFrame({"a": pd.date_range("2026-01-01", periods=2, tz="Europe/Paris")}),
}


@pytest.mark.parametrize("frame", PANDAS.values(), ids=PANDAS)
def test_pandas_frame_comes_back_as_parquet(frame: Any):
    back, description = through(frame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert description.format == "parquet"


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame({0: [1]}), pd.DataFrame({"a": pd.Series([{1}, None], dtype=object)}), pd.DataFrame({("a", 1): [1]})],
    ids=["numbers for names", "objects", "tuples for names"],
)
def test_odd_pandas_frames_are_still_exact(frame: Any):
    back, _ = through(frame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)


@pytest.mark.parametrize("name", [None, "a", ("a", 1)])
def test_pandas_series_comes_back(name: Any):
    series = pd.Series([1, 2], name=name, index=["u", "v"])
    pd.testing.assert_series_equal(through(series)[0], series, check_exact=True)


ALIGNED = np.dtype([("flag", "u1"), ("value", "f8")], align=True)
ARRAYS = {
    "floats": np.array([[1.0, np.nan], [-0.0, np.inf]]),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "strided": np.arange(10)[::3],
    "empty": np.zeros((0, 3), dtype=np.float32),
    "scalar": np.array(5),
    "text": np.array(["a", "été"]),
    "dates": np.array(["2026-01-01"], dtype="datetime64[D]"),
    "big_endian": np.arange(3, dtype=">i4"),
    "records": np.zeros(2, dtype=ALIGNED),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_array_comes_back_as_npy(array: Any):
    back, description = through(array)
    np.testing.assert_array_equal(back, array)
    assert (back.dtype, back.shape, description.format) == (array.dtype, array.shape, "npy")
    assert back.flags.writeable


def test_arrays_of_objects_are_not_pickled():
    array = np.array([["a", None], [(1, 2), 3.5]], dtype=object)
    back, description = through(array)
    assert (back.tolist(), back.shape, description.format) == (array.tolist(), (2, 2), "json")


def test_gaps_in_records_do_not_count():
    made = []
    for chance in (0, 255):
        array = np.frombuffer(bytearray([chance]) * 3 * ALIGNED.itemsize, dtype=ALIGNED).copy()
        array["flag"], array["value"] = 1, [1.0, 2.0, 3.0]
        made.append(artifacts.encode(array))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "value",
    [np.float64(1.5), np.float32("nan"), np.int8(-3), np.bool_(True), np.datetime64("2026-01-01"), np.complex128(1j)],
    ids=lambda value: type(value).__name__,
)
def test_numpy_scalars_keep_their_type(value: Any):
    back, description = through({"metric": value})
    assert type(back["metric"]) is type(value)
    np.testing.assert_equal(back["metric"], value)
    assert not description.marked_unsafe


def test_named_arrays_come_back_as_safetensors():
    tensors = {name: ARRAYS[name] for name in ("strided", "fortran", "scalar", "floats")}
    back, description = through(tensors)
    assert list(back) == list(tensors)
    for name, array in tensors.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype
    assert description.format == "safetensors"


@pytest.mark.parametrize(
    "dtype", ["bool", "float16", "float32", "int8", "int16", "uint8", "uint16", "uint32", "uint64"]
)
def test_every_tensor_type_comes_back(dtype: str):
    back, description = through({"t": np.array([0, 1, 1]).astype(dtype)})
    assert (back["t"].tolist(), back["t"].dtype, description.format) == ([0, 1, 1], np.dtype(dtype), "safetensors")


def test_other_named_arrays_are_parts():
    tensors = {"text": ARRAYS["text"], "floats": ARRAYS["floats"]}
    back, description = through(tensors)
    np.testing.assert_array_equal(back["text"], tensors["text"])
    assert (description.format, description.formats) == ("composite", ("npy", "npy"))


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csr_array, sparse.coo_array, sparse.lil_matrix])
def test_sparse_matrix_comes_back(make: Any):
    matrix = make(np.eye(3))
    back, _ = through(matrix)
    assert type(back) is type(matrix)
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())


def test_split_of_frames_is_one_file():
    split = (POLARS, X, {"y": Y.tolist()})
    back, description = through(split)
    assert back[0].equals(POLARS)
    assert (description.format, description.formats) == ("composite", ("parquet", "npy"))


def test_onnx_model_comes_back():
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g", [info], [helper.make_empty_tensor_value_info("y")]
    )
    model = helper.make_model(graph)
    back, description = through(model)
    assert back == model
    assert (description.format, description.libraries) == ("onnx", {"onnx": onnx.__version__})


FRAME = pd.DataFrame({"area": X[:, 0], "town": np.where(X[:, 1] > 0, "A", "B")})
CLASSES = (Y > 0).astype(int)
MODELS = {
    "forest": (make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=0)), X, Y),
    "boosting": (HistGradientBoostingRegressor(max_iter=5, categorical_features=[1]), np.c_[X[:, :1], CLASSES], Y),
    "columns": (
        make_pipeline(
            ColumnTransformer([("scale", StandardScaler(), ["area"]), ("one", OneHotEncoder(), ["town"])]),
            LinearRegression(),
        ),
        FRAME,
        Y,
    ),
    "target": (TransformedTargetRegressor(LinearRegression(), func=np.arcsinh, inverse_func=np.sinh), X, Y),
    "text": (
        make_pipeline(TfidfVectorizer(stop_words=["the"]), LogisticRegression()),
        np.array(["good house", "the bad flat", "good flat", "bad"] * 5),
        np.array([1, 0, 1, 0] * 5),
    ),
    "own": (make_pipeline(Doubling(), LinearRegression()), X, Y),
}


@pytest.mark.parametrize("name", MODELS)
def test_estimator_comes_back_as_skops(name: Any):
    model, features, truths = MODELS[name]
    model.fit(features, truths)
    back, description = through(model)
    assert (description.format, description.marked_unsafe) == ("skops", False)
    assert set(description.libraries) == {"skops", "sklearn"}
    np.testing.assert_array_equal(back.predict(features), model.predict(features))
    assert artifacts.encode(back) == artifacts.encode(model)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(FunctionTransformer(lambda x: x + 1), LinearRegression()),
        LogisticRegression(class_weight={False: 1, True: 5}),
        make_pipeline(Forgetful(), LinearRegression()),
    ],
    ids=["lambda", "boolean keys", "own state"],
)
def test_what_skops_would_spoil_is_pickled(model: Any):
    truths = CLASSES == 1 if isinstance(model, LogisticRegression) else Y
    model.fit(X, truths)
    back, description = through(model)
    assert description.marked_unsafe
    assert back.get_params().keys() == model.get_params().keys()
    np.testing.assert_array_equal(back.predict(X), model.predict(X))


def test_skops_file_inside_is_a_skops_file(tmp_path: Path):
    from skops import io  # noqa: PLC0415  # only here

    (tmp_path / "model.artifact").write_bytes(artifacts.encode(LinearRegression().fit(X, Y)))
    with zipfile.ZipFile(tmp_path / "model.artifact") as opened:
        model = io.loads(opened.read("0.skops"))
    assert model.n_features_in_ == 4


def test_foreign_estimator_needs_its_digest():
    data = artifacts.encode(Doubling().fit(X))
    with pytest.raises(CallError, match=r"not read without its digest.*Doubling"):
        artifacts.decode(data)


def test_version_change_is_in_the_error(monkeypatch: pytest.MonkeyPatch):
    data = artifacts.encode(Unreadable().fit(X))
    monkeypatch.setattr("cloudpickle.__version__", "0.1")
    with pytest.raises(TaskError, match=r"cannot be read: no such state: .*cloudpickle .* \(now 0\.1\)"):
        artifacts.decode(data, digest=artifacts.digest_of(data))


def test_import_brings_no_library():
    program = (
        "import sys, rung.artifacts as a; a.decode(a.encode({'a': [1, (2,), {3}]}));"
        "print([m for m in ('numpy', 'pandas', 'polars', 'sklearn', 'pydantic', 'cloudpickle') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
