"""The datasets, each of one moment: its writers wait while its small files are copied. Data files never change."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from rung.backup._gather import Item
from rung.data import open_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.workspace import Workspace

_FOLDER: Final = "lake/datasets"
_LOG: Final = "_delta_log"
_OWN: Final = "_catalogue"


def datasets(workspace: Workspace, scratch: Path) -> Iterator[Item]:
    """Give the files of all datasets that lie on this machine; those in a storage stay there.

    Args:
        workspace: Whose datasets.
        scratch: A folder for copies of what changes.
    """
    if workspace.settings().storage is not None:
        return
    root, catalogue = workspace.state / _FOLDER, open_catalogue(workspace)
    for entry in sorted((root / _OWN).glob("[!.]*.json")):
        yield Item(path=f"{_FOLDER}/{_OWN}/{entry.name}", source=entry)
    for folder in sorted(root.glob("[!_.]*/")):
        with catalogue.still(folder.name):
            yield from _files(root, folder, scratch)


def _files(root: Path, folder: Path, scratch: Path) -> Iterator[Item]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(root)
        if not path.is_file() or any(part.startswith(".") for part in inside.parts):
            continue
        is_fixed = path.suffix == ".parquet" and path.parent.name != _LOG
        source = path
        if not is_fixed:
            source = scratch / inside
            source.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, source)
        yield Item(path=f"{_FOLDER}/{inside.as_posix()}", source=source, is_fixed=is_fixed)
