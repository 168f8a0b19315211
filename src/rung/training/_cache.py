"""Which artifacts are the output of which task key: one small file for each key, written by rename.

A file operation is most of what a small task costs, so there are few: what tasks ran with last is one file,
written when the run ends.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from rung.training._data import digest_now
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.workspace import Workspace

_MOST_ENTRIES = 50
"""Of one key: that many versions of the data are told apart, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The output of a task, found again."""

    digest: str
    size: int
    kept: dict[str, str] = field(default_factory=dict)
    data: list[dict[str, Any]] = field(default_factory=list)
    """What the task read: see `_data`."""
    run: str = ""
    """The run that computed it."""
    metrics: dict[str, float] = field(default_factory=dict)
    failed_tests: list[str] = field(default_factory=list)
    drew_seed: int | None = None
    """The seed, when the task drew from the global random generators."""
    conversions: dict[str, dict[str, Any]] = field(default_factory=dict)
    reports: list[list[float]] = field(default_factory=list)


class Cache:
    """Looks entries up by task key; an entry counts only while the data that it read is unchanged.

    Args:
        folder: made when something is kept.
        workspace: From which data is named.
        service: Whose tasks these are.
    """

    def __init__(self, folder: Path, workspace: Workspace, service: str) -> None:
        self._folder = folder
        self._workspace = workspace
        self._digests: dict[tuple[Any, ...], str | None] = {}
        self._last = folder / "last" / f"{service}.json"
        self._ran_with: dict[str, Any] = self._read_last()
        self._runs_with: dict[str, Any] = {}

    def find(self, key: str, is_stored: Callable[[str], bool], *, seed: int) -> tuple[Entry | None, str]:
        """Give the entry of a key, or None and why there is none."""
        because = "its cache entry is gone"
        for entry in reversed(self._entries(key)):
            changed = next((read["path"] for read in entry.data if self._digest(read) != read["digest"]), None)
            if changed is not None:
                because = f"the data in {changed} changed"
            elif entry.drew_seed not in (None, seed):
                because = f"it draws from the global random generators, and the seed was {entry.drew_seed}"
            elif not all(is_stored(digest) for digest in (entry.digest, *entry.kept.values())):
                because = "its stored output is gone or damaged"
            else:
                return entry, f"unchanged since run {entry.run}"
        return None, because

    def add(self, key: str, entry: Entry) -> None:
        """Remember the output of a key; with other data, beside what it was."""
        read = data_key(entry.data, entry.drew_seed)
        others = [one for one in self._entries(key) if data_key(one.data, one.drew_seed) != read]
        _write(self._path(key), [_as_json(one) for one in [*others, entry][-_MOST_ENTRIES:]])

    def explain(self, task: str, facts: dict[str, Any], otherwise: str) -> str:
        """Tell what changed since a task last ran; `close` keeps what it runs with now.

        Args:
            task: Its name.
            facts: What its key was made from.
            otherwise: The reason when nothing changed.
        """
        self._runs_with[task] = facts
        last = self._ran_with.get(task)
        if not isinstance(last, dict):
            return "it has not run here before"
        changes = _changes(last, facts)
        return f"since it last ran, {', '.join(changes)}" if changes else otherwise

    def close(self) -> None:
        """Keep what the tasks of this run ran with, for the next one to compare."""
        if self._runs_with:
            _write(self._last, {**self._read_last(), **self._runs_with})

    def _read_last(self) -> dict[str, Any]:
        last = _read(self._last)
        return last if isinstance(last, dict) else {}

    def _entries(self, key: str) -> list[Entry]:
        """Give the entries of a key, the newest last."""
        try:
            return [Entry(**entry) for entry in _read(self._path(key)) or ()]
        except TypeError:  # not as this version writes it: as if it were not there
            return []

    def _path(self, key: str) -> Path:
        return self._folder / "tasks" / f"{key}.json"

    def _digest(self, read: dict[str, Any]) -> str | None:
        asked = (read["path"], read.get("asked_version"), read.get("asked_as_of"))
        if asked not in self._digests:
            self._digests[asked] = digest_now(self._workspace, read)
        return self._digests[asked]


def _as_json(entry: Entry) -> dict[str, Any]:
    return {known.name: getattr(entry, known.name) for known in fields(entry)}


def _read(path: Path) -> Any:
    """Read what `_write` wrote; None when it is missing or broken."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _write(path: Path, content: Any) -> None:
    data = json.dumps(content).encode()
    with suppress(OSError):  # a disk that is full now costs time later, not this training
        try:
            write_atomically(path, data)
        except FileNotFoundError:  # the first of its folder
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)


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
