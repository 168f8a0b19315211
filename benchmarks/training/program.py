"""What a program of the comparison is, and how it is laid down and started. Called by `catalogue.py` and `run.py`.

A program's folder is thrown away with everything in it: its HOME, its database, its stored outputs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from measure import Command

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SOURCES", "Place", "Program", "Workload", "call", "command_for", "lay_down", "write"]

SOURCES = Path(__file__).resolve().parent / "programs"
PREPARE_TIMEOUT = 300  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is run: a chain of no-op tasks, or the real pipeline."""

    name: str
    tasks: int  # of the chain; 0 is the real pipeline

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words that the simple programs take."""
        return ("noop", str(self.tasks)) if self.tasks else ("real",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one program runs one workload."""

    folder: Path
    python: Path  # of the program's environment
    workload: Workload
    variables: dict[str, str]  # the whole environment of its processes

    def script(self, name: str) -> str:
        """Give the path of a command that the program's environment has."""
        return str(self.python.with_name(name))


def nothing(_place: Place, _seed: int = 0) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program of the comparison."""

    name: str
    title: str
    distribution: str  # whose version is shown
    cached: bool  # it takes an unchanged pipeline from what an earlier run stored, without more code
    files: tuple[str, ...]  # of `programs`, laid beside `workload.py`
    command: Callable[[Place, int], tuple[str, ...]]  # takes the place and the seed
    variables: dict[str, str] = field(default_factory=dict)  # "{folder}" stands for the place's folder
    prepare: Callable[[Place], None] = nothing  # once, not timed
    before: Callable[[Place, int], None] = nothing  # before each run, with its seed, not timed


def lay_down(program: Program, workload: Workload, *, python: Path, folder: Path) -> Place:
    """Make the folder of one program and workload: a home, the shared work, the program's files, what it prepares.

    Raises:
        subprocess.SubprocessError: one of the tool's own commands ended badly while it prepared.
    """
    (folder / "home").mkdir(parents=True)
    for name in ("workload.py", *program.files):
        shutil.copy(SOURCES / name, folder / name)
    own = {name: value.replace("{folder}", str(folder)) for name, value in program.variables.items()}
    variables = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder / "home"),
        "USER": "bench",
        "LANG": "C.UTF-8",
        "DO_NOT_TRACK": "1",
        "OMP_NUM_THREADS": "1",
    }
    place = Place(folder=folder, python=python, workload=workload, variables=variables | own)
    program.prepare(place)
    return place


def command_for(program: Program, place: Place, seed: int) -> Command:
    """Give the command that runs the place's workload with `seed`; with a seed not seen before nothing is cached."""
    return Command(arguments=program.command(place, seed), folder=place.folder, variables=place.variables)


def write(path: Path, text: str) -> None:
    """Write a file, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def call(place: Place, *command: str) -> None:
    """Run one preparing command to its end in the place."""
    try:
        subprocess.run(
            command,
            cwd=place.folder,
            env=place.variables,
            check=True,
            capture_output=True,
            text=True,
            timeout=PREPARE_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
