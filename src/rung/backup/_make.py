"""Make a backup while everything runs: the registry first, then the lake at one instant, then all that they name."""

from __future__ import annotations

import hashlib
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rung import __version__
from rung.artifacts import stored_digests
from rung.backup import _gather
from rung.backup._datasets import datasets
from rung.backup._manifest import (
    FORMAT,
    REGISTRY,
    SETTINGS,
    File,
    Manifest,
    TableVersion,
    read_manifest,
    write_manifest,
)
from rung.backup._report import Report
from rung.backup._turns import making
from rung.errors import IntegrityError, RungError, UnavailableError
from rung.lake import Lake
from rung.objects import FolderObjects, open_objects
from rung.workspace import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rung.lake import Capture
    from rung.objects import Objects
    from rung.registry import Registry
    from rung.workspace import Workspace


def back_up(workspace: Workspace, registry: Registry, target: Objects, report: Report | None = None) -> Manifest:
    """Copy the state of a workspace; what the target has already is not copied again.

    Until all of it is there, the backup before counts.

    Args:
        workspace: Whose state.
        registry: Its registry.
        target: Where to.
        report: Is told what is being done.

    Raises:
        IntegrityError: The backup is made and whole, but an artifact of a revision is lost or damaged.
        ConflictError: `rung gc` is at work in the target.
        UnavailableError: The target, the storage or the registry does not work; the backup before still counts.
    """
    began, report = time.monotonic(), report or Report()
    if isinstance(target, FolderObjects):
        target.sweep()
    with tempfile.TemporaryDirectory(prefix="rung-backup-") as scratch, making(target):
        backup = _Backup(workspace=workspace, target=target, scratch=Path(scratch), report=report)
        manifest = backup.make(registry)
    report.seconds = time.monotonic() - began
    if report.missing:
        raise IntegrityError(
            f"the backup is made, without what is missing: {'; '.join(report.missing[:3])}",
            hint="`rung doctor` tells more",
        )
    return manifest


@dataclass(slots=True, kw_only=True)
class _Backup:
    workspace: Workspace
    target: Objects
    scratch: Path
    report: Report
    _there: dict[str, int] = field(default_factory=dict)
    """Bytes of each blob in the target."""
    _before: dict[str, File] = field(default_factory=dict)
    """Files of the last backup, by path."""

    def make(self, registry: Registry) -> Manifest:
        made = datetime.now(UTC)
        self._there = {entry.key: entry.size for entry in self.target.entries("blobs")}
        with suppress(RungError):  # none yet, or a damaged one: then everything is read anew
            self._before = {file.path: file for file in read_manifest(self.target).files}
        dump = registry.dump(self.scratch / REGISTRY)
        storage = self.workspace.settings().storage
        lake = Lake(self.workspace.lake(), logs=self.workspace.state / "lake" / "log").capture(self.scratch / "lake")
        of_revisions, of_runs = _gather.named_artifacts(self.scratch / REGISTRY)
        stored = set() if storage is None else self._stored(storage) & of_runs
        items = [*self._items(lake, of_runs - stored)]
        self.report.files = len(items)
        files = [file for item in items if (file := self._keep(item)) is not None]
        self.report.bytes = sum({file.digest: file.size for file in files}.values())
        self._look_for_lost(of_revisions - stored, files)
        manifest = Manifest(
            format=FORMAT,
            made=made,
            rung=__version__,
            registry_schema=dump.schema,
            storage=storage,
            files=files,
            stored=sorted(stored),
            tables={name: TableVersion(id=one.id, version=one.version) for name, one in lake.tables.items()},
            counts=dict(dump.rows),
        )
        write_manifest(self.target, manifest)
        return manifest

    def _stored(self, storage: str) -> set[str]:
        return set(stored_digests(open_objects(storage)))

    def _items(self, lake: Capture, digests: set[str]) -> Iterator[_gather.Item]:
        yield _gather.Item(path=REGISTRY, source=self.scratch / REGISTRY)
        yield _gather.Item(path=SETTINGS, source=self.workspace.root / MARKER)
        known: dict[tuple[int, int], str] = {}
        for item in _gather.artifacts(self.workspace, digests):
            known[_gather.inode(item.source)] = item.digest or ""
            yield item
        yield from _gather.runs(self.workspace, known)
        yield from _gather.revisions(self.workspace)
        yield from _gather.studies(self.workspace)
        yield from _gather.trusted_keys(self.workspace)
        yield from datasets(self.workspace, self.scratch / "datasets")
        for name, path in lake.logs.items():
            yield _gather.Item(path=f"lake/log/{name}", source=path)
        for table in lake.tables.values():
            for name, path in table.files.items():
                yield _gather.Item(path=f"lake/{name}", source=path, is_fixed=True, is_needed=True)

    def _keep(self, item: _gather.Item) -> File | None:
        """See to it that a file is in the target; None when it is gone, which a file may be until it is on record."""
        try:
            known = self._known(item)
            file = known or self._copy(item)
        except FileNotFoundError as error:
            if item.is_needed:
                raise UnavailableError(
                    f"{item.path} was replaced before it could be copied", hint="make the backup again"
                ) from error
            return None
        self.report.one_done()
        return file

    def _known(self, item: _gather.Item) -> File | None:
        """Give a file that never changes, and that the target has, without reading it."""
        before = self._before.get(item.path) if item.is_fixed else None
        if item.digest is not None and before is None:
            before = File(path=item.path, digest=item.digest, size=item.source.stat().st_size)
        if before is None or self._there.get(before.key) != before.size:
            return None
        return before if item.is_folder or item.source.stat().st_size == before.size else None

    def _copy(self, item: _gather.Item) -> File | None:
        path = _gather.steady(item, self.scratch)
        size, digest = path.stat().st_size, _digest_of(path)
        if item.digest is not None and digest != item.digest:
            return None  # damaged: `_look_for_lost` tells when it matters
        file = File(path=item.path, digest=digest, size=size)
        if self._there.get(file.key) != size:
            self.target.upload(file.key, path)
            self._there[file.key] = size
            self.report.copied(size)
        return file

    def _look_for_lost(self, digests: Iterable[str], files: list[File]) -> None:
        kept = {file.digest for file in files}
        self.report.missing += [f"artifact {digest} is missing or damaged" for digest in sorted(set(digests) - kept)]


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
