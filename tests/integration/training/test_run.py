"""A run from its start to its record: settings, overrides, errors, jobs."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from rung.registry import open_registry

if TYPE_CHECKING:
    from postgresql import PostgresServer

    from conftest import Place

MAIN = """
from pydantic import BaseModel
from rung.training import Experiment, TestResults


class Hyperparameters(BaseModel):
    model_config = {"extra": "forbid"}

    n_estimators: int = 100
    learning_rate: float | None = 0.1
    kind: str = "tree"
    verbose: bool = False
    columns: list[str] = []
    seed: int = 0


def load(hyperparameters: Hyperparameters) -> dict:
    print("loading")
    return hyperparameters.model_dump()


def sample(hyperparameters: Hyperparameters) -> dict:
    return {"sample": True}


def needs_more(load: dict, model: int) -> dict:
    return load


def fit(load: dict) -> int:
    return helper(load)


def helper(load: dict) -> int:
    return len(load)


def evaluate(fit: int) -> TestResults:
    return TestResults(rows=fit, data=(), regression=(), example={})


experiment = Experiment(load, fit, evaluate, hyperparameters=Hyperparameters)

if __name__ == "__main__":
    experiment.run()
    experiment.save()
"""


@pytest.fixture
def toy(place: Place) -> Place:
    place.service("toy", MAIN)
    return place


def test_record_is_complete(toy: Place):
    toy.write("experiments/toy/infrastructure/requirements.txt", "numpy==2.4.6\n")
    commit = toy.commit()
    record = toy.train("toy", settings={"seed": "7"}, environment={"RUNG_USER": "ada"})
    assert (record.commit, record.branch, record.dirty, record.patch) == (commit, "main", False, None)
    assert (record.status, record.exit_code, record.user, record.seed) == ("succeeded", 0, "ada", 7)
    assert record.hyperparameters["seed"] == 7
    assert record.requirements == "sha256:" + hashlib.sha256(b"numpy==2.4.6\n").hexdigest()
    lines = (toy.folder(record) / "environment.txt").read_bytes().removesuffix(b"\n")
    assert record.environment == "sha256:" + hashlib.sha256(lines).hexdigest()
    assert record.seconds > 0
    assert record.peak_memory_bytes > 10_000_000
    assert record.started < (record.ended or "")
    assert [task.name for task in record.tasks] == ["load", "fit", "evaluate"]


def kept(place: Place) -> list[dict[str, Any]]:
    """Read the runs in the workspace's own registry."""
    with sqlite3.connect(place.root / ".rung" / "registry.db") as registry:
        return [json.loads(text) for (text,) in registry.execute("SELECT record FROM runs ORDER BY started")]


def test_run_is_in_the_registry(toy: Place):
    records = [toy.train("toy"), toy.train("toy")]
    assert kept(toy) == [record.to_json() for record in records]


def test_run_is_in_a_registry_on_a_server(toy: Place, postgresql: PostgresServer):
    url = postgresql.database()
    record = toy.train("toy", environment={"RUNG_REGISTRY": url})
    with open_registry(toy.root / ".rung", url) as registry:
        assert registry.runs() == [record.to_json()]
    assert kept(toy) == []


def test_run_with_a_given_id_is_left_to_the_giver(toy: Place):
    """The control plane records a deployed training itself: the revision's environment knows no registry."""
    nowhere = {"RUNG_RUN": "toy.v1.m0", "RUNG_REGISTRY": "postgresql://nowhere.invalid/shop"}
    assert toy.train("toy", environment=nowhere).id == "toy.v1.m0"
    assert kept(toy) == []


def test_dirty_tree_is_kept_as_a_patch(toy: Place):
    toy.commit()
    toy.edit("experiments/toy/train/main.py", "len(load)", "len(load) + 1")
    toy.write("experiments/toy/train/new.py", "VALUE = 1\n")
    record = toy.train("toy")
    patch = toy.folder(record) / "diff.patch"
    assert record.dirty
    assert record.patch == "sha256:" + hashlib.sha256(patch.read_bytes()).hexdigest()
    text = patch.read_text()
    assert "+    return len(load) + 1" in text
    assert "+VALUE = 1" in text


def test_patch_makes_the_dirty_tree_again(toy: Place):
    commit = toy.commit()
    toy.edit("experiments/toy/train/main.py", "len(load)", "len(load) + 1")
    toy.write("experiments/toy/train/new file.py", "VALUE = 1\n")
    patch = toy.folder(toy.train("toy")) / "diff.patch"
    again = toy.root.parent / "again"
    subprocess.run(["git", "clone", "--quiet", str(toy.root), str(again)], check=True)
    subprocess.run(["git", "-C", str(again), "checkout", "--quiet", commit], check=True)
    subprocess.run(["git", "-C", str(again), "apply", str(patch)], check=True)
    for name in ("main.py", "new file.py"):
        part = f"experiments/toy/train/{name}"
        assert (again / part).read_bytes() == (toy.root / part).read_bytes()
    status = subprocess.run(["git", "status", "--short"], cwd=toy.root, check=True, capture_output=True, text=True)
    assert status.stdout == ' M experiments/toy/train/main.py\n?? "experiments/toy/train/new file.py"\n'


def test_workspace_without_git_has_no_commit(toy: Place):
    record = toy.train("toy")
    assert (record.commit, record.branch, record.patch) == (None, None, None)


def test_machine_without_git_has_no_commit(toy: Place):
    assert toy.train("toy", environment={"PATH": ""}).commit is None


def test_module_started_by_hand_saves(toy: Place):
    ended = toy.main("toy")
    assert ended.returncode == 0, ended.stderr
    assert "loading" in ended.stdout
    log = (toy.folder(toy.last()) / "log.txt").read_text()
    assert "loading" in log
    assert "it has not run here before" in log


def test_settings_are_read_as_their_types(toy: Place):
    settings = {
        "n_estimators": "300",
        "learning_rate": "null",
        "kind": "7",
        "verbose": "true",
        "columns": '["a", "b"]',
    }
    record = toy.train("toy", settings=settings)
    assert record.settings == settings
    assert record.hyperparameters == {
        "n_estimators": 300,
        "learning_rate": None,
        "kind": "7",
        "verbose": True,
        "columns": ["a", "b"],
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param(
            {"n_estimator": "3"}, "no hyperparameter 'n_estimator': did you mean 'n_estimators'?", id="misspelt"
        ),
        pytest.param({"zzz": "3"}, "they are n_estimators, learning_rate, kind", id="unknown"),
        pytest.param(
            {"n_estimators": "many"}, "n_estimators = 'many': Input should be a valid integer", id="wrong type"
        ),
        pytest.param({"n_estimators": ""}, "n_estimators = ''", id="empty"),
    ],
)
def test_wrong_setting_is_refused(toy: Place, settings: dict[str, str], said: str):
    assert said in toy.fail("toy", settings=settings)
    assert toy.runs() == []


def test_override_swaps_a_task_for_one_run(toy: Place):
    toy.train("toy")
    record = toy.train("toy", overrides={"load": "sample"})
    assert record.overrides == {"load": "sample"}
    assert {task.name: task.state for task in record.tasks} == {"load": "ran", "fit": "ran", "evaluate": "ran"}
    assert {task.state for task in toy.train("toy").tasks} == {"cached"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        pytest.param(
            {"laod": "sample"}, "there is no task 'laod' to override: did you mean 'load'?", id="no such task"
        ),
        pytest.param(
            {"load": "samples"}, "'samples' to take the place of load: did you mean 'sample'?", id="no such function"
        ),
        pytest.param({"load": "needs_more"}, "takes 'model', and no task has that name", id="does not fit"),
        pytest.param({"evaluate": "helper"}, "no task returns TestResults", id="no evaluation"),
    ],
)
def test_wrong_override_is_refused(toy: Place, overrides: dict[str, str], said: str):
    assert said in toy.fail("toy", overrides=overrides)
    assert toy.runs() == []


def test_run_without_evaluation_is_refused(toy: Place):
    toy.edit("experiments/toy/train/main.py", "Experiment(load, fit, evaluate,", "Experiment(load, fit,")
    ended = toy.main("toy")
    assert ended.returncode == 2
    assert ended.stderr.startswith("no task returns TestResults, so nothing would judge the models: add def evaluate")
    assert toy.runs() == []


def test_saving_before_running_is_refused(toy: Place):
    toy.edit("experiments/toy/train/main.py", "    experiment.run()\n", "")
    assert "there is no run to save" in toy.main("toy").stderr


def test_training_started_as_a_file_says_how_to(toy: Place):
    ended = toy.python("experiments/toy/train/main.py")
    assert "start it with `python -m experiments.SERVICE.train.main`" in ended.stderr


def test_task_that_raises_is_named(toy: Place):
    toy.edit("experiments/toy/train/main.py", "return len(load)", "return load['missing']")
    ended = toy.main("toy")
    record = toy.last()
    assert ended.returncode == record.exit_code == 4
    assert record.status == "failed"
    assert (record.error or "").startswith("task 'fit'(load: dict) raised KeyError: 'missing': look at")
    assert {task.name: task.state for task in record.tasks} == {"load": "ran", "fit": "failed"}
    for told in (ended.stderr, (toy.folder(record) / "log.txt").read_text()):
        frames = [line for line in told.splitlines() if line.startswith("  File ")]
        assert [frame.rpartition(" in ")[2] for frame in frames] == ["fit", "helper"]
        assert "task 'fit'(load: dict) raised KeyError: 'missing'" in told
        assert len(told.splitlines()) < 20


def test_tasks_before_an_error_are_kept(toy: Place):
    toy.edit("experiments/toy/train/main.py", "return len(load)", "return 1 / 0")
    toy.main("toy")
    assert (toy.folder(toy.last()) / "load.artifact").is_file()
    toy.edit("experiments/toy/train/main.py", "return 1 / 0", "return 1")
    assert {task.name: task.state for task in toy.train("toy").tasks} == {
        "load": "cached",
        "fit": "ran",
        "evaluate": "ran",
    }


def test_task_that_exits_has_failed(toy: Place):
    toy.edit("experiments/toy/train/main.py", "return len(load)", "raise SystemExit(0)")
    ended = toy.main("toy")
    assert ended.returncode == 4
    assert toy.last().status == "failed"


def test_output_that_cannot_be_kept_is_named(toy: Place):
    toy.edit("experiments/toy/train/main.py", "return len(load)", "return (x for x in load)")
    assert "the output of 'fit', a generator, cannot be kept" in toy.main("toy").stderr


def test_tasks_may_come_from_other_modules(toy: Place):
    toy.write("experiments/shared/__init__.py", "")
    toy.write("experiments/shared/tasks.py", "def first() -> int:\n    return 1\n")
    toy.edit(
        "experiments/toy/train/main.py", "from pydantic", "from experiments.shared.tasks import first\nfrom pydantic"
    )
    toy.edit("experiments/toy/train/main.py", "def fit(load: dict)", "def fit(load: dict, first: int)")
    toy.edit("experiments/toy/train/main.py", "Experiment(load,", "Experiment(first, load,")
    assert toy.main("toy").returncode == 0
    assert toy.last().service == "toy"


PARALLEL = """
import time
from pathlib import Path

from rung.training import Experiment, TestResults


def meet(own: str, other: str) -> str:
    Path(own).touch()
    deadline = time.monotonic() + 60
    while not Path(other).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the other task did not run beside this one")
        time.sleep(0.01)
    return own


def left() -> str:
    return meet("left", "right")


def right() -> str:
    return meet("right", "left")


def late(left: str) -> str:
    return "late"


def evaluate(left: str, right: str, late: str) -> TestResults:
    return TestResults(rows=1, data=(), regression=(), example={})


experiment = Experiment(left, right, late, evaluate)
"""


def test_independent_tasks_run_side_by_side(place: Place):
    place.service("toy", PARALLEL)
    record = place.train("toy", jobs=2)
    assert {task.state for task in record.tasks} == {"ran"}


def test_failure_beside_another_task_is_reported(place: Place):
    place.service("toy", PARALLEL)
    place.edit("experiments/toy/train/main.py", 'return meet("left", "right")', 'meet("left", "right"); return 1 / 0')
    assert "task 'left'() raised ZeroDivisionError" in place.fail("toy", jobs=2)
    assert {task.name: task.state for task in place.last().tasks} == {"left": "failed", "right": "ran"}
