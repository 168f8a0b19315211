"""Bring a workspace's state back: into a folder beside it first, which takes its place when everything is there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from typing import TYPE_CHECKING

from rung.artifacts import stored_digests, verify
from rung.backup._manifest import REGISTRY, SETTINGS, File, Manifest, read_manifest
from rung.backup._report import Report
from rung.errors import ConflictError, IntegrityError, WorkspaceError
from rung.objects import open_objects, unpack
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from rung.objects import Objects
    from rung.registry import Registry
    from rung.settings import Settings
    from rung.workspace import Workspace

_PACKED = "source.tar"
_READ_ONLY = 0o444


def restore(workspace: Workspace, source: Objects, report: Report | None = None) -> Manifest:
    """Fill the empty state of a workspace from a backup; killed on the way, it changes nothing.

    Raises:
        ConflictError: There is a state already.
        NotFoundError: There is no backup.
        IntegrityError: The backup is damaged; the file is named.
        WorkspaceError: A newer Rung made it, or the settings do not fit it.
        UnavailableError: The backup, the storage or the database does not answer.
    """
    began, report = time.monotonic(), report or Report()
    _require_empty(workspace.state)
    manifest, settings = read_manifest(source), workspace.settings()
    _require_storage(manifest, settings)
    report.files, report.bytes = len(manifest.files), manifest.size
    workspace.state.parent.mkdir(parents=True, exist_ok=True)
    for left in workspace.state.parent.glob(f".{workspace.state.name}.restoring-*"):
        shutil.rmtree(left)  # by a restoration that was killed
    folder = tempfile.mkdtemp(prefix=f".{workspace.state.name}.restoring-", dir=workspace.state.parent)
    staged = workspace.state.parent / folder
    try:
        _bring(manifest.files, source, staged, report)
        fill_registry(staged, settings.registry)
        os.sync()
        staged.chmod(0o755)
        staged.rename(workspace.state)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    report.seconds = time.monotonic() - began
    return manifest


def differs(workspace: Workspace, manifest: Manifest) -> bool:
    """Say whether `rung.toml` is another one than in the backup: that of the workspace stays."""
    kept = next(file for file in manifest.files if file.path == SETTINGS)
    try:
        verify(workspace.root / SETTINGS, kept.digest)
    except IntegrityError:
        return True
    return False


def _require_empty(state: Path) -> None:
    if state.exists() and any(state.iterdir()):
        raise ConflictError(
            f"{state} is not empty: a restoration would mix two states",
            hint="`rung down`, then move that folder away, or set RUNG_STATE to another one",
        )


def _require_storage(manifest: Manifest, settings: Settings) -> None:
    """See that what the backup left in the storage is there."""
    if manifest.storage is None:
        if settings.storage is not None:
            raise WorkspaceError(
                "the backup holds its artifacts and tables itself, and storage is set",
                hint="take storage out of rung.toml and restore",
            )
        return
    if settings.storage is None:
        raise WorkspaceError(
            f"the backup's artifacts and tables are in {manifest.storage}", hint="set storage in rung.toml to it"
        )
    lost = sorted(set(manifest.stored) - set(stored_digests(open_objects(settings.storage))))
    if lost:
        raise IntegrityError(f"{settings.storage} lacks {len(lost):,} artifacts of the backup, as {lost[0]}")


def _bring(files: Iterable[File], source: Objects, staged: Path, report: Report) -> None:
    """Bring every file, each of its digest; what the store of artifacts has is linked from there."""
    first: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: (not file.path.startswith("artifacts/"), file.path)):
        target = staged / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        is_artifact = file.path.startswith("artifacts/") or file.path.endswith(".artifact")
        if is_artifact and file.digest in first:
            os.link(first[file.digest], target)
        else:
            _bring_one(file, source, target)
            report.copied(file.size)
        if is_artifact:
            first.setdefault(file.digest, target)
            target.chmod(_READ_ONLY)
        if target.name == _PACKED and file.path.startswith("revisions/"):
            unpack(target, target.with_suffix(""))
            target.unlink()
        report.one_done()


def _bring_one(file: File, source: Objects, target: Path) -> None:
    if not source.download(file.key, target):
        raise IntegrityError(f"{source.url} lacks {file.path} ({file.key})", hint="take another backup")
    verify(target, file.digest, name=f"{file.path} ({source.url}/{file.key})")


def fill_registry(staged: Path, url: str | None) -> None:
    """Fill the registry; the processes on record are those of another time or machine.

    A database that a restoration filled before it was killed is taken as it is.

    Args:
        staged: Where the dump is, and a registry that is a file comes to be.
        url: Of a PostgreSQL database.

    Raises:
        ConflictError: The registry holds something else.
    """
    dump = staged / REGISTRY
    with open_registry(staged, url) as registry:
        try:
            registry.load(dump)
        except ConflictError:
            if not _holds(registry, dump):
                raise
        for name in registry.processes():
            registry.forget_process(name)
    dump.unlink()
    (staged / SETTINGS).unlink(missing_ok=True)


def _holds(registry: Registry, dump: Path) -> bool:
    """Say whether a registry has the rows of a dump."""
    now = dump.with_name(f"{REGISTRY}.now")
    registry.dump(now)
    same = _rows(now) == _rows(dump)
    now.unlink()
    return same


def _rows(dump: Path) -> list[bytes]:
    """Read the rows that are the same on every machine."""
    with dump.open("rb") as file:
        return [line for line in file if line.startswith(b"[") and not line.startswith(b'["processes"')]
