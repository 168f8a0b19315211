"""Every template, laid down in a workspace as `rung new` does it: whole, clean, trainable, and what its pages say."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rung import templates
from rung.errors import ConflictError, NotFoundError
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_RUN_NOTEBOOK = """
import json, sys
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]))
"""
_LINE_LENGTH = 120


@pytest.fixture(scope="module", params=templates.names())
def laid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one service, named as its template with a `my_` before it."""
    root = tmp_path_factory.mktemp("workspace")
    assert rung(root, "init", ".").returncode == 0
    laid = rung(root, "new", f"my_{request.param}", "--template", request.param)
    assert laid.returncode == 0, laid.stderr
    for command in templates.template(request.param).before_training(f"my_{request.param}"):
        assert command in laid.stdout
        program, *words = shlex.split(command)
        brought = rung(root, *words) if program == "rung" else python(root, *words)
        assert brought.returncode == 0, brought.stderr
    return Workspace(root=root, state=root / ".rung")


def rung(folder: Path, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return python(folder, "-m", "rung.cli", *words, environment=environment)


def python(
    folder: Path, *words: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def service_of(laid: Workspace) -> Path:
    (folder,) = laid.experiments.glob("my_*")
    return folder


def test_service_keeps_its_contract(laid: Workspace):
    checked = rung(laid.root, "check", service_of(laid).name, "--json")
    assert checked.returncode == 0, checked.stdout
    findings = {finding["check"]: finding for finding in json.loads(checked.stdout)}
    assert all(finding["passed"] for finding in findings.values())
    assert findings["questions"]["because"].startswith("7 of 7 questions are answered")
    assert not findings["advice"]["warns"]
    assert not findings["evaluation"]["warns"]


@pytest.mark.long
def test_real_model_passes_its_tests(laid: Workspace):
    name = service_of(laid).name
    model = {"my_housing": "linear", "my_parcels": "boosting", "my_sentiment": "words"}[name]
    trained = rung(laid.root, "train", name, "--set", f"model={model}")
    assert trained.returncode == 0, trained.stderr
    assert "did not pass" not in trained.stdout
    tested = rung(laid.root, "test", name)
    assert tested.returncode == 0, tested.stdout
    assert "failed" not in tested.stdout


def test_sample_trains_to_the_same_bytes(laid: Workspace):
    """Whatever order the interpreter keeps its sets in: it changes with every process."""
    runs = [
        rung(
            laid.root,
            *("train", service_of(laid).name, "--override", "load_data=sample_data", "--no-cache", "--json"),
            environment={"PYTHONHASHSEED": seed},
        )
        for seed in ("0", "1")  # which order two names differently
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    one, other = ({task["name"]: task["digest"] for task in json.loads(run.stdout)["tasks"]} for run in runs)
    assert one == other


def test_notebook_runs(laid: Workspace):
    notebook = service_of(laid) / "notebooks" / "explore.ipynb"
    assert all(cell["outputs"] == [] for cell in cells(notebook))
    ended = python(notebook.parent, "-c", _RUN_NOTEBOOK, notebook)
    assert ended.returncode == 0, ended.stderr


def test_files_are_formatted(laid: Workspace):
    ruff = ("-m", "ruff", "format", "--isolated", "--check", "--diff", "--line-length", str(_LINE_LENGTH))
    formatted = python(laid.root, *ruff, service_of(laid))
    assert formatted.returncode == 0, formatted.stdout


def test_lines_fit_the_screen(laid: Workspace):
    long = [
        f"{path.name}:{number}"
        for path in service_of(laid).rglob("*")
        if path.suffix in {".py", ".txt"}
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > _LINE_LENGTH
    ]
    assert long == []


def test_no_placeholder_is_left(laid: Workspace):
    texts = [path.read_text() for path in service_of(laid).rglob("*") if path.suffix in {".py", ".md", ".ipynb"}]
    assert len(texts) > 15
    assert not any("{{" in text for text in texts)


def test_data_lie_beside_their_licence(laid: Workspace):
    tables = list((laid.root / "data").glob("*.parquet"))
    assert len(tables) == 1
    page = tables[0].with_suffix(".md").read_text()
    assert page.startswith(f"# {tables[0].name}\n")
    assert "**Licence:**" in page


def test_named_tests_exist(laid: Workspace):
    """The specification says which test holds each behaviour."""
    told = {
        word
        for word in (service_of(laid) / "specification.md").read_text().replace("`", " ").split()
        if word.startswith("test_")
    }
    tests = {
        node.name
        for path in (service_of(laid) / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert told
    assert told <= tests


def test_templates_live_side_by_side(tmp_path: Path):
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    for name in templates.names():
        templates.lay_down(name, f"{name}_1", workspace)
        templates.lay_down(name, f"{name}_2", workspace)
    laid = {path.name for path in workspace.experiments.iterdir() if path.is_dir()}
    assert laid == {f"{name}_{number}" for name in templates.names() for number in (1, 2)}


def test_data_of_the_workspace_are_left_alone(tmp_path: Path):
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sentences.parquet").write_text("my own")
    templates.lay_down("sentiment", "reviews", workspace)
    assert (tmp_path / "data" / "sentences.parquet").read_text() == "my own"


def test_unknown_template_names_the_others(tmp_path: Path):
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    with pytest.raises(
        NotFoundError, match="there is no template 'castle': the templates are housing, parcels, sentiment"
    ):
        templates.lay_down("castle", "reviews", workspace)
    assert list(tmp_path.iterdir()) == []


def test_service_is_not_laid_over_another(tmp_path: Path):
    workspace = Workspace(root=tmp_path, state=tmp_path / ".rung")
    templates.lay_down("sentiment", "reviews", workspace)
    with pytest.raises(ConflictError, match="is there already"):
        templates.lay_down("housing", "reviews", workspace)


def test_command_offers_every_template(tmp_path: Path):
    rung(tmp_path, "init", ".")
    help_text = " ".join(rung(tmp_path, "new", "--help").stdout.split())
    refused = rung(tmp_path, "new", "reviews", "--template", "castle")
    assert all(f"{name} ({templates.template(name).summary})" in help_text for name in templates.names())
    assert refused.returncode == 2
    assert all(f"'{name}'" in refused.stderr for name in templates.names())


def cells(notebook: Path) -> list[dict[str, object]]:
    return [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
