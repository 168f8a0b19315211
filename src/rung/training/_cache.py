"""Which artifacts are the output of which task key: small files, written by rename, one for each set of data read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rung.training._provenance import file_digest
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The output of a task, found again."""

    digest: str
    size: int
    kept: dict[str, str] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    """Files that the task read: path from the workspace, digest, size."""
    run: str = ""
    """The run that computed it."""
    metrics: dict[str, float] = field(default_factory=dict)
    failed_tests: list[str] = field(default_factory=list)


class Cache:
    """Looks entries up by task key; an entry counts only while the data that it read is unchanged."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._digests: dict[Path, str | None] = {}

    def find(self, key: str, is_stored: Callable[[str], bool]) -> tuple[Entry | None, str]:
        """Give the entry of a key, or None and why there is none."""
        because = "it has not run with this code, input and environment before"
        for path in self._entries(key):
            try:
                entry = Entry(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError):
                continue  # broken or just deleted: as if it were not there
            changed = next((read["path"] for read in entry.data if self._digest(read["path"]) != read["digest"]), None)
            if changed is not None:
                because = f"the data in {changed} changed"
            elif not all(is_stored(digest) for digest in (entry.digest, *entry.kept.values())):
                because = "its stored output is gone"
            else:
                return entry, f"unchanged since run {entry.run}"
        return None, because

    def add(self, key: str, entry: Entry) -> None:
        """Remember the output of a key."""
        folder = self._folder / key[:2] / key
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / f"{data_key(entry.data)}.json", json.dumps(asdict(entry)).encode())

    def _entries(self, key: str) -> list[Path]:
        return sorted(
            (self._folder / key[:2] / key).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True
        )

    def _digest(self, name: str) -> str | None:
        path = self._root / name
        if path not in self._digests:
            self._digests[path] = file_digest(path) if path.is_file() else None
        return self._digests[path]


def data_key(data: list[dict[str, Any]]) -> str:
    """Spell which data a task read, for the keys of the tasks after it."""
    spelled = json.dumps(sorted((read["path"], read["digest"]) for read in data))
    return hashlib.sha256(spelled.encode()).hexdigest()[:16]
