"""A workspace with the tiny service, whose slope can be tuned, and the commands that are run in it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tiny_service
from click.testing import CliRunner

from rung.cli import rung

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """
import time
from typing import Annotated

from pydantic import BaseModel, Field
from rung.training import Experiment, Range, TestResults, evaluate_models, report

from experiments.tiny.schema.request import Instance


class Hyperparameters(BaseModel):
    slope: Annotated[float, Field(ge=0), Range(high=4)] = 0.5
    broken: bool = False
    pause: float = 0.0
    seed: int = 0


def load_data() -> list[int]:
    print("loading")
    return list(range(1, 51))


def build_model(load_data: list[int], hyperparameters: Hyperparameters) -> dict[str, float]:
    for step in range(3):
        report(step, abs(hyperparameters.slope - 2) + 1 / (step + 1))
        time.sleep(hyperparameters.pause)
    if hyperparameters.broken:
        raise ValueError("it is broken")
    return {"slope": hyperparameters.slope + hyperparameters.seed / 1000}


def evaluate(load_data: list[int], build_model: dict[str, float]) -> TestResults:
    return evaluate_models(X_test=[Instance(x=x) for x in load_data], y_test=[2.0 * x for x in load_data])


experiment = Experiment(load_data, build_model, evaluate, hyperparameters=Hyperparameters)
"""


@dataclass(frozen=True, slots=True)
class Shop:
    """A workspace with the tiny service."""

    root: Path

    def rung(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return subprocess.run(
            [sys.executable, "-m", "rung.cli", *arguments], cwd=self.root, check=False, capture_output=True, text=True
        )

    def asked(self, *arguments: str) -> Any:
        """Run a command that succeeds, and give its JSON."""
        ended = self.rung(*arguments, "--json")
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return json.loads(ended.stdout)

    def shown(self, *arguments: str) -> str:
        """Give what a command prints that changes nothing; it runs in this process."""
        with contextlib.chdir(self.root):
            ended = CliRunner().invoke(rung, arguments, catch_exceptions=False)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    def begun(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command, which goes on beside the test."""
        command = [sys.executable, "-m", "rung.cli", *arguments]
        return subprocess.Popen(command, cwd=self.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    @property
    def main(self) -> Path:
        """The author's source."""
        return self.root / "experiments" / "tiny" / "train" / "main.py"


def make_shop(root: Path) -> Shop:
    """Write the workspace, and commit it."""
    (root / "rung.toml").touch()
    (root / ".gitignore").write_text(".rung/\n")
    tiny_service.write(root)
    shop = Shop(root)
    shop.main.write_text(MAIN)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return shop
