"""Which artifacts are the output of which task key: small files, written by rename, one for each set of data read."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
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
    drew_seed: int | None = None
    """The seed, when the task drew from the global random generators."""


class Cache:
    """Looks entries up by task key; an entry counts only while the data that it read is unchanged."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        self._digests: dict[Path, str | None] = {}

    def find(self, key: str, is_stored: Callable[[str], bool], *, seed: int) -> tuple[Entry | None, str]:
        """Give the entry of a key, or None and why there is none."""
        because = "its cache entry is gone"
        for path in self._entries(key):
            try:
                entry = Entry(**json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError):
                continue  # broken or just deleted: as if it were not there
            changed = next((read["path"] for read in entry.data if self._digest(read["path"]) != read["digest"]), None)
            if changed is not None:
                because = f"the data in {changed} changed"
            elif entry.drew_seed not in (None, seed):
                because = f"it draws from the global random generators, and the seed was {entry.drew_seed}"
            elif not all(is_stored(digest) for digest in (entry.digest, *entry.kept.values())):
                because = "its stored output is gone"
            else:
                return entry, f"unchanged since run {entry.run}"
        return None, because

    def add(self, key: str, entry: Entry) -> None:
        """Remember the output of a key."""
        _write(self._folder / key[:2] / key / f"{data_key(entry.data, entry.drew_seed)}.json", asdict(entry))

    def explain(self, task: str, facts: dict[str, Any], otherwise: str) -> str:
        """Tell what changed since a task last ran, and keep what it runs with now.

        Args:
            task: Its name, with the service's.
            facts: What its key was made from.
            otherwise: The reason when nothing changed.
        """
        path = self._folder / "last" / f"{task}.json"
        try:
            last = json.loads(path.read_bytes())
        except (OSError, ValueError):
            last = None
        if last != facts:
            _write(path, facts)
        if not isinstance(last, dict):
            return "it has not run here before"
        changes = _changes(last, facts)
        return f"since it last ran, {', '.join(changes)}" if changes else otherwise

    def _entries(self, key: str) -> list[Path]:
        return sorted(
            (self._folder / key[:2] / key).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True
        )

    def _digest(self, name: str) -> str | None:
        path = self._root / name
        if path not in self._digests:
            self._digests[path] = file_digest(path) if path.is_file() else None
        return self._digests[path]


def _write(path: Path, value: dict[str, Any]) -> None:
    with suppress(OSError):  # a disk that is full now costs time later, not this training
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(value).encode())


def _changes(last: dict[str, Any], now: dict[str, Any]) -> list[str]:
    changes = ["its code changed"] if last.get("closure") != now["closure"] else []
    before = last.get("hyperparameters", {})
    for name, value in now["hyperparameters"].items():
        if name not in before:
            changes.append(f"it came to read {name}")
        elif before[name] != value:
            changes.append(f"{name} changed from {before[name]!r} to {value!r}")
    inputs = last.get("upstream", {})
    changes += [f"its input {name} changed" for name, key in now["upstream"].items() if inputs.get(name) != key]
    return changes + (["the environment changed"] if last.get("environment") != now["environment"] else [])


def data_key(data: list[dict[str, Any]], drew_seed: int | None) -> str:
    """Spell which data a task read and what it drew, for the keys of the tasks after it."""
    spelled = json.dumps([sorted((read["path"], read["digest"]) for read in data), drew_seed])
    return hashlib.sha256(spelled.encode()).hexdigest()[:16]
