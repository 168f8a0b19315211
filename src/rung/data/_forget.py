"""A version that must not be kept any longer: its manifest, its documents and what no other version needs are removed.

What stays is a stone that says when and why. `Catalogue.forget` calls it, with the dataset's lock.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from rung.data._shelf import Shelf

__all__ = ["forget", "stone"]


def forget(shelf: Shelf, number: int, *, because: str) -> None:
    """Remove a version; of one that is forgotten already, what a killed process left of it.

    Raises:
        NotFoundError: There is no such version.
        ConflictError: It is the newest one.
    """
    version, known = shelf.read(number), stone(shelf, number)
    if version is None and known is None:
        raise NotFoundError(f"there is no version {shelf.name}@{number}", hint="`rung data versions` names them")
    others = [other for other in shelf.numbers() if other != number]
    if version is not None and not any(other > number for other in others):
        raise ConflictError(f"{version.ref} is the newest version", hint="write another one first")
    if version is not None and known is None:
        known = {
            "ref": version.ref,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "because": because,
            "digest": version.digest,
            "rows": version.rows,
            "files": [file.path for file in version.files],
        }
        shelf.objects.create(_stone(number), json.dumps(known).encode())
    needed = {file.path for other in others if (kept := shelf.read(other)) is not None for file in kept.files}
    for entry in list(shelf.objects.entries(f"kept/{number:08}")):
        shelf.objects.delete(entry.key)
    for path in set(known["files"] if known else ()) - needed:
        shelf.files.delete(path)
    shelf.objects.delete(shelf.manifest(number))  # last: as long as it is there, it is to be seen that work is left


def stone(shelf: Shelf, number: int) -> dict[str, Any] | None:
    """Give what is left of a forgotten version: ref, time, because, digest, rows, files; None for another one."""
    data = shelf.objects.read(_stone(number))
    return None if data is None else dict(json.loads(data))


def _stone(number: int) -> str:
    return f"forgotten/{number:08}.json"
