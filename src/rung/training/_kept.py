"""Runs in the storage that `rung.toml` names: their artifacts and records are there before a run is on record.

Called by `rung train`, and by the control plane for deployed trainings: these run in environments without the extra
`s3` and without credentials.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore
from rung.training import _record
from rung.workspace import MARKER

if TYPE_CHECKING:
    from rung.objects import Objects
    from rung.training._record import RunRecord
    from rung.workspace import Workspace

_FILES = ("environment.txt", _record.LOG, _record.PATCH, _record.RECORD)
"""Of a run's folder, beside its artifacts; the record is last: where it is, the rest is."""


def require(workspace: Workspace) -> None:
    """Refuse to begin a training whose outputs could not be kept at its end.

    Raises:
        WorkspaceError: The storage lacks something, or refuses.
        UnavailableError: It does not answer.
    """
    objects = kept_in(workspace)
    if objects is not None:
        from rung.objects import probe  # noqa: PLC0415  most trainings have no storage

        probe(objects)


def keep(workspace: Workspace, record: RunRecord) -> None:
    """Put a run into the storage, where there is one; the control plane does it for a deployed one.

    Raises:
        UnavailableError: The storage does not answer. The run stays here, and can be kept later.
    """
    objects = kept_in(workspace) if record.revision is None else None
    if objects is not None:
        keep_run(objects, workspace, record)


def keep_run(objects: Objects, workspace: Workspace, record: RunRecord) -> None:
    """Put a run into an object store: artifacts, then what is told of them. Doing it again changes nothing.

    Raises:
        IntegrityError: An artifact is missing here, or not what the run wrote.
        UnavailableError: The object store does not take it.
    """
    from rung.artifacts import WriteThroughStore  # noqa: PLC0415  as above

    WriteThroughStore(LocalStore(workspace.artifacts), objects).upload_all(record.artifacts.values())
    folder = workspace.runs / record.id
    for name in _FILES:
        if (folder / name).is_file():
            objects.upload(f"runs/{record.id}/{name}", folder / name)


def bring_run(objects: Objects, workspace: Workspace, run: str) -> bool:
    """Bring the files of a run back from an object store; False when it is not there."""
    if objects.size(f"runs/{run}/{_record.RECORD}") is None:
        return False
    for name in _FILES:
        objects.download(f"runs/{run}/{name}", workspace.runs / run / name)
    return True


def kept_in(workspace: Workspace) -> Objects | None:
    """Open the storage that the settings name; None where they name none."""
    if not os.environ.get("RUNG_STORAGE") and b"storage" not in (workspace.root / MARKER).read_bytes():
        return None  # without its settings being read, which takes longer than an unchanged training
    from rung.objects import open_objects  # noqa: PLC0415  as above

    storage = workspace.settings().storage
    return None if storage is None else open_objects(storage)
