"""The record of a run of a notebook: a `RunRecord` as trainings have it, with one task that is the notebook itself."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rung import __version__, artifacts
from rung.artifacts import file_digest
from rung.compute.installed import installed_environment
from rung.errors import NotFoundError
from rung.notebooks._session import READ, RECORDED, TASK
from rung.training import RunRecord, TaskRecord, read_run
from rung.training._provenance import SourceQuery, patch, peak_memory_bytes
from rung.training._record import LOG, PATCH, new_run_id, user_name, utc_now
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.notebooks._place import Notebook
    from rung.notebooks._source import Source
    from rung.workspace import Workspace

__all__ = ["EXECUTED", "KIND", "LOG", "begin", "cut_off", "finish", "unmark"]

KIND = "notebook"
EXECUTED = "executed.ipynb"
"""In the run's folder while it runs: the notebook with the outputs so far."""


def begin(
    workspace: Workspace, notebook: Notebook, source: Source, *, parameters: Mapping[str, Any], run: str | None = None
) -> RunRecord:
    """Put on record that a notebook begins to run, in the run's folder.

    Args:
        workspace: Where it runs.
        notebook: What is run.
        source: What is written in it.
        parameters: Those that were given.
        run: The id of the run, where somebody has chosen it.

    Raises:
        CallError: A name that is given is no parameter.
    """
    installed, source_of_git = installed_environment(), SourceQuery(workspace.root).answer()
    requirements = workspace.service(notebook.service).requirements
    record = replace(
        _empty(notebook, run or new_run_id(notebook.service)),
        environment=installed.digest,
        requirements=file_digest(requirements) if requirements.is_file() else None,
        hyperparameters=source.set(parameters),
        settings={name: json.dumps(value) for name, value in parameters.items()},
        commit=source_of_git.commit,
        branch=source_of_git.branch,
        dirty=source_of_git.dirty,
    )
    folder = workspace.runs / record.id
    folder.mkdir(parents=True, exist_ok=True)
    record.write(folder)
    (folder / "environment.txt").write_text("\n".join(installed.lines) + "\n")
    if record.dirty and record.commit is not None:
        (folder / PATCH).write_bytes(patch(workspace.root))
        record.patch = file_digest(folder / PATCH)
    return record


def finish(workspace: Workspace, record: RunRecord, source: Source, *, seconds: float, error: str | None) -> None:
    """Complete the record with what the kernel noted and the executed notebook; written durably.

    Args:
        workspace: Where it ran.
        record: The record that `begin` gave.
        source: What is written in the notebook.
        seconds: How long it ran.
        error: Why it failed; None when it did not.

    Raises:
        UnavailableError: The disk does not take it.
    """
    folder, store = workspace.runs / record.id, artifacts.LocalStore(workspace.artifacts)
    data = artifacts.encode((folder / EXECUTED).read_bytes())
    task = TaskRecord(
        name=TASK,
        key=hashlib.sha256(f"{source.digest} {json.dumps(record.hyperparameters)}".encode()).hexdigest(),
        state="ran" if error is None else "failed",
        because="a notebook always runs",
        seconds=seconds,
        digest=store.put(data),
        size=len(data),
        data=_read(folder / READ),
        closure=source.digest,
        error=error,
    )
    for told in _recorded(folder / RECORDED):
        task.kept.pop(told["name"], None)
        record.metrics.pop(told["name"], None)
        if "metric" in told:
            record.metrics[told["name"]] = told["metric"]
        else:
            task.kept[told["name"]] = told["digest"]
    record.tasks = [task]
    for name, digest in record.artifacts.items():
        store.link(digest, folder / f"{name}.artifact")
    record.status, record.exit_code = ("succeeded", 0) if error is None else ("failed", 1)
    record.error, record.ended, record.seconds = error, utc_now(), seconds
    record.peak_memory_bytes = peak_memory_bytes(resource.RUSAGE_CHILDREN)
    record.write(folder, durable=True)
    for name in (EXECUTED, READ, RECORDED):  # what they held is in the record and in the store
        (folder / name).unlink(missing_ok=True)


def unmark(path: Path) -> None:
    """Take out the cells that papermill puts beside one that failed: its number is to be that of the notebook's."""
    notebook = json.loads(path.read_bytes())
    marked = "papermill-error-cell-tag"
    notebook["cells"] = [cell for cell in notebook["cells"] if marked not in cell["metadata"].get("tags", ())]
    write_atomically(path, json.dumps(notebook, indent=1).encode())


def cut_off(workspace: Workspace, notebook: Notebook, run: str, *, because: str) -> RunRecord:
    """Give the record of a run whose process is gone; one that says that it runs, or nothing, has failed.

    Args:
        workspace: Where it ran.
        notebook: What was run.
        run: Its id.
        because: What its process said last.
    """
    folder = workspace.runs / run
    try:
        record = read_run(folder)
    except NotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        record = _empty(notebook, run)
    if record.status == "running":
        record.status, record.error, record.ended = "failed", because, utc_now()
        record.write(folder, durable=True)
    return record


def _empty(notebook: Notebook, run: str) -> RunRecord:
    return RunRecord(
        id=run,
        service=notebook.service,
        kind=KIND,
        source=str(notebook),
        status="running",
        started=utc_now(),
        user=user_name(),
        python=".".join(map(str, sys.version_info[:3])),
        rung=__version__,
        pid=os.getpid(),
    )


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads(path.read_bytes())
    except FileNotFoundError:  # the kernel did not come as far as the end of a cell
        return []
    return found


def _recorded(path: Path) -> list[dict[str, Any]]:
    """Read what was recorded; half a line is one of a kernel that was killed."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines[:-1]]
