"""The tutorial works as it is written, as far as it needs no platform; its other commands are parsed elsewhere."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from tutorial_page import PAGE, change, lay_down, path_lines, python, tutorial_blocks

from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace as it is before the first commit."""
    root = tmp_path_factory.mktemp("tutorial") / "shop"
    for folder, line in zip((root.parent, root), path_lines()[1:3], strict=True):
        done = python(folder, "-m", "rung.cli", *shlex.split(line.partition(" && ")[0])[1:])
        assert done.returncode == 0, done.stderr
    lay_down(root, until="v1.m1.md")
    made = python(root, "-m", "experiments.bikes.rentals")
    assert made.returncode == 0, made.stderr
    return Workspace(root=root, state=root / ".rung")


def test_every_look_before_the_commit_succeeds(shop: Workspace):
    [block] = [block for block in tutorial_blocks("sh") if block.note == "run"]
    for line in block.text.splitlines():
        done = python(shop.root, "-m", "rung.cli", *shlex.split(line)[1:])
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    trees, linear, benchmark = (run["metrics"]["within_20_percent"] for run in _runs(shop))
    assert trees > linear + 0.1 > benchmark + 0.2, "each revision of the page is to beat the one before"


def test_both_models_pass_the_regression_tests(shop: Workspace):
    trees, linear, benchmark = _runs(shop)
    assert trees["failed_tests"] == linear["failed_tests"] == []
    assert benchmark["failed_tests"] == ["test_warm_hours_are_busier"]


def test_changes_of_the_page_fit_its_files(tmp_path: Path):
    (tmp_path / "experiments/bikes/train").mkdir(parents=True)
    [main] = [block for block in tutorial_blocks("python") if block.note.endswith("train/main.py")]
    (tmp_path / "experiments/bikes/train/main.py").write_text(main.text)
    change(tmp_path, 0)
    change(tmp_path, 1)
    assert '] = "trees"' in (tmp_path / "experiments/bikes/train/main.py").read_text()


def test_counted_path_is_what_the_page_says():
    table = re.findall(r"^\| (\d+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    lines = path_lines()
    assert [int(number) for number, _ in table] == list(range(1, len(lines) + 1))
    assert len(lines) <= 10
    for (_, told), line in zip(table, lines, strict=True):
        words = re.findall("`(.*?)`", told)[0]
        assert words in line
    assert lines[-1].startswith("rung promote")
    commands = [one for line in lines for one in line.split(" && ") if not one.startswith("cd ")]
    assert len(commands) == 12
    assert "\nTwelve commands, on ten lines, lead from" in PAGE.read_text()


def _runs(shop: Workspace) -> list[dict[str, Any]]:
    """Give the runs, the newest first."""
    runs: list[dict[str, Any]] = json.loads(
        python(shop.root, "-m", "rung.cli", "runs", "list", "bikes", "--json").stdout
    )
    return runs
