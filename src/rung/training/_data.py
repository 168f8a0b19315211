"""What a task reads: files of the workspace and from elsewhere, versions of datasets, each with its content's digest.

A record of it is `{"path", "digest", "size"}`; a dataset's path is `dataset:houses@3`, and it has `dataset`, `version`
and what was asked for (`asked_version`, `asked_as_of`) besides. What was fetched has its URL as path, without
secrets, and `fetched`: where it is kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rung.artifacts import file_digest
from rung.errors import RungError

if TYPE_CHECKING:
    from pathlib import Path

    from rung.data import Dataset
    from rung.workspace import Workspace


def read_file(root: Path, name: str) -> dict[str, Any]:
    """Record that a file of the workspace is read."""
    path = root / name
    return {"path": name, "digest": file_digest(path), "size": path.stat().st_size}


def read_dataset(dataset: Dataset) -> dict[str, Any]:
    """Record that a version of a dataset is read."""
    version, as_of = dataset.version, dataset.asked_as_of
    return {
        "path": f"dataset:{version.ref}",
        "digest": version.digest,
        "size": version.size,
        "dataset": version.dataset,
        "version": version.number,
        "asked_version": dataset.asked_version,
        "asked_as_of": None if as_of is None else as_of.isoformat(),
    }


def digest_now(workspace: Workspace, read: dict[str, Any]) -> str | None:
    """Give the digest of what would be read now; None when there is nothing any more."""
    if "fetched" in read:
        return str(read["digest"])  # it is asked for by this digest, which stands in the code
    if "dataset" not in read:
        path = workspace.root / read["path"]
        return file_digest(path) if path.is_file() else None
    from rung.data import open_catalogue, resolve  # noqa: PLC0415  most trainings read files alone

    as_of = read["asked_as_of"] and datetime.fromisoformat(read["asked_as_of"])
    try:
        return resolve(
            open_catalogue(workspace), read["dataset"], version=read["asked_version"], as_of=as_of or None
        ).digest
    except RungError:
        return None
