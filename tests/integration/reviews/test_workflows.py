"""What `rung init --ci` writes: as the forges' schemas want it, pinned, with few permissions; and its steps run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from docs_pages import blocks
from notebook_cells import percent

from rung import templates
from rung.training import list_runs

SCHEMAS = Path(__file__).parents[2] / "support" / "workflows"
GIT = ("git", "-c", "user.name=tester", "-c", "user.email=tester@example.org")


def workflow(ci: str) -> dict[Any, Any]:
    return yaml.safe_load(templates.workflow(ci))


def steps(job: str) -> dict[str, str]:
    """Give the commands of a job of GitHub's, by their names."""
    return {step["name"]: step["run"] for step in workflow("github")["jobs"][job]["steps"] if "run" in step}


@pytest.mark.parametrize(("ci", "schema"), [("github", "github-workflows.json"), ("gitlab", "gitlab-ci.json")])
def test_workflow_is_as_its_schema_wants_it(ci: str, schema: str):
    found = workflow(ci)
    spelled = {"on" if key is True else key: value for key, value in found.items()}  # YAML 1.1 reads `on` as a truth
    validator = jsonschema_rs.validator_for(json.loads((SCHEMAS / schema).read_text()))
    assert [error.message for error in validator.iter_errors(spelled)] == []


def test_actions_are_pinned_to_commits():
    used = re.findall(r"uses: (\S+)(.*)", templates.workflow("github"))
    assert len(used) >= 5
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action, _ in used)
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", said) for _, said in used)


def test_permissions_are_the_least():
    found = workflow("github")
    jobs = {name: job.get("permissions") for name, job in found["jobs"].items()}
    assert found["permissions"] == {"contents": "read"}
    assert jobs == {"services": None, "review": {"contents": "read", "pull-requests": "write"}, "deploy": None}


def test_what_others_write_never_becomes_a_command():
    """A branch may be named like a command: expressions are handed over as variables."""
    commands = [step for job in workflow("github")["jobs"] for step in steps(job).values()]
    assert not [command for command in commands if "${{" in command]


@pytest.fixture(scope="module")
def change(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a service on its main branch, a document merged for the next revision, and a branch with it."""
    root = tmp_path_factory.mktemp("ci") / "shop"
    rung(root.parent, "init", str(root), "--ci", "github")
    rung(root, "new", "housing")
    commit(root, "Begin housing")
    document = root / "experiments/housing/experiments/v1.m1.md"
    plan = document.read_text()
    document.unlink()
    commit(root, "Begin housing")
    document.write_text(plan)
    commit(root, "Plan housing.v1.m1")
    run(root, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
    run(root, "git", "switch", "--quiet", "--create", "linear")
    main = root / "experiments/housing/train/main.py"
    main.write_text(main.read_text().replace('] = "benchmark"', '] = "linear"'))
    commit(root, "Value houses by a linear model")
    return root


def rung(folder: Path, *words: str) -> None:
    run(folder, sys.executable, "-m", "rung.cli", *words)


def run(folder: Path, *words: str) -> None:
    ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"


def commit(root: Path, message: str) -> None:
    run(root, *GIT, "add", "--all")
    run(root, *GIT, "commit", "--quiet", "--message", message)


def bash(root: Path, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(root.parent), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    bash = shutil.which("bash") or "bash"
    return subprocess.run(
        [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def test_steps_of_a_review_run(change: Path, tmp_path: Path):
    output, summary = tmp_path / "output", tmp_path / "summary"
    named = bash(change, steps("services")["Name the services"], GITHUB_OUTPUT=str(output))
    assert (named.returncode, output.read_text()) == (0, 'names=["housing"]\n'), named.stderr
    variables = {
        "SERVICE": "housing",
        "BASE": "origin/main",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_WORKSPACE": str(change),
        "GITHUB_STEP_SUMMARY": str(summary),
        "POST": "",
    }
    told = {}
    for name, command in steps("review").items():
        if name != "Install":  # it needs a package index
            ended = bash(change, command, **variables)
            assert ended.returncode == 0, f"{name}: {ended.stdout}{ended.stderr}"
            told[name] = ended.stdout
    assert "v1.m1.md was merged into origin/main before the code of housing.v1.m1" in told["Check"]
    review = summary.read_text()
    assert review == told["Review"]
    assert "| hyperparameters | `model` | `benchmark` | `linear` |" in review
    assert re.search(r"\| `within_10_percent` \| 0\.\d+ \| 0\.\d+ \| \+0\.\d+ \|", review)
    assert "on small data, against housing-" in review


@pytest.fixture(scope="module")
def from_notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose service began as the notebook of the documentation."""
    root = tmp_path_factory.mktemp("notebook") / "shop"
    rung(root.parent, "init", str(root), "--ci", "github")
    (cells,) = [block for block in blocks("python") if block.note == "file work/explore.ipynb"]
    sales = files("rung.templates") / "data" / "houses.parquet"
    for name, data in {"work/explore.ipynb": percent(cells.text), "data/houses.parquet": sales.read_bytes()}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
    rung(root, "new", "passersby", "--from-notebook", "work/explore.ipynb")
    commit(root, "Begin passersby")
    run(root, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
    main = root / "experiments/passersby/train/main.py"
    main.write_text(main.read_text().replace("rate: float = 0.1", "rate: float = 0.3"))
    commit(root, "Learn faster")
    return root


@pytest.mark.long
def test_steps_run_for_a_service_from_a_notebook(from_notebook: Path, tmp_path: Path):
    overrides = trained(from_notebook, tmp_path)
    assert overrides == [{"load_data": "sample_data"}] * 2  # before and after
    review = (tmp_path / "summary").read_text()
    assert "| hyperparameters | `rate` | `0.1` | `0.3` |" in review
    assert "on small data, against passersby-" in review


@pytest.mark.long
def test_a_service_without_little_data_is_trained_on_all(from_notebook: Path, tmp_path: Path):
    main = from_notebook / "experiments/passersby/train/main.py"
    whole = main.read_text()
    main.write_text(re.sub(r"def sample_data.*?(?=def evaluate)", "", whole, flags=re.DOTALL).replace(", sampled", ""))
    assert "sample" not in main.read_text()
    overrides = trained(from_notebook, tmp_path)
    assert overrides[:2] == [{}, {"load_data": "sample_data"}]


def trained(root: Path, folder: Path) -> list[dict[str, str]]:
    """Take the steps of a review that train; give what stood in for tasks in each run, the newest first."""
    variables = {
        "SERVICE": "passersby",
        "BASE": "origin/main",
        "RUNNER_TEMP": str(folder),
        "GITHUB_WORKSPACE": str(root),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "POST": "",
    }
    for name in ("Test training and serving code", "Train on little data, before and after", "Review"):
        ended = bash(root, steps("review")[name], **variables)
        assert ended.returncode == 0, f"{name}: {ended.stdout}{ended.stderr}"
    return [run.overrides for run in list_runs(root / ".rung" / "runs")]


def test_code_without_a_merged_document_fails_the_check(change: Path):
    ended = bash(change, steps("review")["Check"], SERVICE="housing", BASE="origin/main~1")
    assert ended.returncode == 1
    assert "beside its document: merge v1.m1.md by itself first" in ended.stdout


def test_only_changed_code_is_deployed(change: Path, tmp_path: Path):
    """A stand-in for `rung` tells what it is asked: there is no platform here."""
    told = tmp_path / "rung"
    told.write_text('#!/bin/sh\necho "asked: $*"\n')
    told.chmod(0o755)
    command = f'PATH="{tmp_path}:$PATH"\n{steps("deploy")["Deploy what was merged"]}'
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=change, capture_output=True, text=True, check=True
    ).stdout.strip()
    same = bash(change, command, SERVICE="housing", BEFORE=head, GITHUB_SHA=head)
    changed = bash(change, command, SERVICE="housing", BEFORE=f"{head}~1", GITHUB_SHA=head)
    new = bash(change, command, SERVICE="housing", BEFORE="0" * 40, GITHUB_SHA=head)
    assert same.stdout == "the code of housing has not changed\n"
    assert changed.stdout == new.stdout == f"asked: deploy training housing --commit {head}\n"


def test_script_of_gitlab_is_a_script():
    for job in ("review", "deploy"):
        (script,) = workflow("gitlab")[job]["script"]
        ended = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
