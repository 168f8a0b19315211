"""`rung reproduce`: a run again, from its commit, patch, data, settings and environment, with nothing from the cache.

Whoever has the repository and the registry can do it: what is not on this machine comes from the storage, and an
environment that has changed since is built again. Outputs are compared by digest, task by task. Called by the CLI.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.artifacts import file_digest
from rung.compute.environments import Environments, Lock, resolve
from rung.compute.installed import installed_environment
from rung.compute.threads import thread_limits
from rung.control.servers import author_environment
from rung.data import open_catalogue
from rung.errors import ConflictError, EnvironmentBuildError, NotFoundError, TaskError, WorkspaceError
from rung.registry import open_registry
from rung.training import RunRecord, read_run
from rung.training import _stored as stored
from rung.training._kept import bring_run, kept_in
from rung.workspace import MARKER, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Reproduction", "reproduce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """How a repeated run compares."""

    run: str
    task: str
    """The first task whose output differs; empty when all are the same."""
    because: str

    @property
    def is_identical(self) -> bool:
        """Every output has the same digest."""
        return not self.task


def reproduce(workspace: Workspace, run: str, *, report: Callable[[str], None] | None = None) -> Reproduction:
    """Run a training again and compare.

    Args:
        workspace: Where the run was made.
        run: Its id, or the name of a revision.
        report: Is told what happens, one line at a time.

    Raises:
        NotFoundError: There is no such run, or its commit is gone.
        ConflictError: Its source, data or environment cannot be had any more; the message says which.
        UnavailableError: The storage does not answer.
        TaskError: It fails this time.
    """
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        record = RunRecord.from_json(registry.run(run))
    if record.kind not in {"training", "trial"}:
        raise ConflictError(
            f"run {record.id} is one of the kind {record.kind}, not of a training",
            hint="`rung notebook run` runs a notebook again",
        )
    tell = report or (lambda _: None)
    _bring(workspace, record, tell)
    with tempfile.TemporaryDirectory(prefix="rung-reproduce-") as folder:
        source = Path(folder) / "source"
        tell(f"source of commit {record.commit}")
        _restore_source(workspace, record, source)
        (source / MARKER).write_text("")  # no registry and no storage: this run is nobody's record
        _restore_data(workspace, record, source)
        python = _python(workspace, record, tell)
        tell(f"running {record.service} again, without the cache")
        again = _run(workspace, record, source, python)
    return _compare(record, again)


def _bring(workspace: Workspace, record: RunRecord, tell: Callable[[str], None]) -> None:
    """Bring what is told of a run that was made on another machine, where there is a storage."""
    folder = workspace.runs / record.id if record.revision is None else stored.folder_of(workspace, record.revision)
    objects = None if folder.is_dir() else kept_in(workspace)
    if objects is None:
        return
    tell(f"what {objects.url} has of {record.id}")
    if record.revision is None:
        bring_run(objects, workspace, record.id)
    else:
        stored.bring_code(objects, workspace, record.revision)


def _restore_source(workspace: Workspace, record: RunRecord, target: Path) -> None:
    snapshot = workspace.state / "revisions" / str(record.revision) / "source"
    if record.revision is not None and snapshot.is_dir():
        shutil.copytree(snapshot, target)
        return
    if record.commit is None:
        raise ConflictError(
            f"run {record.id} was made without git, so its code is not known", hint="commit before runs"
        )
    clone = ["git", "clone", "--quiet", "--no-checkout", str(workspace.root), str(target)]
    subprocess.run(clone, check=True, capture_output=True)
    checkout = subprocess.run(
        ["git", "checkout", "--quiet", record.commit], cwd=target, check=False, capture_output=True, text=True
    )
    if checkout.returncode != 0:
        raise NotFoundError(
            f"commit {record.commit} is gone: {checkout.stderr.strip()}", hint="fetch it into this clone"
        )
    if record.dirty:
        _restore_patch(workspace, record, target)


def _restore_patch(workspace: Workspace, record: RunRecord, target: Path) -> None:
    patch = workspace.runs / record.id / "diff.patch"
    if record.patch is None or not patch.is_file():
        raise ConflictError(f"the difference of run {record.id} to its commit was not kept", hint="commit before runs")
    untracked = [line for line in patch.read_bytes().splitlines() if line.startswith(b"# untracked: ")]
    apply = ["git", "apply", "--allow-empty", str(patch)]
    applied = subprocess.run(apply, cwd=target, check=False, capture_output=True, text=True)
    if applied.returncode != 0:
        raise ConflictError(f"the difference of run {record.id} does not apply: {applied.stderr.strip()}")
    python = [line.decode().removeprefix("# untracked: ") for line in untracked if line.endswith(b".py")]
    if python:
        raise ConflictError(
            f"run {record.id} used code that was never committed: {', '.join(python)}", hint="commit before runs"
        )


def _restore_data(workspace: Workspace, record: RunRecord, target: Path) -> None:
    """See that everything that was read is there with the content of then."""
    for task in record.tasks:
        for read in task.data:
            if "dataset" in read:
                _check_version(workspace, record, read)
                continue
            if "fetched" in read:
                _hand_over(workspace, read["fetched"], target)
                continue
            path, here = target / read["path"], workspace.root / read["path"]
            if not path.is_file() and here.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here, path)
            if not path.is_file() or file_digest(path) != read["digest"]:
                raise ConflictError(
                    f"{read['path']} is not what {task.name} read in run {record.id}", hint="bring that version back"
                )


def _hand_over(workspace: Workspace, kept: str, target: Path) -> None:
    """Give the repeated run a file from elsewhere that is kept here; what is not, it fetches again."""
    here, there = workspace.fetched / kept, Workspace(root=target, state=_state(target)).fetched / kept
    if here.is_file():
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(here, there)


def _state(source: Path) -> Path:
    """Name the state folder of the repeated run."""
    return source.with_name("state")


def _check_version(workspace: Workspace, record: RunRecord, read: dict[str, Any]) -> None:
    version = open_catalogue(workspace).version(read["dataset"], read["version"])
    if version.digest != read["digest"]:
        raise ConflictError(
            f"{version.ref} is not what run {record.id} read: it is {version.digest}, and was {read['digest']}",
            hint="bring that version back from a backup",
        )


def _pins(record: RunRecord) -> str:
    """Spell the versions that the run read, for those that were asked for as the newest."""
    read = {one["path"].removeprefix("dataset:") for task in record.tasks for one in task.data if "dataset" in one}
    return ",".join(sorted(read))


def _python(workspace: Workspace, record: RunRecord, tell: Callable[[str], None]) -> Path:
    """Find the interpreter whose environment is that of the run."""
    lock = workspace.state / "revisions" / str(record.revision) / "requirements.lock"
    if record.revision is not None and lock.is_file():
        tell(f"environment of {record.revision}")
        return Environments(workspace.state / "environments").ensure(Lock(text=lock.read_text())).python
    now = installed_environment()
    if now.digest == record.environment:
        return Path(sys.executable)
    study = str(record.source).partition("#")[0]
    lock = workspace.state / "studies" / study / "requirements.lock"
    if record.kind == "trial" and lock.is_file():
        tell(f"environment of the study {study}")
        return Environments(workspace.state / "environments").ensure(Lock(text=lock.read_text())).python
    kept = workspace.runs / record.id / "environment.txt"
    if not kept.is_file():
        raise ConflictError(f"the environment of run {record.id} is not known", hint="only a revision keeps a lock")
    then = kept.read_text().splitlines()
    tell(f"environment of then, of which {len(set(then) ^ set(now.lines))} lines differ from this one")
    try:
        return _build(workspace, then)
    except (EnvironmentBuildError, WorkspaceError) as error:
        raise ConflictError(
            f"the environment of run {record.id} cannot be built again: {error.message}",
            hint=f"install what {kept} lists, then try again",
        ) from error


def _build(workspace: Workspace, lines: Sequence[str]) -> Path:
    """Build an environment from what was installed in another; Rung itself is the present one."""
    versions = [line.split()[-1] for line in lines if line.startswith("python ")]
    pins = [line for line in lines if "==" in line and not line.startswith("rung==")]
    with tempfile.TemporaryDirectory(prefix="rung-lock-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("\n".join(pins))
        lock = resolve(requirements, python=".".join(versions[0].split(".")[:2]))
    return Environments(workspace.state / "environments").ensure(lock).python


def _run(workspace: Workspace, record: RunRecord, source: Path, python: Path) -> RunRecord:
    arguments = [f"--set={name}={value}" for name, value in record.settings.items()]
    arguments += [f"--override={name}={value}" for name, value in record.overrides.items()]
    state = _state(source)
    environment = {
        **author_environment(workspace, record.service),
        **(thread_limits(2) if record.revision else {}),
        "PYTHONPATH": str(source),
        "RUNG_STATE": str(state),
        "RUNG_DATASETS": open_catalogue(workspace).root,
        "RUNG_PINS": _pins(record),
        "RUNG_RUN": record.id,
        "RUNG_COMMIT": record.commit or "",
    }
    command = [str(python), "-m", "rung.cli", "train", record.service, "--no-cache", *arguments]
    ended = subprocess.run(command, cwd=source, env=environment, check=False, capture_output=True, text=True)
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines()
        raise TaskError(f"run {record.id} fails this time: {lines[-1] if lines else 'it said nothing'}")
    return read_run(state / "runs" / record.id)


def _compare(then: RunRecord, now: RunRecord) -> Reproduction:
    outputs = {task.name: task for task in now.tasks}
    for task in then.tasks:
        again = outputs.get(task.name)
        if again is None:
            return Reproduction(run=then.id, task=task.name, because="it did not run this time")
        if again.digest != task.digest:
            told = f"its output is {again.digest}, and was {task.digest}"
            return Reproduction(run=then.id, task=task.name, because=told)
        if again.kept != task.kept:
            return Reproduction(run=then.id, task=task.name, because="what it kept beside its output differs")
    told = f"all {len(then.tasks)} outputs of {then.id} have the same digests"
    return Reproduction(run=then.id, task="", because=told)
