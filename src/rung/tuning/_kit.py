"""What trials on a cluster run where a storage carries things to its nodes: source and environment as of a deploy.

Both are made once for each study and kept in its folder: all of its trials run the same, on nodes that see the
workspace's folder and on those that do not.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from rung.artifacts import file_digest
from rung.compute import parcels
from rung.compute.environments import Environments, Lock, resolve
from rung.compute.exchanges import clear, sweep
from rung.compute.protocol import Parcel
from rung.control.deployment.source import check_source, take_snapshot
from rung.control.place import Place
from rung.errors import EnvironmentBuildError, RungError
from rung.objects import open_objects, pack
from rung.training._record import PATCH
from rung.tuning._storage import STUDIES, folder_of
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.objects import Objects
    from rung.training import RunRecord
    from rung.workspace import Workspace

__all__ = ["Kit"]

LOCK: Final = "requirements.lock"
_SOURCE: Final = "source"
_ORIGIN: Final = "source.json"
_LEFT_S: Final = 14 * 86_400.0  # in the storage, of a study that was cut off and did not go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What all trials of a study run."""

    workspace: Workspace
    source: Path  # the snapshot, a workspace of its own
    commit: str
    dirty: bool
    python: Path
    objects: Objects
    parcel: Parcel  # of any trial, without what is its own

    @classmethod
    def make(cls, workspace: Workspace, service: str, study: str, *, is_new: bool) -> Self | None:
        """Make that of a study, or find it again, and put it into the storage; None where there is no storage.

        Args:
            workspace: Where the service is.
            service: What is tuned.
            study: Its name.
            is_new: What lies in its folder is of one that never began.

        Raises:
            WorkspaceError: The workspace is not in git, or its requirements cannot be locked.
            EnvironmentBuildError: The environment cannot be made.
            UnavailableError: The storage does not take it.
        """
        url = workspace.settings().storage
        if url is None:
            return None
        objects, folder = open_objects(url), folder_of(workspace, study)
        with suppress(RungError):  # some other time
            sweep(objects, STUDIES, before=time.time() - _LEFT_S)
        if is_new:
            for name in (_ORIGIN, LOCK):
                (folder / name).unlink(missing_ok=True)
        commit, dirty = _snapshot(workspace, folder)
        if not (folder / LOCK).is_file():
            write_atomically(folder / LOCK, resolve(workspace.service(service).requirements).text.encode())
        place = Place(workspace=workspace)
        environments = Environments(place.environments)
        environment = environments.ensure(Lock(text=(folder / LOCK).read_text(encoding="utf-8")))
        wheel = environments.wheel_of(environment)
        if wheel is None:
            raise EnvironmentBuildError(
                f"the wheel of {environment.folder} is gone", hint="remove that folder, then try again"
            )
        lock, packed = (f"{_key(workspace, folder)}/{name}" for name in (LOCK, f"{_SOURCE}.tar"))
        with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
            archive = Path(scratch) / "source.tar"
            pack(folder / _SOURCE, archive)
            files = {lock: folder / LOCK, packed: archive, _key(workspace, wheel): wheel}
            digests = {key: _put(objects, key, path) for key, path in files.items()}
        parcel = Parcel(
            storage=objects.url,
            state=str(workspace.state),
            sockets=str(place.sockets),
            environment=str(environment.folder),
            lock=lock,
            wheel=_key(workspace, wheel),
            files=digests,
            steps=_key(workspace, workspace.cache / "tasks"),
        )
        return cls(
            workspace=workspace,
            source=folder / _SOURCE,
            commit=commit,
            dirty=dirty,
            python=environment.python,
            objects=objects,
            parcel=parcel,
        )

    @property
    def variables(self) -> dict[str, str]:
        """What a trial is told of its source."""
        return {"PYTHONPATH": str(self.source), "RUNG_COMMIT": self.commit, "RUNG_DIRTY": str(int(self.dirty))}

    def parcel_of(self, run: str, order: Path, steps: Mapping[str, Sequence[str]]) -> Parcel:
        """Give the parcel of a trial; what it is told is in the storage then.

        Args:
            run: Of the trial.
            order: What it is told.
            steps: Of earlier trials, as `share` gave them.

        Raises:
            UnavailableError: The storage does not take it.
        """
        os.utime(self.parcel.environment)  # young again: garbage collection leaves it alone
        key = _key(self.workspace, order)
        files = {**self.parcel.files, key: _put(self.objects, key, order)}
        return replace(self.parcel, files=files, returns=(f"runs/{run}", self.parcel.steps), kept=steps)

    def share(self, record: RunRecord) -> dict[str, list[str]]:
        """Put what a run has cached into the storage, for trials on other nodes.

        Raises:
            UnavailableError: The storage does not take it.
        """
        tasks = self.workspace.cache / "tasks"
        paths = [tasks / f"{task.key}.json" for task in record.tasks]
        return parcels.keep_steps(self.objects, self.workspace.state, [path for path in paths if path.is_file()])

    def take_back(self, listed: str, *, run: str, files: Sequence[Path]) -> None:
        """Bring what a trial left on a node that does not see the folder.

        Args:
            listed: Digest of the list of it.
            run: Of the trial.
            files: Its log and its exit code.

        Raises:
            UnavailableError: The storage does not give it.
            IntegrityError: The storage does not have it, or has something else.
        """
        allowed = (f"runs/{run}", self.parcel.steps, *(_key(self.workspace, path) for path in files))
        parcels.take_back(self.objects, self.workspace.state, listed, allowed=allowed)

    def add_patch(self, record: RunRecord) -> None:
        """Keep with a run how its source differs from its commit."""
        target = self.workspace.runs / record.id / PATCH
        if self.dirty and record.patch is None and target.parent.is_dir():
            shutil.copyfile(self.source.with_name(PATCH), target)
            record.patch = file_digest(target)
            record.write(target.parent, durable=True)

    def close(self, study: str) -> None:
        """Take away what is of a study in the storage: no trial needs it any more."""
        with suppress(RungError):  # a later study sweeps it
            clear(self.objects, _key(self.workspace, folder_of(self.workspace, study)))


def _snapshot(workspace: Workspace, folder: Path) -> tuple[str, bool]:
    """Copy the source as it is now, unless an earlier call did; tell of which commit, and whether it differs."""
    told = folder / _ORIGIN
    if not told.is_file():
        shutil.rmtree(folder / _SOURCE, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        source = check_source(workspace.root, allow_dirty=True)
        take_snapshot(workspace.root, folder / _SOURCE, source)
        write_atomically(told, json.dumps({"commit": source.commit or "", "dirty": source.dirty}).encode())
    found = json.loads(told.read_bytes())
    return str(found["commit"]), bool(found["dirty"])


def _put(objects: Objects, key: str, path: Path) -> str:
    objects.upload(key, path)
    return file_digest(path)


def _key(workspace: Workspace, path: Path) -> str:
    """Name a path in the storage: as it is below the platform's folder."""
    return path.relative_to(workspace.state).as_posix()
