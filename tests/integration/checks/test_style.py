"""The standard that a service's code is held to, with the real ruff."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rung.checks._lint import lint
from rung.errors import WorkspaceError
from rung.workspace import Workspace

if TYPE_CHECKING:
    from conftest import Place


@pytest.fixture
def workspace(place: Place) -> Workspace:
    place.service("tidy", "X = 1\n")
    return Workspace(root=place.root, state=place.root / ".rung")


def test_tidy_code_keeps_the_standard(workspace: Workspace):
    assert lint(workspace, workspace.service("tidy")) == (True, "ruff finds nothing, by the standard of Rung")


def test_what_is_wrong_is_told_with_what_mends_it(workspace: Workspace, place: Place):
    place.write("experiments/tidy/train/main.py", "import os\nx = [1,2]\n")
    holds, because = lint(workspace, workspace.service("tidy"))
    assert not holds
    assert "experiments/tidy/train/main.py:1 F401 `os` imported but unused" in because
    assert "experiments/tidy/train/main.py is not formatted" in because
    for command in because.split("`")[-2].split(" && "):
        subprocess.run([sys.executable, "-m", *command.split()], cwd=place.root, check=True, capture_output=True)
    assert lint(workspace, workspace.service("tidy"))[0]


def test_code_that_cannot_be_parsed_is_told(workspace: Workspace, place: Place):
    place.write("experiments/tidy/train/main.py", "x = (\n")
    holds, because = lint(workspace, workspace.service("tidy"))
    assert not holds
    assert "main.py:2 invalid-syntax" in because


def test_settings_of_the_workspace_go_before(workspace: Workspace, place: Place):
    place.write("experiments/tidy/train/main.py", "import os\n")
    place.write("ruff.toml", 'lint.select = ["E"]\n')
    assert lint(workspace, workspace.service("tidy")) == (True, "ruff finds nothing, by ruff.toml")
    place.write("ruff.toml", "no toml")
    with pytest.raises(WorkspaceError, match="ruff failed"):
        lint(workspace, workspace.service("tidy"))
