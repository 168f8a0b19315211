"""The notebook of the documentation becomes a service, which is checked and trained."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from docs_pages import blocks
from notebook_cells import percent

from rung.cli.new import command

if TYPE_CHECKING:
    from pathlib import Path

(CELLS,) = [block for block in blocks("python") if block.note == "file work/explore.ipynb"]


def rung(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rung.cli", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with data and a notebook."""
    root = tmp_path_factory.mktemp("shop")
    assert rung(root, "init", ".").returncode == 0
    (root / "data").mkdir(exist_ok=True)
    sales = files("rung.templates") / "data" / "houses.parquet"
    (root / "data" / "houses.parquet").write_bytes(sales.read_bytes())
    (root / "work").mkdir()
    (root / "work" / "explore.ipynb").write_bytes(percent(CELLS.text))
    return root


def test_notebook_becomes_a_service_that_trains(shop: Path):
    begun = rung(shop, "new", "passersby", "--from-notebook", "work/explore.ipynb")
    assert begun.returncode == 0, begun.stderr
    assert "schema/service.py    a business metric that decides" in begun.stdout
    checked = json.loads(rung(shop, "check", "passersby", "--json").stdout)
    assert [one["check"] for one in checked if not one["passed"]] == ["metrics"], checked
    trained = rung(shop, "train", "passersby", "--set", "rate=0.2")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    (run,) = json.loads(rung(shop, "runs", "list", "passersby", "--json").stdout)
    assert 10_000 < run["metrics"]["mean_absolute_error"] < 40_000
    again = rung(shop, "train", "passersby", "--set", "rate=0.2")
    assert again.stderr.count("cached") == 4
    tested = rung(shop, "test", "passersby", "serving")
    assert tested.returncode == 0, tested.stdout


def test_programs_are_told_what_is_left_to_write(shop: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(shop)
    begun = CliRunner().invoke(command, ["told", "--from-notebook", "work/explore.ipynb", "--json"])
    told = json.loads(begun.output)
    assert told["tasks"] == {"load_data": 5, "split": 7, "build_model": 8}
    assert "schema/service.py" in told["left"]
    assert "rung train told" in told["next"]


def test_template_and_notebook_exclude_each_other(shop: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(shop)
    refused = CliRunner().invoke(command, ["both", "--template", "housing", "--from-notebook", "work/explore.ipynb"])
    assert refused.exit_code == 2
    assert "give either --template or --from-notebook" in refused.output


def test_what_is_wrong_is_told_with_its_cell_and_nothing_is_written(shop: Path):
    (shop / "work" / "broken.ipynb").write_bytes(percent(CELLS.text.replace("# task: load_data\n", "")))
    refused = rung(shop, "new", "broken", "--from-notebook", "work/broken.ipynb")
    assert refused.returncode == 2
    assert "broken.ipynb: cell 7 uses houses as cell 5 leaves it, which is no task" in refused.stderr
    outside = shop.parent / "outside.parquet"
    outside.write_bytes(b"")
    (shop / "work" / "away.ipynb").write_bytes(percent(CELLS.text.replace("../data/houses.parquet", str(outside))))
    away = rung(shop, "new", "broken", "--from-notebook", "work/away.ipynb")
    assert "outside.parquet, which lies outside of the workspace" in away.stderr
    (shop / "work" / "torn.ipynb").write_bytes(b'{"cells": [')
    torn = rung(shop, "new", "broken", "--from-notebook", "work/torn.ipynb")
    assert "torn.ipynb: it is no notebook" in torn.stderr
    missing = rung(shop, "new", "broken", "--from-notebook", "nowhere.ipynb")
    assert "there is no file nowhere.ipynb" in missing.stderr
    assert not (shop / "experiments" / "broken").exists()
