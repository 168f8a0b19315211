"""A converted model taken elsewhere: onnxruntime alone gives what the native one gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from tests.integration.conversion.conftest import lay_model

from rung.artifacts import LocalStore, decode
from rung.control.deployment.source import check_source, take_snapshot
from rung.errors import ConflictError
from rung.exports import open_export, write_onnx
from rung.registry import open_registry
from rung.training import read_run
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Place

    from rung.schema import RevisionName

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


def trained(place: Place, tolerance: str) -> tuple[RevisionName, Workspace]:
    """Train a revision whose handler asks for a converted model; put it on record."""
    place.write("rung.toml", "")
    lay_model(place, model=_FIT, handler=_PREDICT, tolerance=tolerance)
    place.write(".gitignore", ".rung/\n")
    commit = place.commit()
    workspace = Workspace(root=place.root, state=place.root / ".rung")
    with open_registry(workspace.state, None) as registry:
        name = registry.create_revision("line", 1, actor="ada", commit=commit, dirty=False)
        run = registry.revision(name).run
        folder = workspace.state / "revisions" / str(name)
        folder.mkdir(parents=True)
        (folder / "requirements.lock").write_text("# Python 3.11\n")
        take_snapshot(place.root, folder / "source", check_source(place.root, allow_dirty=False))
        deployed = {"RUNG_REVISION": str(name), "RUNG_RUN": run}
        ended = place.python("-m", "rung.training.deployed", "--service", "line", environment=deployed)
        assert ended.returncode == 0, ended.stderr
        registry.record_run(read_run(workspace.runs / run).to_json())
    return name, workspace


def test_proven_model_predicts_elsewhere(place: Place, tmp_path: Path):
    name, workspace = trained(place, "")
    export = open_export(name, workspace)
    folder = tmp_path / "models"
    ended = place.python("-m", "rung.cli", "export", str(name), "--to", "onnx", "--output", str(folder))
    assert ended.stdout == f"{folder}/fit.onnx  {(folder / 'fit.onnx').stat().st_size:,} bytes\n", ended.stderr
    told = json.loads((tmp_path / "models" / "fit.json").read_text())
    assert told["verdict"]["verdict"] == "equal"
    assert told["digest"] == export.bundle.artifacts["fit.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "models" / "fit.onnx")
    (given,) = session.get_inputs()
    assert given.name in [one["name"] for one in told["signature"]["inputs"]]
    rows = np.array([[4.0], [11.5]])
    digest = export.bundle.artifacts["fit"]
    native = decode(LocalStore(workspace.artifacts).get(digest), digest=digest)
    element = np.float64 if given.type == "tensor(double)" else np.float32
    answered = session.run([told["signature"]["outputs"]["predict"]["name"]], {given.name: rows.astype(element)})[0]
    assert np.allclose(answered.reshape(-1), native.predict(rows), rtol=1e-4)


def test_model_that_did_not_pass_is_refused(place: Place, tmp_path: Path):
    name, workspace = trained(place, ", max_difference=1e-15")
    with pytest.raises(ConflictError, match="has no converted model to export: fit: different, a number differs by"):
        write_onnx(open_export(name, workspace), tmp_path / "models")
    assert not (tmp_path / "models").exists()
