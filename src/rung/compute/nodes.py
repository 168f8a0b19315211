"""The folder that a platform has on a node that does not see its own: what work there uses, and what none does.

Every piece of work notes there what it uses, and holds a lock as long as it runs. When one has arrived, what none has
used for two weeks is removed. Log lines that are to be sent are no such thing: they stay until they are.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from rung.artifacts import LocalStore
from rung.compute.environments import Environments
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.compute.protocol import Parcel

__all__ = ["WORKS", "Stay", "Use", "tidy", "unused"]

WORKS: Final = "works"
_UNUSED_S: Final = 14 * 86_400.0
_TOUCH_S: Final = 600.0
_USES, _RUNNING = "uses.json", "running"
_ARRIVING: Final = "locks/arriving"
_FOLDERS: Final = ("batches/*/*", "environments/wheels/*", "revisions/*", "runs/*", "studies/*", f"{WORKS}/*")
_EMPTY: Final = ("artifacts/*", "batches/*")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one piece of work uses, by paths below the node's folder."""

    paths: frozenset[str]
    begun: float  # seconds since 1970
    last: float  # when it is known to have run last, seconds since 1970
    is_running: bool
    makes: bool  # it makes artifacts, which it has not named yet


def unused(things: Mapping[str, float], uses: Sequence[Use], *, now: float) -> list[str]:
    """Name what no work has used for two weeks.

    >>> server = Use(paths=frozenset({"revisions/a/source.tar"}), begun=0, last=0, is_running=True, makes=False)
    >>> unused({"revisions/a": 0, "revisions/b": 0}, [server], now=2e6)
    ['revisions/b']

    Args:
        things: By path when each was written last, seconds since 1970.
        uses: Of all work that the node remembers.
        now: Seconds since 1970.
    """
    since = now - _UNUSED_S
    counted = [use for use in uses if use.is_running or use.last >= since]
    before = min([since, *(use.begun for use in uses if use.is_running and use.makes)])
    kept = {str(one) for use in counted for path in use.paths for one in (path, *PurePosixPath(path).parents)}
    return sorted(name for name, written in things.items() if written < before and name not in kept)


class Stay:
    """One piece of work on the node."""

    def __init__(self, folder: Path, name: str, parcel: Parcel) -> None:
        """Name it.

        Args:
            folder: Of the platform on this node.
            name: Of the work.
            parcel: Says what it uses.
        """
        self._folder = folder
        self._own = folder / WORKS / name
        self._parcel = parcel
        self._begun = 0.0
        self._touched = 0.0
        self._lock = -1

    @contextmanager
    def arriving(self, *, now: float) -> Iterator[None]:
        """Note what it uses, and let nothing be removed while it is brought."""
        self._own.mkdir(parents=True, exist_ok=True)
        with _held(self._folder / _ARRIVING, fcntl.LOCK_SH):
            self._lock = os.open(self._own / _RUNNING, os.O_RDWR | os.O_CREAT, 0o600)
            with suppress(BlockingIOError):  # an earlier life that hangs has it: then it runs, too
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._begun = now
            self._note(())
            yield

    def note_environment(self, environment: Path) -> None:
        """Note which environment it runs in; call it while it arrives."""
        self._note((environment.relative_to(self._folder).as_posix(),))

    def touch(self, *, now: float) -> None:
        """Note that it runs still."""
        if now - self._touched >= _TOUCH_S:
            self._note_time(now)

    def end(self, *, now: float) -> None:
        """Note that it is over."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            self._note_time(now)
            os.close(lock)

    def _note_time(self, now: float) -> None:
        self._touched = now
        with suppress(FileNotFoundError):
            os.utime(self._own / _USES, (now, now))

    def _note(self, more: Sequence[str]) -> None:
        parcel, store = self._parcel, LocalStore(self._folder / "artifacts")
        artifacts = (store.path(digest).relative_to(self._folder).as_posix() for digest in parcel.artifacts)
        own = self._own.relative_to(self._folder).as_posix()
        exchange = (parcel.exchange,) if parcel.exchange else ()
        paths = sorted({own, *parcel.files, *parcel.returns, *exchange, *artifacts, *more})
        told = {"begun": self._begun, "makes": bool(parcel.steps), "paths": paths}
        write_atomically(self._own / _USES, json.dumps(told).encode())


def tidy(folder: Path, *, now: float) -> list[str]:
    """Remove what no work has used for two weeks, unless other work arrives now: that will.

    Args:
        folder: Of the platform on this node.
        now: Seconds since 1970.

    Returns:
        What was removed, by paths below the folder.
    """
    try:
        with _held(folder / _ARRIVING, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _tidy(folder, now)
    except BlockingIOError:
        return []


def _tidy(folder: Path, now: float) -> list[str]:
    uses = [_use(path) for path in folder.glob(f"{WORKS}/*/{_USES}")]
    environments = Environments(folder / "environments")
    keys = {f"environments/{key}": environments.folder / key for key in environments.keys()}  # noqa: SIM118
    places = {path.relative_to(folder).as_posix(): path for glob in _FOLDERS for path in folder.glob(glob)}
    gone = unused({name: _written(path) for name, path in (places | keys).items()}, uses, now=now)
    for name in gone:
        if name in keys:
            environments.remove(keys[name].name)
        else:
            shutil.rmtree(folder / name, ignore_errors=True)
    gone += _tidy_artifacts(folder, uses, now)
    for path in (one for glob in _EMPTY for one in folder.glob(glob)):
        with suppress(OSError):  # something is in it
            path.rmdir()
    return gone


def _tidy_artifacts(folder: Path, uses: Sequence[Use], now: float) -> list[str]:
    """Remove artifacts that no run here has either, then what was cached of them."""
    store = LocalStore(folder / "artifacts")
    paths = [path for digest in store.digests() if (path := store.path(digest)).stat().st_nlink == 1]
    gone = unused({path.relative_to(folder).as_posix(): _written(path) for path in paths}, uses, now=now)
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("cache/tasks/*.json"):
        named = _DIGEST.findall(path.read_text(encoding="utf-8"))
        if now - _written(path) > _UNUSED_S and not any(map(store.has, named)):
            path.unlink(missing_ok=True)
    return gone


def _use(path: Path) -> Use:
    told = json.loads(path.read_bytes())
    return Use(
        paths=frozenset(told["paths"]),
        begun=told["begun"],
        last=path.stat().st_mtime,
        is_running=_is_held(path.with_name(_RUNNING)),
        makes=told["makes"],
    )


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        fcntl.flock(lock, how)
        yield


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody else's, and gone meanwhile
        return float("inf")
