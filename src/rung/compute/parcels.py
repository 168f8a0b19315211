"""What travels through the object store between the platform's folder and a machine that does not see it.

On such a machine `bring` makes a folder of its own with all that a command needs, and `give_back` puts what the command
left into the store; `take_back` brings that to where the platform looks for it. Every byte is held against a digest
that did not come through the store. The environment is built anew there, from the same lock and the same Rung.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore, WriteThroughStore, verify
from rung.compute import _files
from rung.compute.environments import Environments, Lock
from rung.errors import EnvironmentBuildError, IntegrityError, UnavailableError
from rung.objects import open_objects, unpack
from rung.workspace import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from rung.compute.protocol import Parcel
    from rung.objects import Objects

__all__ = ["Steps", "bring", "give_back", "keep_steps", "moved", "take_back"]

_PACKED = ".tar"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LINKED = ".artifact"  # of a run's folder: what is in the store anyway
# a package that is built runs its authors' code
_SECRETS = ("AWS_", "RAY_", "RUNG_", "PGPASSWORD", "OPENLINEAGE_API_KEY")


class Steps:
    """What a command has kept so far on this machine, for the next one if this one is lost."""

    def __init__(self, parcel: Parcel, folder: Path) -> None:
        """Begin to look, before the command begins.

        Args:
            parcel: Of the work.
            folder: Of this machine.
        """
        self._store = WriteThroughStore(LocalStore(folder / "artifacts"), open_objects(parcel.storage))
        self._folder = folder / parcel.steps
        self._seen = {path: path.stat().st_mtime_ns for path in self._folder.glob("*")}
        self._kept: dict[str, list[str]] = {}
        self._own: set[Path] = set()
        self._keeping = threading.Lock()

    def bring(self, kept: Mapping[str, Sequence[str]]) -> None:
        """Bring what was kept on another machine.

        Args:
            kept: As `keep` gave it there.

        Raises:
            UnavailableError: The storage does not give it.
            IntegrityError: The storage does not have it, or has something else.
        """
        for name, (own, *named) in kept.items():
            self._store.fetch_missing([own, *named])
            target = self._folder / PurePosixPath(name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                write_atomically(target, self._store.get(own))
                self._seen[target] = target.stat().st_mtime_ns
        self._kept |= {name: list(digests) for name, digests in kept.items()}

    def keep(self) -> dict[str, list[str]]:
        """Put what is new into the storage; tell all that was kept so far.

        Returns:
            By name of a file its digest, then those of the artifacts that it names.

        Raises:
            UnavailableError: The storage does not take it.
        """
        with self._keeping:
            times = {path: path.stat().st_mtime_ns for path in self._folder.glob("*.json")}
            new = [path for path, time in times.items() if self._seen.get(path) != time]
            for path in new:
                self._kept[path.name] = _keep_step(self._store, path)
                self._own.add(path)
                self._seen[path] = times[path]
            return dict(self._kept)

    @property
    def own(self) -> list[Path]:
        """The files that were new here."""
        return sorted(self._own)


def keep_steps(objects: Objects, state: Path, paths: Sequence[Path]) -> dict[str, list[str]]:
    """Put steps that the platform has into the storage, for work elsewhere: as `Steps.keep`.

    Args:
        objects: The storage.
        state: The platform's folder.
        paths: Of the steps.

    Raises:
        UnavailableError: The storage does not take it.
    """
    store = WriteThroughStore(LocalStore(state / "artifacts"), objects)
    return {path.name: _keep_step(store, path) for path in paths}


def moved(text: str, places: Mapping[str, str]) -> str:
    """Replace folders by others, wherever a path in the text begins with one.

    >>> moved("/w/.rung/lib:/w/.rung-other:/tmp/s", {"/w/.rung": "/home/n", "/tmp/s": "/home/n/sockets"})
    '/home/n/lib:/w/.rung-other:/home/n/sockets'

    Args:
        text: A path, or something with paths in it.
        places: From folder to folder; of two that fit the longer one counts.
    """
    folders = "|".join(re.escape(folder) for folder in sorted(places, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])({folders})(?![\w.-])", lambda found: places[found[0]], text)


def bring(parcel: Parcel, folder: Path) -> dict[str, str]:
    """Bring what a parcel names into a folder of this machine, and build its environment; blocks as long as it takes.

    Returns:
        Where the platform's folders are now, for `moved`.

    Raises:
        UnavailableError: The storage does not answer, or does not have something yet; try again.
        IntegrityError: The storage has other bytes, or has lost an artifact.
        EnvironmentBuildError: The environment cannot be made here.
        WorkspaceError: The storage refuses, or its library is not installed.
    """
    objects = open_objects(parcel.storage)
    with _files.locked(folder / "locks" / "bring"):
        for key, digest in parcel.files.items():
            _bring_file(folder / key, objects, key, digest)
        WriteThroughStore(LocalStore(folder / "artifacts"), objects).fetch_missing(parcel.artifacts)
    return {
        parcel.state: str(folder),
        parcel.sockets: str(folder / "sockets"),
        parcel.environment: str(_build(parcel, folder)),
    }


def give_back(parcel: Parcel, folder: Path, *, more: Mapping[str, Path]) -> str:
    """Put what a command left into the storage, as artifacts; give the digest of the list of them.

    Args:
        parcel: Says what is given back; of its steps those that are among the further files.
        folder: Of this machine.
        more: Further files, by their paths below the platform's folder.

    Raises:
        UnavailableError: The storage does not take it.
    """
    store = WriteThroughStore(LocalStore(folder / "artifacts"), open_objects(parcel.storage))
    names = [name for name in parcel.returns if name != parcel.steps]
    left = {path.relative_to(folder).as_posix(): path for name in names for path in _files_of(folder / name)}
    digests = {name: store.local.put(path.read_bytes()) for name, path in (left | dict(more)).items() if path.is_file()}
    store.upload_all(digests.values())
    return store.put(json.dumps(digests).encode())


def take_back(objects: Objects, state: Path, digest: str, *, allowed: Collection[str]) -> None:
    """Bring what a command left on another machine to where the platform looks for it, in the order of the list.

    Args:
        objects: The storage.
        state: The platform's folder.
        digest: Of the list.
        allowed: Files and folders below it that may come back.

    Raises:
        UnavailableError: The storage does not answer, or the disk does not take it.
        IntegrityError: The storage does not have it, or has something else, or something that is not allowed.
    """
    store = WriteThroughStore(LocalStore(state / "artifacts"), objects)
    listed: dict[str, str] = json.loads(store.get(digest))
    if others := [name for name in listed if not _is_in(name, allowed)]:
        raise IntegrityError(f"{others[0]} came back, which was not asked for", hint="look at who may use the cluster")
    store.fetch_missing(listed.values())
    for name, content in listed.items():
        target = state / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == _LINKED:
            store.link(content, target)
        else:  # a copy: a log is written on
            partial = target.with_name(f".{target.name}.returned")
            partial.write_bytes(store.get(content))
            partial.replace(target)


def _bring_file(target: Path, objects: Objects, key: str, digest: str) -> None:
    if target.is_file():
        try:
            verify(target, digest)
        except IntegrityError:
            target.unlink()
        else:
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".brought-") as scratch:
        found = Path(scratch) / target.name
        if not objects.download(key, found):
            raise UnavailableError(f"{objects.url} has no {key} yet", hint="the control plane puts it there")
        verify(found, digest, name=f"{objects.url}/{key}")
        if target.suffix == _PACKED:
            unpack(found, target.with_suffix(""))
        found.replace(target)


def _build(parcel: Parcel, folder: Path) -> Path:
    """Make the environment in a process of its own, which has none of this one's secrets."""
    environments = Environments(folder / "environments", wheel=folder / parcel.wheel)
    lock = Lock(text=(folder / parcel.lock).read_text(encoding="utf-8"))
    if ready := environments.path_if_ready(lock):
        return ready.folder
    with tempfile.TemporaryDirectory(prefix="rung-build-") as scratch:
        command = environments.command(lock, result=Path(scratch) / "result.json")
        own = {name: value for name, value in command.environment.items() if not name.startswith(_SECRETS)}
        ended = subprocess.run(command.argv, env=own, cwd=folder, capture_output=True, check=False)
    if ready := environments.path_if_ready(lock):
        return ready.folder
    said = ended.stderr.decode(errors="replace").strip() or f"it ended with {ended.returncode}"
    raise EnvironmentBuildError(f"its environment cannot be made here: {said}")


def _keep_step(store: WriteThroughStore, path: Path) -> list[str]:
    """Put a step into the storage with the artifacts that it names; give its digest, then theirs."""
    data = path.read_bytes()
    named = [digest for digest in _DIGEST.findall(data.decode()) if store.local.has(digest)]
    store.upload_all(named)
    return [store.put(data), *named]


def _files_of(path: Path) -> list[Path]:
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def _is_in(name: str, allowed: Collection[str]) -> bool:
    path = PurePosixPath(name)
    is_plain = not path.is_absolute() and ".." not in path.parts
    return is_plain and any(path.is_relative_to(one) for one in allowed)
