"""What a backup target holds that its last whole backup does not need: files of earlier ones, and of killed ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rung.backup._manifest import read_manifest
from rung.backup._turns import sweeping
from rung.objects import FolderObjects

if TYPE_CHECKING:
    from rung.objects import Entry, Objects

_YOUNG_S = 86_400.0
_AGAIN_S = 60.0


def unneeded(target: Objects) -> list[Entry]:
    """List the files that the last whole backup does not name, and that are older than a day.

    Raises:
        NotFoundError: There is no whole backup: nothing tells what is needed.
        IntegrityError: It is damaged.
        UnavailableError: The target does not answer.
    """
    entries = list(target.entries("blobs"))  # before the backup is read: what comes later is not in it
    needed = {file.key for file in read_manifest(target).files}
    return [entry for entry in entries if entry.key not in needed and time.time() - entry.modified > _YOUNG_S]


def sweep(target: Objects) -> list[Entry]:
    """Remove what `unneeded` lists; give what was removed.

    Raises:
        ConflictError: A backup is being made there.
        NotFoundError: As `unneeded`, and so the others.
    """
    if isinstance(target, FolderObjects):
        target.sweep()
    with sweeping(target) as say_again:
        said, going = time.monotonic(), unneeded(target)
        for entry in going:
            if time.monotonic() - said > _AGAIN_S:
                say_again()
                said = time.monotonic()
            target.delete(entry.key)
    return going
