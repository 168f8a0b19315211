"""Gathers what a review compares: the service in the base and in the working tree, and trainings of both."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.errors import TaskError, WorkspaceError
from rung.registry import known_registry
from rung.reviews._compare import compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.registry import Registry
    from rung.reviews._compare import Review
    from rung.workspace import Workspace

_WITHIN_S = 300.0  # importing an author's libraries may take long on a busy machine
_RUNS = 200  # newest ones that are looked at


def gather(workspace: Workspace, service: str, *, base: str) -> Review:
    """Compare the working tree with where it branched off from the base.

    Args:
        workspace: With the working tree.
        service: Its name.
        base: A branch or commit.

    Raises:
        NotFoundError: The working tree has no such service.
        WorkspaceError: git knows no such base.
        TaskError: The service cannot be imported, here or there.
    """
    workspace.service(service)
    commit = git(workspace.root, "merge-base", base, "HEAD").decode().strip()
    before, after = _base(workspace, commit, service), describe(workspace.root, service)
    with known_registry(workspace.state, workspace.registry_url()) as registry:
        major = after["contract"]["major"]
        runs = (None, None) if registry is None else _runs(registry, service, commit=commit, major=major)
    return compare(service, before, after, base=base, runs=runs)


def _base(workspace: Workspace, commit: str, service: str) -> dict[str, Any] | None:
    """Describe the service as a commit has it; None where it has none."""
    if not git(workspace.root, "ls-tree", commit, "--", f"experiments/{service}/schema"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        extract(workspace.root, commit, Path(folder))
        return describe(Path(folder), service)


def extract(root: Path, commit: str, folder: Path) -> None:
    """Lay down the files of a commit.

    Raises:
        WorkspaceError: git knows no such commit.
    """
    archive = git(root, "archive", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def describe(root: Path, service: str) -> dict[str, Any]:
    """Give a service as the code in a folder declares it, read in a process of its own.

    Raises:
        TaskError: It cannot be imported.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHONPATH")}
    ended = subprocess.run(
        [sys.executable, "-m", "rung.reviews.side", "--service", service],
        cwd=root,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_WITHIN_S,
    )
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines()
        raise TaskError(
            f"{service} cannot be read: {said[-1] if said else 'it wrote nothing'}", hint="rung check tells more"
        )
    described: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return described


def _runs(
    registry: Registry, service: str, *, commit: str, major: int
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Choose the trainings to compare: the newest, and one of the base like it; else that of the incumbent."""
    known = [run for run in registry.runs(service, kind="training", limit=_RUNS) if run["status"] == "succeeded"]
    mine = (run for run in known if run["revision"] is None and (run["dirty"] or run["commit"] != commit))
    after = next(mine, None)
    if after is None:
        return None, None
    same = ("overrides", "settings")
    before = next(
        (
            run
            for run in known
            if run["commit"] == commit and not run["dirty"] and all(run[name] == after[name] for name in same)
        ),
        None,
    )
    incumbent = registry.incumbent(service, major)
    if before is None and incumbent is not None:
        before = next((run for run in known if run["revision"] == str(incumbent)), None)
    return before, after


def git(root: Path, *words: str) -> bytes:
    """Ask git.

    Raises:
        WorkspaceError: It failed.
    """
    ended = subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    if ended.returncode != 0:
        raise WorkspaceError(
            f"git {words[0]} failed: {ended.stderr.decode(errors='replace').strip()}",
            hint="was the base fetched, with all of its history (fetch-depth: 0)?",
        )
    return ended.stdout
