"""Lay down a workspace of Rung with one service, `bench`, whose training is a workload. Called by `catalogue.py`.

The service has what a training needs and no more: the schema's folder, which makes it a service, and the training.
"""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING

from program import SOURCES, Place, call, write

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["chain", "command", "prepare"]

SCHEMA = {
    "request.py": "from pydantic import BaseModel\n\n\nclass Instance(BaseModel):\n    value: float\n",
    "response.py": "from pydantic import BaseModel\n\n\nclass Prediction(BaseModel):\n    value: float\n",
    "service.py": ('from enum import StrEnum\n\nmajor = 1\n\n\nclass Route(StrEnum):\n    PREDICT = "predict"\n'),
}


def prepare(place: Place) -> None:
    """Lay down the workspace and commit it: a clean tree, as before a run that is to be repeatable."""
    service = place.folder / "experiments" / "bench"
    for package in (service.parent, service, service / "schema", service / "train"):
        write(package / "__init__.py", "")
    for name, text in SCHEMA.items():
        write(service / "schema" / name, text)
    _lay_training(place, service / "train")
    write(place.folder / "rung.toml", "")
    write(place.folder / ".gitignore", ".rung/\nhome/\n__pycache__/\noutput.log\n")
    call(place, "git", "init", "--quiet")
    call(place, "git", "add", "--all")
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    call(place, "git", *identity, "commit", "--quiet", "--message", "Lay the workload down")


def command(place: Place, seed: int) -> tuple[str, ...]:
    """Give the command that an author types."""
    return (place.script("rung"), "train", "bench", "--set", f"seed={seed}")


def chain(tasks: int) -> str:
    """Give the source of a training of `tasks` tasks; the last of them returns the test results that all must have."""
    names = [f"task_{number}" for number in range(tasks - 1)]
    links = "".join(
        f"def {name}({taken}: int) -> int:\n    return {taken} + 1\n\n\n" for taken, name in itertools.pairwise(names)
    )
    return (
        "from pydantic import BaseModel\n\nfrom rung.training import Experiment, TestResults\n\n\n"
        "class Hyperparameters(BaseModel):\n    seed: int = 0\n\n\n"
        f"def {names[0]}(hyperparameters: Hyperparameters) -> int:\n    return hyperparameters.seed + 1\n\n\n"
        f"{links}"
        f"def evaluate({names[-1]}: int) -> TestResults:\n"
        f"    return TestResults(rows={names[-1]}, data=(), regression=(), example={{}})\n\n\n"
        f"experiment = Experiment({', '.join(names)}, evaluate, hyperparameters=Hyperparameters)\n\n"
        'if __name__ == "__main__":\n    experiment.run()\n    experiment.save()\n'
    )


def _lay_training(place: Place, folder: Path) -> None:
    if place.workload.tasks:
        write(folder / "main.py", chain(place.workload.tasks))
        return
    shutil.copy(SOURCES / "rung_real.py", folder / "main.py")
    shutil.move(place.folder / "workload.py", folder / "workload.py")
