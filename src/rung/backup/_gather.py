"""What belongs into a backup: named first, copied afterwards.

The registry comes first. Whatever it names was written before it was named, and evidence is never removed: so all of it
is there when the files are copied. What is added meanwhile may be in the backup or not.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.artifacts import LocalStore
from rung.objects import pack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.workspace import Workspace

_SOURCE = "source"
_PASSED_OVER = re.compile(r"\..*|lock|.*\.partial|.*\.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file that belongs into a backup."""

    path: str
    """Below the state folder."""
    source: Path
    digest: str | None = None
    """Where its name tells it."""
    is_fixed: bool = False
    """It is never changed: with the same size it is the same file."""
    is_folder: bool = False
    """It is a folder, to be packed."""
    is_needed: bool = False
    """Without it the rest makes no sense."""


def named_artifacts(dump: Path) -> tuple[set[str], set[str]]:
    """Read which artifacts a registry names: those of revisions, and those of all runs."""
    runs: dict[str, set[str]] = {}
    of_revisions: set[str] = set()
    for table, row in _rows(dump):
        if table == "runs":
            record = json.loads(row["record"])
            tasks = record.get("tasks", [])
            digests = {task["digest"] for task in tasks if task.get("digest")}
            runs[record["id"]] = digests | {kept for task in tasks for kept in task.get("kept", {}).values()}
        elif table == "revisions":
            of_revisions.add(row["run"])
    kept = {digest for run in of_revisions for digest in runs.get(run, ())}
    return kept, {digest for digests in runs.values() for digest in digests}


def artifacts(workspace: Workspace, digests: set[str]) -> Iterator[Item]:
    """Give the artifacts that are on this machine."""
    store = LocalStore(workspace.artifacts)
    for digest in sorted(digests):
        path = store.path(digest)
        if path.is_file():
            yield Item(path=_relative(workspace, path), source=path, digest=digest, is_fixed=True)


def runs(workspace: Workspace, known: dict[tuple[int, int], str]) -> Iterator[Item]:
    """Give the files of runs; artifacts among them are links, known by where they lie on the disk."""
    for path in sorted(workspace.runs.glob("*/*")):
        if path.is_file() and not _PASSED_OVER.fullmatch(path.name):
            digest = known.get(inode(path))
            yield Item(path=_relative(workspace, path), source=path, digest=digest, is_fixed=digest is not None)


def revisions(workspace: Workspace) -> Iterator[Item]:
    """Give the files of revisions; each source snapshot as one. A job that has not ended is begun again elsewhere."""
    for folder in sorted((workspace.state / "revisions").glob("*")):
        name = f"revisions/{folder.name}"
        if (folder / _SOURCE).is_dir():
            yield Item(path=f"{name}/source.tar", source=folder / _SOURCE, is_fixed=True, is_folder=True)
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if not path.is_file() or inside.parts[0] == _SOURCE or any(map(_PASSED_OVER.fullmatch, inside.parts)):
                continue
            if path.name == "job.json" and not path.with_name("exit_code").is_file():
                continue
            yield Item(path=f"{name}/{inside.as_posix()}", source=path)


def studies(workspace: Workspace) -> Iterator[Item]:
    """Give the files of studies; those of a registry in PostgreSQL lie in its database."""
    for path in sorted((workspace.state / "studies").rglob("*")):
        if path.is_file() and not _PASSED_OVER.fullmatch(path.name):
            yield Item(path=_relative(workspace, path), source=path)


def trusted_keys(workspace: Workspace) -> Iterator[Item]:
    """Give the public keys whose signatures count; the private one stays where it is."""
    for path in sorted((workspace.state / "keys" / "trusted").glob("*.pem")):
        yield Item(path=f"keys/trusted/{path.name}", source=path)


def inode(path: Path) -> tuple[int, int]:
    """Tell where a file lies on the disk: links to it say the same. It may be gone by now."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_dev, state.st_ino


def steady(item: Item, scratch: Path) -> Path:
    """Give a file that nobody writes to: a copy of one that may change."""
    if item.is_fixed and not item.is_folder:
        return item.source
    copy = scratch / "item"
    if item.is_folder:
        pack(item.source, copy)
    else:
        shutil.copyfile(item.source, copy)
    return copy


def _relative(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.state).as_posix()


def _rows(dump: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the rows of a dump of a registry."""
    with dump.open("rb") as file:
        columns = {name: told["columns"] for name, told in json.loads(file.readline())["tables"].items()}
        for line in file:
            if line.startswith(b"["):
                table, *values = json.loads(line)
                yield table, dict(zip(columns[table], values, strict=True))
