"""Where a table's files lie: a folder of this machine, which must be told to keep them, or an object store."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote

from deltalake import DeltaTable

from rung.objects import open_objects, scan_options, table_options
from rung.workspace import settle

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from rung.objects import Objects

_LOG: Final = "_delta_log"
_LAST: Final = f"{_LOG}/_last_checkpoint"
_NUMBERED: Final = re.compile(r"\d{20}\.")


class Place(Protocol):
    """What a table asks of the files that it is made of, beside what the library does."""

    @property
    def options(self) -> dict[str, str] | None:
        """What delta-rs needs to get at the files, beside credentials."""
        ...

    @property
    def scan_options(self) -> dict[str, Any] | None:
        """What polars needs, beside credentials."""
        ...

    def has_table(self) -> bool:
        """Say whether there is a table."""
        ...

    def birth(self) -> object:
        """Tell a table from one that was made anew in its place: by its first commit, while it is kept."""
        ...

    def commit(self, version: int) -> list[dict[str, dict[str, Any]]] | None:
        """Give the actions of a commit; None when it is not kept any more."""
        ...

    def has_all(self, paths: Iterable[str], held: Callable[[], Collection[str]]) -> bool:
        """Say whether all of these files are there; `held` gives those that the table consists of now."""
        ...

    def settle(self, version: int) -> None:
        """Return when a commit, and the files that it added, outlive a loss of power."""
        ...

    def checkpoint(self) -> int:
        """Give the version of the newest checkpoint, which outlives a loss of power; -1 when there is none."""
        ...

    def forget(self, before: int) -> int:
        """Remove commits and checkpoints of older versions, the oldest first; tell how many.

        The first commit stays: it tells a table from one that was made anew in its place.
        """
        ...


def place_of(uri: str) -> Place:
    """Tell where a table lies.

    Raises:
        WorkspaceError: It lies in an object store, and the extra `rung[s3]` is not installed.
    """
    return Bucket(uri) if "://" in uri else Folder(Path(uri))


class Folder:
    """A folder on this machine."""

    options = None
    scan_options = None

    def __init__(self, root: Path) -> None:
        self._root = root

    def has_table(self) -> bool:
        """Ask the library."""
        return DeltaTable.is_deltatable(str(self._root))

    def birth(self) -> object:
        """Tell the file of the first commit."""
        try:
            first = self._commit(0).stat()
        except OSError:
            return None
        return first.st_ino, first.st_mtime_ns

    def commit(self, version: int) -> list[dict[str, dict[str, Any]]] | None:
        """Read a commit."""
        try:
            return _actions(self._commit(version).read_bytes())
        except FileNotFoundError:
            return None

    def has_all(self, paths: Iterable[str], held: Callable[[], Collection[str]]) -> bool:
        """Look for the files."""
        del held  # to look is quicker than to list them
        return all((self._root / path).is_file() for path in paths)

    def settle(self, version: int) -> None:
        """Sync the commit, the files that it added, and the folders that name them.

        What upkeep removed meanwhile has no need of it: whatever took its place was synced before.
        """
        actions = self.commit(version) or []
        added = [self._root / unquote(action["add"]["path"]) for action in actions if "add" in action]
        commit = self._commit(version)
        folders = {commit.parent} | {self._root / one for path in added for one in path.relative_to(self._root).parents}
        for path in [*added, commit, *folders]:
            with suppress(FileNotFoundError):
                settle(path)

    def checkpoint(self) -> int:
        """Sync the one that the library told of last."""
        try:
            version = _version((self._root / _LAST).read_bytes())
        except FileNotFoundError:
            return -1
        files = (self._root / _LOG).glob(f"{version:020}.checkpoint*.parquet")
        for path in [*files, self._root / _LAST, self._root / _LOG]:
            settle(path)
        return version

    def forget(self, before: int) -> int:
        """Remove their files."""
        names = (path.name for path in (self._root / _LOG).iterdir())
        old = _older(names, before)
        for name in old:
            (self._root / _LOG / name).unlink(missing_ok=True)
        return len(old)

    def _commit(self, version: int) -> Path:
        return self._root / _log_name(version)


class Bucket:
    """An object store: it keeps what it has confirmed."""

    def __init__(self, uri: str) -> None:
        self._objects: Objects = open_objects(uri)
        self.options: dict[str, str] | None = table_options()
        self.scan_options: dict[str, Any] | None = scan_options()

    def has_table(self) -> bool:
        """Look for its log; the library would hold up all threads until it has an answer."""
        return any(True for _ in self._objects.entries(_LOG))

    def birth(self) -> object:
        """Tell what the first commit says: it names the table's own id."""
        return self._objects.read(_log_name(0))

    def commit(self, version: int) -> list[dict[str, dict[str, Any]]] | None:
        """Read a commit."""
        data = self._objects.read(_log_name(version))
        return None if data is None else _actions(data)

    def has_all(self, paths: Iterable[str], held: Callable[[], Collection[str]]) -> bool:
        """Look for those that the table does not consist of any more."""
        here = held()
        return all(path in here or self._objects.size(path) is not None for path in paths)

    def settle(self, version: int) -> None:
        """Do nothing."""

    def checkpoint(self) -> int:
        """Read what the library told of last."""
        data = self._objects.read(_LAST)
        return -1 if data is None else _version(data)

    def forget(self, before: int) -> int:
        """Remove their objects."""
        names = (entry.key.rpartition("/")[2] for entry in self._objects.entries(_LOG))
        old = _older(names, before)
        for name in old:
            self._objects.delete(f"{_LOG}/{name}")
        return len(old)


def _log_name(version: int) -> str:
    return f"{_LOG}/{version:020}.json"


def _version(last_checkpoint: bytes) -> int:
    return int(json.loads(last_checkpoint)["version"])


def _older(names: Iterable[str], before: int) -> list[str]:
    return sorted(name for name in names if _NUMBERED.match(name) and 0 < int(name[:20]) < before)


def _actions(commit: bytes) -> list[dict[str, dict[str, Any]]]:
    return [json.loads(line) for line in commit.splitlines()]
