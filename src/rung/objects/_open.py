"""How a place for objects is opened. Called by artifacts, lake, control and backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rung.objects._folder import FolderObjects

if TYPE_CHECKING:
    from rung.objects._objects import Objects


def open_objects(place: str | Path) -> Objects:
    """Open a folder, or `s3://bucket/prefix`; nothing is asked of it yet.

    Raises:
        WorkspaceError: The extra `rung[s3]` is not installed, or the environment asks for what is not safe.
    """
    if str(place).startswith("s3://"):
        from rung.objects._s3 import S3Objects  # noqa: PLC0415  optional: the extra s3

        return S3Objects(str(place))
    return FolderObjects(Path(place))
