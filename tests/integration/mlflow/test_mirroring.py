"""Runs and revisions in a real MLflow: its SQLite store, and once its server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from waiting import until

from rung.errors import UnavailableError
from rung.lifecycle import State
from rung.mlflow import behind, connect, mirror
from rung.mlflow._mirror import _journal
from rung.mlflow._pages import python_of
from rung.registry import open_registry
from rung.training import mirror_soon
from rung.training._mirror import mirroring
from rung.workspace import Workspace, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Place
    from rung.registry import Registry
    from rung.schema import RevisionName

with warnings.catch_warnings():  # MLflow's own, of its libraries
    warnings.simplefilter("ignore")
    import mlflow.tracking

TRACKING = "sqlite:///.rung/mlflow.db"
ENVIRONMENTS = Path(__file__).parents[3] / "build" / "test-environments"
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow and of what it imports
PATH = (State.TRAINED, State.DEPLOYING, State.CANDIDATE)


def record(identity: str, **more: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "service": "housing",
        "status": "succeeded",
        "started": f"2026-11-22T02:09:3{len(identity) % 10}.000+00:00",
        "ended": "2026-11-22T02:09:50.000+00:00",
        "hyperparameters": {"n": 3},
        "metrics": {"r2": 0.5},
        "tasks": [],
        **more,
    }


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: its migrations take MLflow seconds."""
    root = tmp_path_factory.mktemp("mlflow")
    (root / ".rung").mkdir()
    connect(Workspace(root=root, state=root / ".rung"), TRACKING)
    return root / ".rung" / "mlflow.db"


@pytest.fixture
def workspace(tmp_path: Path, new_registry: Path, empty: Path) -> Workspace:
    state = tmp_path / ".rung"
    state.mkdir()
    shutil.copy(new_registry, state)
    shutil.copy(empty, state)
    (tmp_path / "rung.toml").write_text(f'[mlflow]\ntracking = "{TRACKING}"\n')
    return Workspace(root=tmp_path, state=state)


@pytest.fixture
def registry(workspace: Workspace) -> Iterator[Registry]:
    with open_registry(workspace.state) as opened:
        yield opened


@pytest.fixture
def client(workspace: Workspace) -> Any:
    return connect(workspace, TRACKING)


def seen(client: Any) -> dict[str, Any]:
    """All runs that MLflow shows, by their id here."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    return {run.data.tags["rung.run"]: run for run in client.search_runs(experiments)}


def serve(registry: Registry) -> RevisionName:
    name = registry.create_revision("housing", 1, actor="ada", commit="c0ffee", dirty=False)
    registry.record_run(record(str(name), revision=str(name)))
    for state in PATH:
        registry.move(name, state, because="it is", actor="ada")
    return name


def test_runs_are_handed_over_once(workspace: Workspace, registry: Registry, client: Any):
    registry.record_run(record("housing-1"))
    registry.record_run(record("housing-22", status="failed", error="it broke"))
    registry.record_run(record("housing-3", status="running"))
    registry.record_run(record("housing-4", kind="imported"))
    assert mirror(workspace, registry, client, tracking=TRACKING).runs == 2
    runs = seen(client)
    assert {name: run.info.status for name, run in runs.items()} == {"housing-1": "FINISHED", "housing-22": "FAILED"}
    assert runs["housing-1"].data.params == {"n": "3"}
    assert runs["housing-1"].data.metrics == {"r2": 0.5}
    assert mirror(workspace, registry, client, tracking=TRACKING).runs == 0
    _journal(workspace, TRACKING).unlink()
    assert mirror(workspace, registry, client, tracking=TRACKING).runs == 2  # looked for, and found there
    assert len(client.search_runs([client.get_experiment_by_name("housing").experiment_id])) == 2


def test_reports_are_a_metric_with_its_history(workspace: Workspace, registry: Registry, client: Any):
    reports = [[step, 1 / (step + 1)] for step in range(250)]
    registry.record_run(record("housing-1", tasks=[{"name": "build_model", "reports": reports}]))
    mirror(workspace, registry, client, tracking=TRACKING)
    _journal(workspace, TRACKING).unlink()
    mirror(workspace, registry, client, tracking=TRACKING)  # again: nothing is there twice
    (run,) = seen(client).values()
    history = client.get_metric_history(run.info.run_id, "build_model.reported")
    assert sorted((one.step, one.value) for one in history) == [(step, value) for step, value in reports]
    assert run.data.metrics == {"r2": 0.5, "build_model.reported": 1 / 250}


def test_run_that_was_half_handed_over_is_completed(
    workspace: Workspace, registry: Registry, client: Any, monkeypatch: pytest.MonkeyPatch
):
    registry.record_run(record("housing-1"))
    with monkeypatch.context() as broken:
        broken.setattr(client, "log_batch", _refuse)
        with pytest.raises(UnavailableError, match=r"MLflow at sqlite.* refused"):
            mirror(workspace, registry, client, tracking=TRACKING)
    assert behind(workspace, registry, TRACKING) == ["housing-1"]
    mirror(workspace, registry, client, tracking=TRACKING)
    (run,) = seen(client).values()
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"r2": 0.5})


def _refuse(*_: Any, **__: Any) -> None:
    raise mlflow.exceptions.MlflowException("the disk is full")


def test_only_one_process_hands_over(workspace: Workspace, registry: Registry):
    registry.record_run(record("housing-1"))
    with mirroring(workspace.state) as is_free:
        assert is_free
        mirror_soon(workspace)  # starts nothing
        assert not (workspace.state / "log").exists()
        command = [sys.executable, "-m", "rung.cli", "mlflow", "sync"]
        ended = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "another process hands runs over" in ended.stderr
    assert ended.stdout == "1 runs are behind\n"


def test_revisions_are_registered_with_aliases_that_follow_the_lifecycle(
    workspace: Workspace, registry: Registry, client: Any
):
    first, second = serve(registry), serve(registry)
    registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)  # in training
    assert mirror(workspace, registry, client, tracking=TRACKING).models == 2
    model = client.get_registered_model("housing")
    assert {alias: str(version) for alias, version in model.aliases.items()} == {"v1-m0": "1", "v1-m1": "2"}
    version = client.get_model_version_by_alias("housing", "v1-m1")
    assert version.tags == {"rung.revision": str(second), "rung.state": "candidate"}
    assert version.run_id == seen(client)[str(second)].info.run_id
    client.set_registered_model_alias("housing", "shop", "1")
    client.set_registered_model_alias("housing", "incumbent", "1")  # nobody is
    registry.move(first, State.TORN_DOWN, because="enough", actor="ada")
    assert mirror(workspace, registry, client, tracking=TRACKING).models == 0
    assert set(client.get_registered_model("housing").aliases) == {"shop", "v1-m0", "v1-m1"}
    assert client.get_model_version("housing", "1").tags["rung.state"] == "torn_down"


def test_training_with_a_server_that_is_away_is_as_one_without(place: Place):
    place.service(
        "tiny",
        "from rung.training import Experiment, TestResults\n\n\ndef results() -> TestResults:\n"
        "    return TestResults(rows=0, data=(), regression=(), example={})\n\n\nexperiment = Experiment(results)\n",
    )
    place.write("rung.toml", f'[mlflow]\ntracking = "http://127.0.0.1:{_free_port()}"\n')
    started = time.monotonic()
    run = place.train("tiny")
    assert time.monotonic() - started < 60
    assert run.status == "succeeded"
    with open_registry(place.root / ".rung") as registry:
        assert behind(find(place.root), registry, "any") == [run.id]
    log = place.root / ".rung" / "log" / "mlflow.log"
    until(lambda: log.is_file() and "refused" in log.read_text())


def test_process_of_its_own_hands_over_what_waits(workspace: Workspace, registry: Registry, client: Any):
    registry.record_run(record("housing-1"))
    mirror_soon(workspace)
    assert behind(workspace, registry, TRACKING), "it was waited for"
    until(lambda: seen(client).get("housing-1") and not behind(workspace, registry, TRACKING))


def test_workspace_without_mlflow_starts_nothing(place: Place):
    mirror_soon(find(place.root))
    assert not (place.root / ".rung" / "log").exists()


@pytest.mark.long
def test_server_of_mlflow_takes_and_shows_the_same(workspace: Workspace, registry: Registry):
    """`rung mlflow ui` serves the database; the same server takes runs over HTTP."""
    if os.environ.get("CI") != "true":
        pytest.skip("MLflow's server weighs 620 MB and takes half a minute: CI=true tests it")
    python_of(ENVIRONMENTS)
    (workspace.state / "environments").symlink_to(ENVIRONMENTS)
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "rung.cli", "mlflow", "ui", "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"MLflow's pages are at {url}; Ctrl-C ends them\n"
        name = serve(registry)
        done = mirror(workspace, registry, connect(workspace, url), tracking=url)
        assert (done.runs, done.models) == (1, 1)
        assert set(seen(connect(workspace, TRACKING))) == {str(name)}
        assert "MLflow" in httpx2.get(url).text
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # MLflow's server, too
        process.wait()
        process.stdout.close()
    with pytest.raises(httpx2.TransportError):
        httpx2.get(url)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
