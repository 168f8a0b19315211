"""An unchanged training is recorded anew without importing the service; any change is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place

_RECALL = """
import json, sys
from rung.training import recall
from rung.workspace import find
record = recall(find(), "toy", settings=json.loads(sys.argv[1]), overrides={}, quiet=True)
print(record.id if record else "nothing", any(name.startswith("experiments") for name in sys.modules))
"""

MAIN = """
from rung.training import Experiment, TestResults, data_file

from experiments.shared.helpers import double


def load() -> str:
    return data_file("data/rows.txt").read_text()


def evaluate(load: str) -> TestResults:
    return TestResults(rows=double(len(load)), data=(), regression=(), example={})


experiment = Experiment(load, evaluate)
"""


@pytest.fixture
def toy(place: Place) -> Place:
    place.service("toy", MAIN)
    place.write("experiments/shared/__init__.py", "")
    place.write("experiments/shared/helpers.py", "def double(x):\n    return 2 * x\n")
    place.write("data/rows.txt", "1 2 3")
    place.commit()
    place.train("toy")
    return place


def recalled(place: Place, settings: str = "{}") -> bool:
    ended = place.python("-c", _RECALL, settings)
    assert ended.returncode == 0, ended.stderr
    name, imported = ended.stdout.split()
    assert imported == "False"
    return name != "nothing"


def test_unchanged_training_is_recorded_anew(toy: Place):
    first = toy.last()
    assert recalled(toy)
    again = toy.last()
    assert again.id != first.id
    assert (again.artifacts, again.metrics, again.commit) == (first.artifacts, first.metrics, first.commit)
    assert {task.because for task in again.tasks} == {f"unchanged since run {first.id}"}
    assert again.seconds > 0
    assert {path.name for path in toy.folder(again).iterdir()} == {
        "run.json",
        "log.txt",
        "environment.txt",
        "load.artifact",
        "evaluate.artifact",
    }


def test_recalled_run_can_be_recalled(toy: Place):
    assert recalled(toy)
    assert recalled(toy)


def test_new_commit_is_recorded(toy: Place):
    toy.write("notes.md", "nothing of the training\n")
    commit = toy.commit()
    assert recalled(toy)
    assert toy.last().commit == commit


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("experiments/toy/train/new.py", "", id="new file in the package"),
        pytest.param("experiments/toy/train/main.py", MAIN + "\n# more\n", id="changed file"),
        pytest.param("experiments/shared/helpers.py", "def double(x):\n    return x + x\n", id="changed helper"),
        pytest.param("data/rows.txt", "1 2 4", id="changed data"),
        pytest.param("experiments/toy/infrastructure/requirements.txt", "numpy==2\n", id="new requirements"),
    ],
)
def test_any_change_is_noticed(toy: Place, name: str, text: str):
    toy.write(name, text)
    assert not recalled(toy)


@pytest.mark.parametrize(
    "name", ["experiments/shared/helpers.py", "data/rows.txt", "experiments/toy/train/__init__.py"]
)
def test_missing_file_is_noticed(toy: Place, name: str):
    (toy.root / name).unlink()
    assert not recalled(toy)


def test_missing_artifact_is_noticed(toy: Place):
    digest = toy.last().artifacts["load"].partition(":")[2]
    (toy.root / ".rung" / "artifacts" / digest[:2] / digest[2:]).unlink()
    assert not recalled(toy)


def test_other_settings_are_another_training(toy: Place):
    assert not recalled(toy, '{"depth": "3"}')


def test_broken_memo_is_as_none(toy: Place):
    for memo in (toy.root / ".rung" / "cache" / "unchanged").iterdir():
        memo.write_text("[]")
    assert not recalled(toy)


def test_file_edited_during_the_run_is_not_remembered(toy: Place):
    edit = "import pathlib; path = pathlib.Path(__file__); path.write_text(path.read_text() + '# later\\n')"
    toy.edit("experiments/toy/train/main.py", "    return data_file", f"    {edit}\n    return data_file")
    toy.train("toy")
    assert not recalled(toy)
