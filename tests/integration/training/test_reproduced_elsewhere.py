"""A run again where it was not made: by somebody who has the repository, the registry and the storage."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from toy_training import MAIN

from rung.compute.environments import Environments, resolve
from rung.errors import ConflictError
from rung.registry import record_run
from rung.reproduction import reproduce
from rung.training import read_run
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Place


@pytest.fixture
def changed(toy: Place) -> Place:
    """A workspace whose code differs from its commit."""
    toy.service("toy", MAIN.replace("1 2 3", "1 2 3 4"))
    return toy


def elsewhere(toy: Place, folder: Path) -> Workspace:
    """Clone the repository, and take over the registry; nothing else of the state is there."""
    subprocess.run(["git", "clone", "--quiet", str(toy.root), str(folder)], check=True)
    (folder / ".rung").mkdir()
    shutil.copyfile(toy.root / ".rung" / "registry.db", folder / ".rung" / "registry.db")
    return Workspace(root=folder, state=folder / ".rung")


def test_what_was_never_committed_comes_from_the_storage(changed: Place, tmp_path: Path):
    run = changed.train("toy")
    other = elsewhere(changed, tmp_path / "two")
    told: list[str] = []
    assert reproduce(other, run.id, report=told.append).is_identical
    assert told[0].startswith("what s3://")
    assert (other.runs / run.id / "diff.patch").read_bytes() == (changed.folder(run) / "diff.patch").read_bytes()
    again: list[str] = []
    assert reproduce(other, run.id, report=again.append).is_identical
    assert again == told[1:]


def test_environment_that_was_another_is_built_again(changed: Place, tmp_path: Path):
    changed.write("rung.toml", "")  # what the environment of then has not is a driver of the storage
    changed.write("none.txt", "")
    python = Environments(tmp_path / "environments").ensure(resolve(changed.root / "none.txt")).python
    ended = subprocess.run(
        [python, "-m", "rung.cli", "train", "toy", "--json"], cwd=changed.root, check=True, capture_output=True
    )
    run = read_run(changed.root / ".rung" / "runs" / json.loads(ended.stdout)["id"])
    told: list[str] = []
    workspace = Workspace(root=changed.root, state=changed.root / ".rung")
    record_run(workspace.state, run.to_json(), workspace.registry_url())  # it has no driver of the registry either
    assert reproduce(workspace, run.id, report=told.append).is_identical
    assert any(line.startswith("environment of then, of which ") for line in told)

    kept = changed.folder(run) / "environment.txt"
    kept.write_text(f"{kept.read_text()}\nno-such-package-anywhere==1.0")
    with pytest.raises(ConflictError, match=r"(?s)cannot be built again: .*no-such-package-anywhere"):
        reproduce(workspace, run.id)
