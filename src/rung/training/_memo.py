"""An unchanged training again, without importing the author's code: libraries take seconds to find out nothing.

After a run, the content of everything that it could depend on is remembered: the files of the workspace whose modules
were loaded, all of the service's package, the data read, the environment. While all of it is the same, so is every key,
and the record can be written anew from the last one. Anything that differs leads to an ordinary run.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rung import __version__, artifacts
from rung.artifacts import file_digest
from rung.closure import process_started
from rung.compute.installed import installed_environment
from rung.errors import RungError
from rung.training import _record
from rung.training._data import digest_now
from rung.training._provenance import SourceQuery, patch, peak_memory_bytes
from rung.training._record import RunRecord, new_run_id, read_run, user_name, utc_now
from rung.training._report import Report
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.workspace import Workspace


def remember(workspace: Workspace, record: RunRecord) -> None:
    """Keep what a successful run depended on; nothing when a file was edited while it ran."""
    files = _package_files(workspace.experiments / record.service) | _loaded_files(workspace.root)
    started = process_started()
    if record.status != "succeeded" or any(file.stat().st_mtime > started for file in files):
        return
    content = {str(path.relative_to(workspace.root)): file_digest(path) for path in sorted(files)}
    path = _path(workspace, record.service, (record.settings, record.overrides), record.environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps({"run": record.id, "files": content}).encode())


def recall(
    workspace: Workspace,
    service: str,
    *,
    settings: Mapping[str, str],
    overrides: Mapping[str, str],
    quiet: bool = False,
) -> RunRecord | None:
    """Record the last run anew when nothing that it depended on has changed; None when something has."""
    started = time.perf_counter()
    installed = installed_environment()
    path = _path(workspace, service, (settings, overrides), installed.digest)
    try:
        kept = json.loads(path.read_bytes())
        files, last = dict(kept["files"]), read_run(workspace.runs / kept["run"])
    except (OSError, ValueError, KeyError, TypeError, RungError):
        return None
    query = SourceQuery(workspace.root)
    same = last.status == "succeeded" and last.rung == __version__ and _unchanged(workspace, service, files, last)
    source = query.answer()
    if not same:
        return None
    record = RunRecord.from_json(
        {
            **last.to_json(),
            "id": new_run_id(service),
            "started": utc_now(),
            "user": user_name(),
            "pid": os.getpid(),
            "commit": source.commit,
            "branch": source.branch,
            "dirty": source.dirty,
            "patch": None,
            "revision": os.environ.get("RUNG_REVISION"),
        }
    )
    folder = workspace.runs / record.id
    folder.mkdir(parents=True)
    (folder / "environment.txt").write_text("\n".join(installed.lines) + "\n")
    with (folder / _record.LOG).open("a", buffering=1, encoding="utf-8", errors="replace") as log:
        report = Report(record, stream=None if quiet else sys.stderr, log=log)
        _keep(workspace, record, report, last=last.id)
        _end(workspace, record, is_snapshot=source.is_snapshot, seconds=time.perf_counter() - started)
        report.end()
    return record


def _keep(workspace: Workspace, record: RunRecord, report: Report, *, last: str) -> None:
    folder = workspace.runs / record.id
    store = artifacts.LocalStore(workspace.artifacts)
    for name, digest in record.artifacts.items():
        store.link(digest, folder / f"{name}.artifact")
    for task in record.tasks:
        if task.state != "cached":
            task.state, task.because, task.seconds = "cached", f"unchanged since run {last}", 0.0
        report.task(task)


def _end(workspace: Workspace, record: RunRecord, *, is_snapshot: bool, seconds: float) -> None:
    folder = workspace.runs / record.id
    if record.dirty and record.commit is not None and not is_snapshot:
        (folder / _record.PATCH).write_bytes(patch(workspace.root))
        record.patch = file_digest(folder / _record.PATCH)
    record.ended, record.seconds = utc_now(), seconds
    record.peak_memory_bytes = peak_memory_bytes()
    record.write(folder, durable=True)


def package_digest(package: Path) -> str:
    """Hash all Python files of a package, names and content."""
    digest = hashlib.sha256()
    for path in sorted(_package_files(package)):
        digest.update(f"{path.relative_to(package)} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def _unchanged(workspace: Workspace, service: str, files: Mapping[str, str], last: RunRecord) -> bool:
    root = workspace.root
    if any(str(path.relative_to(root)) not in files for path in _package_files(workspace.experiments / service)):
        return False
    data = [read for task in last.tasks for read in task.data]
    store = artifacts.LocalStore(workspace.artifacts)
    return (
        all((root / name).is_file() and file_digest(root / name) == digest for name, digest in files.items())
        and all(digest_now(workspace, read) == read["digest"] for read in data)
        and all(store.is_whole(digest) for digest in last.artifacts.values())
    )


def _package_files(package: Path) -> set[Path]:
    return {path for path in package.rglob("*.py") if "__pycache__" not in path.parts} | {
        path for path in (package / "infrastructure" / "requirements.txt",) if path.is_file()
    }


def _loaded_files(root: Path) -> set[Path]:
    """Give the workspace's files among the modules that are loaded."""
    prefix = str(root) + os.sep
    found = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    return {Path(file) for file in found if file.startswith(prefix) and "/site-packages/" not in file}


def _path(
    workspace: Workspace, service: str, given: tuple[Mapping[str, str], Mapping[str, str]], environment: str
) -> Path:
    spelled = json.dumps([service, *(sorted(values.items()) for values in given), environment])
    return workspace.cache / "unchanged" / f"{hashlib.sha256(spelled.encode()).hexdigest()}.json"
