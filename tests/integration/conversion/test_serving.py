"""A converted model beside the native one in the store: which of them answers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from tests.integration.conversion.conftest import ROWS, lay_model, prove, to_array
from tests.integration.conversion.test_gate import FOREST, from_array
from tests.integration.serving.conftest import serving

from rung import artifacts
from rung.conversion import OnnxModel
from rung.errors import IntegrityError
from rung.serving import Artifacts, Bundle, native, read_bundle, write_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place

REVISION = "line.v1.m1"
GIVEN = to_array(ROWS[:5])


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    return {"fit": FOREST, **prove(FOREST, from_array).kept}


@pytest.fixture
def state(tmp_path: Path, kept: dict[str, Any]) -> Path:
    """The store with a bundle: as a training leaves it."""
    store = artifacts.LocalStore(tmp_path / "artifacts")
    digests = {name: store.put(artifacts.encode(value)) for name, value in kept.items()}
    bundle = Bundle(revision=REVISION, run="run", artifacts=digests, contract={}, infrastructure={}, example={})
    write_bundle(tmp_path, bundle)
    return tmp_path


def loaded(state: Path) -> Artifacts:
    found = Artifacts()
    found.load(frozenset({"fit"}), state=state, revision=REVISION)
    return found


def test_converted_model_answers(state: Path):
    found = loaded(state)
    assert found.runtimes == {"fit": "onnx"}
    assert isinstance(found.get("fit"), OnnxModel)
    assert np.allclose(found.get("fit").predict(GIVEN), FOREST.predict(GIVEN), rtol=1e-6)


def test_revision_of_others_is_native(state: Path):
    found = Artifacts()
    found.load(frozenset({f"{REVISION}.fit"}), state=state, revision="line.v1.m2")
    assert found.runtimes == {f"{REVISION}.fit": "native"}


def test_missing_runtime_leaves_native(state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.delitem(sys.modules, "rung.conversion._model", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert isinstance(loaded(state).get("fit"), RandomForestRegressor)
    assert "conversion_refused: fit is served natively (ModuleNotFoundError" in caplog.text


def test_damaged_file_leaves_native(state: Path, caplog: pytest.LogCaptureFixture):
    digits = read_bundle(state, REVISION).artifacts["fit.onnx"].removeprefix("sha256:")
    path = state / "artifacts" / digits[:2] / digits[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert isinstance(loaded(state).get("fit"), RandomForestRegressor)
    assert "conversion_refused: fit is served natively (IntegrityError" in caplog.text


def test_missing_native_model_is_an_error(state: Path):
    artifacts.LocalStore(state / "artifacts").delete(read_bundle(state, REVISION).artifacts["fit"])
    with pytest.raises(IntegrityError, match="is missing"):
        loaded(state)


@pytest.mark.parametrize("part", ["signature", "onnx"])
def test_refused_file_leaves_native(tmp_path: Path, kept: dict[str, Any], part: str, caplog: pytest.LogCaptureFixture):
    broken = {"signature": {"version": 2}, "onnx": b"no model"}
    store = artifacts.LocalStore(tmp_path / "artifacts")
    values = {**kept, "fit.onnx": {**kept["fit.onnx"], part: broken[part]}}
    digests = {name: store.put(artifacts.encode(value)) for name, value in values.items()}
    bundle = Bundle(revision=REVISION, run="run", artifacts=digests, contract={}, infrastructure={}, example={})
    write_bundle(tmp_path, bundle)
    assert isinstance(loaded(tmp_path).get("fit"), RandomForestRegressor)
    assert "conversion_refused" in caplog.text


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda model: model.apply(GIVEN), id="method"),
        pytest.param(lambda model: len(model.estimators_), id="attribute"),
        pytest.param(lambda model: model.predict(GIVEN.tolist()), id="kind"),
        pytest.param(lambda model: model.predict(X=GIVEN), id="name"),
    ],
)
def test_unproven_use_is_answered_natively(state: Path, ask: Any, caplog: pytest.LogCaptureFixture):
    assert np.array_equal(ask(loaded(state).get("fit")), ask(FOREST))
    assert caplog.text.count("conversion_left: fit is asked of the native model") == 1


def test_explanations_are_of_the_native_model(state: Path):
    assert isinstance(native(loaded(state).get("fit")), RandomForestRegressor)
    assert native(FOREST) is FOREST


def test_native_errors_stay(state: Path):
    with pytest.raises(ValueError, match="is expecting 2 features"):
        loaded(state).get("fit").predict(np.ones((1, 3)))


def test_training_leads_to_converted_serving(place: Place):
    lay_model(place, model=_FIT, handler=_PREDICT)
    ended = place.python("-m", "rung.training.deployed", "--service", "line", environment={"RUNG_REVISION": REVISION})
    assert ended.returncode == 0, ended.stderr
    record = place.last()
    assert record.conversions["fit"]["verdict"] == "equal"
    bundle = read_bundle(place.root / ".rung", REVISION)
    assert bundle.artifacts["fit.onnx"] == record.artifacts["fit.onnx"]
    log = (place.folder(record) / "log.txt").read_text()
    assert "onnx equal, served onnx: the handlers predict the same for 20 held-out rows" in log
    shown = place.python("-m", "rung.cli", "runs", "show", record.id).stdout
    assert "fit for onnx: equal, the handlers predict the same for 20 held-out rows" in shown
    assert "us natively" in shown
    place.edit("experiments/line/serve/app.py", "worker=0", "worker=hasattr(model, '__rung_runtime__')")
    with serving(place) as server, server.client() as client:
        answer = client.post("/predict", json={"instances": [{"x": 4}]})
        assert answer.json()["predictions"][0]["worker"] == 1


def test_verdict_comes_from_the_cache(place: Place):
    lay_model(place, model=_FIT, handler=_PREDICT, tolerance=", max_difference=1e-15")
    first, second = place.train("line"), place.train("line")
    assert {task.state for task in second.tasks} == {"cached"}
    assert first.conversions["fit"]["verdict"] == "different"
    assert second.conversions == first.conversions
    assert "fit.onnx" not in second.artifacts


def test_check_misses_the_runtime(place: Place):
    lay_model(place, model=_FIT, handler=_PREDICT)
    place.write("experiments/line/infrastructure/requirements.txt", "scikit-learn==1.9.1\n")
    passed, because = _checked(place)
    assert not passed
    assert because.startswith('fit with runtime="onnx" would be served natively: add onnxruntime and skl2onnx')
    place.write("experiments/line/infrastructure/requirements.txt", "onnxruntime==1.31.1\nskl2onnx==1.20.0\n")
    assert _checked(place)[0]


def _checked(place: Place) -> tuple[bool, str]:
    findings = json.loads(place.python("-m", "rung.cli", "check", "line", "--json").stdout)
    return next((found["passed"], found["because"]) for found in findings if found["check"] == "conversion")


_FIT = """
import numpy as np
from sklearn.ensemble import RandomForestRegressor

drawn = np.random.default_rng(0).normal(10, 5, (200, 1))
return RandomForestRegressor(10, random_state=0).fit(drawn, drawn[:, 0] / 3)
"""
_PREDICT = """
prices = model.predict(np.array([[row.x] for row in rows]))
return [Prediction(y=price, worker=0) for price in prices]
"""
