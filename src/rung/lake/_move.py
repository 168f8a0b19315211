"""From a folder into an object store, when `storage` is set for a lake that has tables already.

Files first, then the log of each table, in order: a table is there when all that its log names is there. Killed on the
way, it goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rung.errors import ConflictError
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LOG: Final = "_delta_log"


def move(folder: Path, root: str, tables: Iterable[str]) -> list[str]:
    """Copy the tables of a folder into an object store, and set them aside there; name those that were.

    Args:
        folder: Holds the tables, and nobody writes them.
        root: URI of the lake.
        tables: Their names.

    Raises:
        ConflictError: The object store has another table of that name.
        UnavailableError: It does not take them.
    """
    moved = [name for name in tables if (folder / name / _LOG).is_dir()]
    for name in moved:
        _copy(folder / name, f"{root}/{name}")
        (folder / name).rename(folder / f"{name}.moved")
    return moved


def _copy(table: Path, uri: str) -> None:
    objects = open_objects(uri)
    log = sorted(path for path in (table / _LOG).iterdir() if path.suffix in {".json", ".parquet"})
    there = {entry.key: entry.size for entry in objects.entries()}
    for path in table.rglob("*.parquet"):
        key = path.relative_to(table).as_posix()
        if path.parent.name != _LOG and there.get(key) != path.stat().st_size:
            objects.upload(key, path)
    for path in log:
        key, data = f"{_LOG}/{path.name}", path.read_bytes()
        if not objects.create(key, data) and objects.read(key) != data:
            raise ConflictError(
                f"{uri} is another table than {table}",
                hint="give this workspace a prefix of its own, or set that folder aside",
            )
