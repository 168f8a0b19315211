"""A workspace in a folder of the test's own, and trainings in it, each in a process as a person starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from postgresql import PostgresServer, postgres_server

import rung
from rung.compute.threads import thread_limits
from rung.registry import open_registry
from rung.training import list_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.training import RunRecord

settings.register_profile("long", max_examples=1_000, deadline=None, print_blob=True)
"""`--hypothesis-profile=long`: property tests look longer, and faults hit every single write in place of a sample."""
settings.register_profile("short", max_examples=40, deadline=None, derandomize="CI" in os.environ, print_blob=True)
"""Of `make test`: fewer examples, others each time; in CI the same ones: it judges a change, not its luck."""
settings.load_profile("short")

os.environ.update(thread_limits(1))
"""Tests run side by side: threads that wait for one another by turning would keep the others from their processors."""

TEMPLATES = Path(rung.__file__).parent / "templates"

_RUN = """
import json, sys
from experiments.{service}.train.main import experiment
experiment.run(**json.loads(sys.argv[1]))
experiment.save()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A workspace."""

    root: Path

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def service(self, name: str, main: str, **files: str) -> None:
        """Write a service whose `train/main.py` is this text; other files by path, `train__models=...`."""
        for package in ("", "train", "schema"):
            self.write(f"experiments/{name}/{package}/__init__.py", "")
        self.write(f"experiments/{name}/train/main.py", main)
        for path, text in files.items():
            self.write(f"experiments/{name}/{path.replace('__', '/')}.py", text)

    def housing(self, name: str = "housing") -> None:
        """Lay down the template."""
        for source in (TEMPLATES / "housing").rglob("*"):
            if source.is_file() and "__pycache__" not in source.parts:
                target = self.root / "experiments" / name / source.relative_to(TEMPLATES / "housing")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(source.read_text().replace("{{service}}", name))
        self.write(f"experiments/{name}/__init__.py", "")
        shutil.copytree(TEMPLATES / "data", self.root / "data", dirs_exist_ok=True)

    def commit(self) -> str:
        """Commit everything."""
        git = ["git", "-c", "user.name=tester", "-c", "user.email=tester@example.org"]
        subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], cwd=self.root, check=True)
        subprocess.run([*git, "add", "--all"], cwd=self.root, check=True)
        subprocess.run([*git, "commit", "--quiet", "--message=state"], cwd=self.root, check=True)
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.root, check=True, capture_output=True, text=True)
        return head.stdout.strip()

    def python(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},  # an edit within a second counts
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def main(self, service: str) -> subprocess.CompletedProcess[str]:
        """Train as the module is started by hand."""
        return self.python("-m", f"experiments.{service}.train.main")

    def train(self, service: str, *, environment: Mapping[str, str] | None = None, **arguments: Any) -> RunRecord:
        """Train and save; give the record."""
        ended = self.python("-c", _RUN.format(service=service), json.dumps(arguments), environment=environment)
        assert ended.returncode == 0, ended.stderr
        return self.last()

    def fail(self, service: str, **arguments: Any) -> str:
        """Train in vain; give what was printed to standard error."""
        ended = self.python("-c", _RUN.format(service=service), json.dumps(arguments))
        assert ended.returncode != 0, ended.stderr
        return ended.stderr

    def runs(self) -> list[RunRecord]:
        """All runs, the newest first."""
        return list(list_runs(self.root / ".rung" / "runs"))

    def last(self) -> RunRecord:
        return self.runs()[0]

    def folder(self, record: RunRecord) -> Path:
        return self.root / ".rung" / "runs" / record.id


@pytest.fixture(scope="session")
def new_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry: to make one takes longer than many a training."""
    folder = tmp_path_factory.mktemp("registry")
    open_registry(folder).close()
    return folder / "registry.db"


@pytest.fixture
def place(tmp_path: Path, new_registry: Path) -> Place:
    """An empty workspace, not yet in git."""
    place = Place(root=tmp_path / "workspace")
    place.write(".rung/README", "Rung's own\n")
    shutil.copy(new_registry, place.root / ".rung")
    place.write("rung.toml", "")
    place.write(".gitignore", ".rung/\n__pycache__/\n")
    place.write("experiments/__init__.py", "")
    return place


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A server of PostgreSQL for the session."""
    with postgres_server() as server:
        yield server
