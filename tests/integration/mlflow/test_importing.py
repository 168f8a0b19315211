"""What another team has in its MLflow, in a SQLite store, comes in as runs of the kind `imported`."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from rung import artifacts
from rung.errors import CallError, NotFoundError
from rung.mlflow import connect, import_runs
from rung.registry import open_registry
from rung.training import RunRecord, read_run
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Registry

with warnings.catch_warnings():  # MLflow's own, of its libraries
    warnings.simplefilter("ignore")
    from mlflow.entities import Metric, Param

TRACKING = "sqlite:///other.db"
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and of what it imports
MODEL = """artifact_path: model
flavors:
  python_function:
    env: x
  sklearn:
    pickled_model: model.pkl
run_id: 1
"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their store: one experiment with a run that has two models, one of them pickled, and a run that failed."""
    root = tmp_path_factory.mktemp("other")
    client = connect(Workspace(root=root, state=root), TRACKING)
    experiment = client.create_experiment("Churn Rate", artifact_location=(root / "artifacts").as_uri())
    good = client.create_run(experiment, start_time=1_700_000_000_000, tags={"mlflow.user": "eve"})
    client.log_batch(good.info.run_id, params=[Param("depth", "3")], metrics=[Metric("auc", 0.75, 1, 0)])
    for name, file in (("model", "model.pkl"), ("onnx", "model.onnx")):
        folder = root / name
        folder.mkdir()
        (folder / "MLmodel").write_text(MODEL)
        (folder / file).write_bytes(b"cos\nsystem\n(S'touch /tmp/run-by-pickle'\ntR.")
        client.log_artifacts(good.info.run_id, str(folder), name)
    client.set_terminated(good.info.run_id, "FINISHED", end_time=1_700_000_002_000)
    failed = client.create_run(experiment, start_time=1_700_000_100_000)
    client.set_terminated(failed.info.run_id, "FAILED", end_time=1_700_000_101_000)
    client.create_run(experiment)  # still running
    own = client.create_run(experiment, tags={"rung.run": "churn-1"})  # a mirrored one
    client.set_terminated(own.info.run_id, "FINISHED")
    return root


@pytest.fixture
def workspace(tmp_path: Path, new_registry: Path, other: Path) -> Workspace:
    state = tmp_path / ".rung"
    state.mkdir()
    shutil.copy(new_registry, state)
    shutil.copy(other / "other.db", tmp_path)
    return Workspace(root=tmp_path, state=state)


@pytest.fixture
def registry(workspace: Workspace) -> Iterator[Registry]:
    with open_registry(workspace.state) as opened:
        yield opened


def bring(workspace: Workspace, registry: Registry, **more: Any) -> Any:
    return import_runs(workspace, registry, connect(workspace, TRACKING), tracking=TRACKING, **more)


def test_runs_that_ended_are_imported_with_what_mlflow_knows(workspace: Workspace, registry: Registry):
    done = bring(workspace, registry)
    assert (done.runs, done.models) == (2, 1)
    failed, good = registry.runs("churn_rate", kind="imported")
    assert (good["status"], good["user"], good["seconds"]) == ("succeeded", "eve", 2.0)
    assert (good["hyperparameters"], good["metrics"]) == ({"depth": "3"}, {"auc": 0.75})
    assert failed["status"] == "failed"
    assert read_run(workspace.runs / good["id"]) == RunRecord.from_json(good)
    assert registry.ended_runs() == []  # nothing of it is mirrored back


def test_importing_twice_changes_nothing(workspace: Workspace, registry: Registry):
    bring(workspace, registry)
    before = registry.runs()
    bring(workspace, registry)
    assert registry.runs() == before


def test_model_is_kept_as_its_flavours_and_files(workspace: Workspace, registry: Registry):
    done = bring(workspace, registry, service="churn")
    assert done.refused[0].endswith("model.pkl runs code when it is read")
    assert list(kept(workspace, registry)) == ["onnx"]
    model = kept(workspace, registry)["onnx"]
    assert model["flavours"] == ["python_function", "sklearn"]
    assert sorted(model["files"]) == ["MLmodel", "model.onnx"]


def test_pickles_are_kept_as_bytes_with_consent_and_never_read(workspace: Workspace, registry: Registry):
    done = bring(workspace, registry, service="churn", with_pickles=True)
    assert (done.models, done.refused) == (2, ())
    assert kept(workspace, registry)["model"]["files"]["model.pkl"].startswith(b"cos\nsystem")


def test_what_cannot_be_imported_is_named(workspace: Workspace, registry: Registry):
    with pytest.raises(NotFoundError, match=r"no experiment 'none': it has .*Churn Rate"):
        bring(workspace, registry, experiment="none")
    with pytest.raises(CallError, match="cannot name a service"):
        bring(workspace, registry, service="Churn Rate")


def kept(workspace: Workspace, registry: Registry) -> dict[str, Any]:
    """The models of the run that succeeded."""
    (run,) = (one for one in registry.runs("churn") if one["status"] == "succeeded")
    store = artifacts.LocalStore(workspace.artifacts)
    found = run["tasks"][0]["kept"]
    return {name: artifacts.decode(store.get(digest), digest=digest) for name, digest in found.items()}
