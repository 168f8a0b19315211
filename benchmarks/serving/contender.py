"""What a server of the comparison is, how it is laid down, and whether its answers are right. Called by `run.py`."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from process import Command, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PORT", "Contender", "Lab", "Place", "lay_down", "prices_of"]

SOURCES = Path(__file__).resolve().parent / "programs"
SHARED = ("contract.py", "features.py")
EXACT = 1e-6  # relative: the same model in the same arithmetic
FIT_S = 120.0
PORT = "{port}"  # stands in commands for the port that the server is given


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """What all servers are given: models, payloads, the native models' answers, Rung's revisions."""

    folder: Path

    @property
    def state(self) -> Path:
        """The state of Rung's workspace."""
        return self.folder / ".rung"

    def body(self, payload: str, instances: int) -> Path:
        """Give the file with the body of a request."""
        return self.folder / f"{payload}.{instances}.json"

    def answers(self, model: str, instances: int) -> list[float]:
        """Give what the native model predicts for that body."""
        known = json.loads((self.folder / "answers.json").read_text())
        found: list[float] = known[model][str(instances)]
        return found

    def fit(self, python: Path) -> None:
        """Fit the models in Rung's environment and write everything.

        Raises:
            subprocess.SubprocessError: The program ended badly.
        """
        self.state.mkdir(parents=True)
        for name in (*SHARED, "fit.py"):
            shutil.copy(SOURCES / name, self.folder / name)
        command = [str(python), "fit.py", str(self.state), str(self.folder)]
        subprocess.run(
            command,
            cwd=self.folder,
            env=base_variables(python, self.folder),
            check=True,
            capture_output=True,
            timeout=FIT_S,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one server runs."""

    folder: Path
    python: Path  # of its environment
    lab: Lab
    port: int

    def script(self, name: str) -> str:
        """Give the path of a command that the server's environment has."""
        return str(self.python.with_name(name))


def nothing(_place: Place) -> None:
    """Prepare nothing."""


def prices_of(answer: Any) -> list[float]:
    """Read the answer `{"predictions": [{"price": ...}]}`."""
    return [prediction["price"] for prediction in answer["predictions"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One server in one configuration."""

    name: str
    title: str
    tool: str  # whose server it is; a tool's configurations share it
    environment: str  # of `peers`
    distribution: str  # whose version is shown
    model: str  # whose answers it must give
    files: tuple[str, ...]  # of `programs`, laid beside what all share
    command: Callable[[Place], Command | tuple[str, ...]]  # a tuple: the words, in the place and with its variables
    sizes: tuple[int, ...] = (1,)  # instances in one request
    payload: str = "rows"
    path: str = "/predict"
    read: Callable[[Any], list[float]] = prices_of
    tolerance: float = EXACT  # relative
    variables: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Place], None] = nothing

    def start_command(self, place: Place) -> Command:
        """Give the command that starts the server."""
        made = self.command(place)
        if isinstance(made, Command):
            return made
        variables = base_variables(place.python, place.folder) | self.variables
        variables["BENCH_MODEL"] = str(place.lab.folder / f"{self.model}.joblib")
        words = tuple(word.replace(PORT, str(place.port)) for word in made)
        return Command(arguments=words, folder=place.folder, variables=variables)

    def url(self, place: Place) -> str:
        """Give where it answers predictions."""
        return f"http://127.0.0.1:{place.port}{self.path}"

    def check(self, answer: Any, expected: list[float]) -> None:
        """Hold an answer against the native model's.

        Raises:
            ServerError: It has another length, or a number differs by more than the tolerance.
        """
        prices = self.read(answer)
        if len(prices) != len(expected):
            raise ServerError(f"{self.title} gave {len(prices)} prices for {len(expected)} houses")
        for price, owed in zip(prices, expected, strict=True):
            if not math.isclose(price, owed, rel_tol=self.tolerance):
                raise ServerError(f"{self.title} answered {price}, the native model {owed}")


def lay_down(contender: Contender, place: Place) -> None:
    """Make the folder of a server: what all share, its own program, what it prepares."""
    (place.folder / "home").mkdir(parents=True)
    for name in (*SHARED, *contender.files):
        shutil.copy(SOURCES / name, place.folder / name)
    contender.prepare(place)


def base_variables(python: Path, folder: Path) -> dict[str, str]:
    """Give the environment that every server starts from: one thread for numerical libraries, no telemetry."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "LANG": "C.UTF-8",
        "DO_NOT_TRACK": "1",
        **dict.fromkeys(threads, "1"),
    }
