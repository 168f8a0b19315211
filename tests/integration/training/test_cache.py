"""Which tasks run again, and why: real trainings, each in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Place
    from rung.training import RunRecord

MAIN = """
import random

from pydantic import BaseModel
from rung.training import Experiment, TestResults, data_file

from experiments.toy.train import models


class Hyperparameters(BaseModel):
    depth: int = 2
    rate: float = 0.5
    seed: int = 0


def load() -> list[int]:
    return [int(line) for line in data_file("data/rows.txt").read_text().split()]


def fit(load: list[int], hyperparameters: Hyperparameters) -> int:
    return models.total(load) * hyperparameters.depth


def evaluate(fit: int) -> TestResults:
    return TestResults(rows=fit, data=(), regression=(), example={})


experiment = Experiment(load, fit, evaluate, hyperparameters=Hyperparameters)
"""


def states(record: RunRecord) -> dict[str, str]:
    return {task.name: task.state for task in record.tasks}


def reasons(record: RunRecord) -> dict[str, str]:
    return {task.name: task.because for task in record.tasks}


@pytest.fixture
def toy(place: Place) -> Place:
    place.service("toy", MAIN, train__models="def total(rows):\n    return sum(rows)\n")
    place.write("data/rows.txt", "1\n2\n3\n")
    return place


def test_second_run_takes_all_from_the_cache(toy: Place):
    first = toy.train("toy", environment={"PYTHONHASHSEED": "1"})
    second = toy.train("toy", environment={"PYTHONHASHSEED": "2"})
    assert states(second) == {"load": "cached", "fit": "cached", "evaluate": "cached"}
    assert set(reasons(second).values()) == {f"unchanged since run {first.id}"}
    assert second.artifacts == first.artifacts


def test_hyperparameter_counts_only_where_it_is_read(toy: Place):
    toy.train("toy")
    assert set(states(toy.train("toy", settings={"rate": "0.7"})).values()) == {"cached"}
    again = toy.train("toy", settings={"depth": "3"})
    assert states(again) == {"load": "cached", "fit": "ran", "evaluate": "ran"}
    assert reasons(again)["fit"] == "since it last ran, depth changed from 2 to 3"
    assert reasons(again)["evaluate"] == "since it last ran, its input fit changed"


def test_new_hyperparameter_runs_nothing_again(toy: Place):
    toy.train("toy")
    toy.edit("experiments/toy/train/main.py", "    rate:", "    width: int = 4\n    rate:")
    assert set(states(toy.train("toy")).values()) == {"cached"}


def test_changed_helper_runs_what_reaches_it(toy: Place):
    toy.train("toy")
    toy.edit("experiments/toy/train/models.py", "sum(rows)", "sum(rows) + 1")
    again = toy.train("toy")
    assert states(again) == {"load": "cached", "fit": "ran", "evaluate": "ran"}
    assert reasons(again)["fit"] == "since it last ran, its code changed"


def test_changed_data_run_what_read_them(toy: Place):
    toy.train("toy")
    toy.write("data/rows.txt", "1\n2\n4\n")
    again = toy.train("toy")
    assert set(states(again).values()) == {"ran"}
    assert reasons(again)["load"] == "the data in data/rows.txt changed"
    toy.write("data/rows.txt", "1\n2\n3\n")
    assert set(states(toy.train("toy")).values()) == {"cached"}


def test_data_read_in_a_thread_count(toy: Place):
    toy.edit(
        "experiments/toy/train/main.py",
        'data_file("data/rows.txt").read_text()',
        'ThreadPoolExecutor().submit(data_file, "data/rows.txt").result().read_text()',
    )
    toy.edit("experiments/toy/train/main.py", "import random", "from concurrent.futures import ThreadPoolExecutor")
    toy.train("toy")
    toy.write("data/rows.txt", "5\n")
    assert states(toy.train("toy"))["load"] == "ran"


def test_changed_environment_runs_all(toy: Place):
    toy.train("toy")
    toy.write("installed/new_library-1.0.dist-info/METADATA", "")
    again = toy.train("toy", environment={"PYTHONPATH": "installed"})
    assert set(states(again).values()) == {"ran"}
    assert reasons(again)["load"] == "since it last ran, the environment changed"


@pytest.mark.parametrize("artifact", ["load", "fit"])
def test_missing_artifact_is_made_again(toy: Place, artifact: str):
    digest = toy.train("toy").artifacts[artifact].partition(":")[2]
    (toy.root / ".rung" / "artifacts" / digest[:2] / digest[2:]).unlink()
    again = toy.train("toy")
    assert states(again)[artifact] == "ran"
    assert reasons(again)[artifact] == "its stored output is gone or damaged"


@pytest.mark.parametrize("artifact", ["load", "fit"])
def test_damaged_artifact_is_made_again(toy: Place, artifact: str):
    digest = toy.train("toy").artifacts[artifact].partition(":")[2]
    path = toy.root / ".rung" / "artifacts" / digest[:2] / digest[2:]
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[::-1])
    again = toy.train("toy")
    assert states(again)[artifact] == "ran"
    assert reasons(again)[artifact] == "its stored output is gone or damaged"
    assert path.read_bytes() == whole


def test_broken_cache_entry_counts_as_none(toy: Place):
    toy.train("toy")
    for entry in (toy.root / ".rung" / "cache").rglob("*.json"):
        entry.write_bytes(b'{"digest": ')
    assert set(states(toy.train("toy")).values()) == {"ran"}


def test_cache_can_be_left_aside(toy: Place):
    toy.train("toy")
    again = toy.train("toy", use_cache=False)
    assert set(reasons(again).values()) == {"the cache was not to be used"}


def test_seed_counts_where_something_was_drawn(toy: Place):
    toy.edit("experiments/toy/train/models.py", "sum(rows)", "sum(rows) + random.random()")
    toy.edit("experiments/toy/train/models.py", "def total", "import random\n\n\ndef total")
    toy.edit("experiments/toy/train/main.py", "return TestResults(rows=fit", "return TestResults(rows=int(fit)")
    first = toy.train("toy")
    again = toy.train("toy", settings={"seed": "1"})
    assert states(again) == {"load": "cached", "fit": "ran", "evaluate": "ran"}
    assert again.artifacts["fit"] != first.artifacts["fit"]
    back = toy.train("toy", settings={"seed": "0"})
    assert states(back) == {"load": "cached", "fit": "cached", "evaluate": "cached"}
    assert toy.train("toy", use_cache=False).artifacts == first.artifacts


def test_every_output_is_a_file_of_the_run(toy: Place):
    record = toy.train("toy")
    files = {path.name for path in toy.folder(record).glob("*.artifact")}
    assert files == {"load.artifact", "fit.artifact", "evaluate.artifact"}
