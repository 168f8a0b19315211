"""What a workspace holds that nothing needs any more: `rung gc` lists it and takes it away.

Reachability decides. What a revision, a recorded run or an entry of the cache names stays, and so does what is younger
than a day: a training that goes on has not told yet what it made. Evidence is never a leftover: records, logs, source
snapshots and the registry stay for ever.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore
from rung.compute.environments import Environments
from rung.control._leftover import Leftover
from rung.control._routing import is_served
from rung.control._stored_leftovers import find_stored, remove_stored
from rung.control.servers import Servers
from rung.control.sleeping import ACTIVATOR
from rung.data import open_catalogue, unlisted
from rung.lifecycle import State
from rung.objects import open_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from rung.control.place import Place
    from rung.registry import Registry
    from rung.workspace import Workspace

__all__ = ["Leftover", "find", "remove"]

_FRESH = timedelta(days=1)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}\.tmp")  # as `workspace.write_atomically` names them


def find(
    place: Place, registry: Registry, now: datetime, *, runs_older_than: timedelta | None = None
) -> list[Leftover]:
    """List what nothing needs.

    Args:
        place: The workspace's folders.
        registry: What is on record.
        now: The present.
        runs_older_than: Outputs of local runs that began before that long count as leftovers too, and so do the entries
            of the cache that were made before; their records stay. None keeps them all.

    Raises:
        ConflictError: The storage holds revisions that this registry never had.
        UnavailableError: The storage does not answer.
    """
    cutoff = None if runs_older_than is None else now - runs_older_than
    fresh = (now - _FRESH).timestamp()
    aged = [] if cutoff is None else [*_outputs(place, registry, cutoff), *_cache_entries(place, cutoff)]
    roots = _roots(place, registry, {Path(found.path) for found in aged})
    storage = place.workspace.settings().storage
    stored = () if storage is None else find_stored(open_objects(storage), place, registry, roots=roots, fresh=fresh)
    found = [
        *aged,
        *_artifacts(place, roots, fresh),
        *_environments(place, registry, now, fresh),
        *_ledgers(place, registry, fresh),
        *_sockets(place, registry),
        *_temporaries(place, fresh),
        *_datasets(place, fresh),
        *stored,
    ]
    return _sized(found)


def remove(place: Place, leftovers: Iterable[Leftover]) -> int:
    """Take them away; give the bytes that were freed. What has gone meanwhile is fine."""
    freed = 0
    for found in leftovers:
        path = Path(found.path)
        if found.store:
            remove_stored(open_objects(found.store), found)
        elif found.kind == "environment":
            Environments(path.parent).remove(path.name)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        freed += found.size
    for folder in place.workspace.artifacts.glob("??"):
        with suppress(OSError):  # something is in it
            folder.rmdir()
    return freed


def _outputs(place: Place, registry: Registry, cutoff: datetime) -> Iterator[Leftover]:
    """List the outputs of local runs that are older; a revision's are its own for ever."""
    revisions = {revision.run for revision in registry.revisions()}
    for record in place.workspace.runs.glob("*/run.json"):
        name = record.parent.name
        if name not in revisions and _modified(record) < cutoff.timestamp():
            for path in record.parent.glob("*.artifact"):
                yield Leftover(kind="output", path=path, because=f"run {name} is older")


def _cache_entries(place: Place, cutoff: datetime) -> Iterator[Leftover]:
    for path in _files(place.workspace.cache):
        if _modified(path) < cutoff.timestamp():
            yield Leftover(kind="cache", path=path, because="it was made before")


def _roots(place: Place, registry: Registry, gone: set[Path]) -> set[str]:
    """Name every artifact that something on record names: revisions, runs whose outputs stay, the cache."""
    emptied = {path.parent.name for path in gone if path.suffix == ".artifact"}
    kept = [record for record in registry.runs(limit=1_000_000) if record["id"] not in emptied]
    texts = [json.dumps(kept)]
    records = place.workspace.runs.glob("*/run.json")
    texts += [path.read_text() for path in records if path.parent.name not in emptied]
    texts += [path.read_text() for path in (place.workspace.state / "revisions").glob("*/bundle.json")]
    cached = {*_files(place.workspace.cache)} - {*_files(place.workspace.fetched)} - gone
    texts += [path.read_text() for path in cached]
    return {digest for text in texts for digest in _DIGEST.findall(text)}


def _artifacts(place: Place, roots: set[str], fresh: float) -> Iterator[Leftover]:
    store = LocalStore(place.workspace.artifacts)
    for digest in store.digests():
        path = store.path(digest)
        if digest not in roots and _modified(path) < fresh:
            yield Leftover(kind="artifact", path=path, because="no run and no revision names it")
    for path in store.unfinished():
        if _modified(path) < fresh:
            yield Leftover(kind="unfinished", path=path, because="its writer died")


def _environments(place: Place, registry: Registry, now: datetime, fresh: float) -> Iterator[Leftover]:
    """List environments that no server and no job runs in; a revision that is revived has its own built again."""
    at_work = {State.TRAINING, State.TRAINED, State.DEPLOYING}
    keep = {one.environment for one in registry.revisions() if is_served(one, now) or one.state in at_work}
    environments = Environments(place.environments)
    for key in environments.keys():  # noqa: SIM118  these are not a mapping's
        folder = place.environments / key
        if key not in keep and _modified(folder) < fresh:
            told = "no revision that is served or trained has it"
            yield Leftover(kind="environment", path=folder, because=told, size=environments.own_bytes(key))


def _ledgers(place: Place, registry: Registry, fresh: float) -> Iterator[Leftover]:
    if registry.experiments(active_only=True):
        return
    for path in _files(place.lake / "ledgers"):
        if _modified(path) < fresh:
            yield Leftover(kind="ledger", path=path, because="no A/B test runs")


def _sockets(place: Place, registry: Registry) -> Iterator[Leftover]:
    servers = Servers(place=place, registry=registry)
    for path in place.sockets.glob("*.sock"):
        owner = ACTIVATOR if path.stem.endswith("~0") else path.stem
        if servers.running(owner) is None:
            yield Leftover(kind="socket", path=path, because=f"{owner} does not run")


def _temporaries(place: Place, fresh: float) -> Iterator[Leftover]:
    workspace = place.workspace
    for path in workspace.state.rglob(".*.unfinished"):  # as `objects` names what it writes into a folder
        if _modified(path) < fresh:
            yield Leftover(kind="temporary", path=path, because="its writer died")
    written = (workspace.state.rglob(".*.tmp"), *(folder.glob(".*.tmp") for folder in _shared(workspace)))
    for path in chain.from_iterable(written):
        found = _TEMPORARY.fullmatch(path.name)
        if found and (_modified(path) < fresh or not _lives(int(found[1]))):
            yield Leftover(kind="temporary", path=path, because="its writer died")
    copied = (workspace.experiments.glob(".*.partial"), workspace.state.glob("revisions/*/.*.partial"))
    for path in chain.from_iterable(copied):
        if _modified(path) < fresh:
            size = sum(_size(file) for file in _files(path))
            yield Leftover(kind="temporary", path=path, because="its writer died", size=size)


def _datasets(place: Place, fresh: float) -> Iterator[Leftover]:
    """List files of ingests that were killed, wherever the datasets lie."""
    catalogue = open_catalogue(place.workspace)
    for entry in unlisted(catalogue, before=fresh):
        told = "no version of the dataset has it"
        if "://" in catalogue.root:
            path, store = PurePosixPath(entry.key), catalogue.root
            yield Leftover(kind="dataset", path=path, because=told, size=entry.size, store=store)
        else:
            yield Leftover(kind="dataset", path=Path(catalogue.root, entry.key), because=told)


def _shared(workspace: Workspace) -> tuple[Path, ...]:
    """Name the folders of the author's in which Rung writes files."""
    return workspace.root, workspace.experiments, workspace.root / "data"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _modified(path: Path) -> float:
    state = _state(path)
    return float("inf") if state is None else state.st_mtime  # gone meanwhile


def _sized(leftovers: list[Leftover]) -> list[Leftover]:
    """Tell what each frees: a file goes with the last of its links. Leaves out what has gone meanwhile."""
    here = (leftover for leftover in leftovers if not leftover.store)
    found = [(leftover, state) for leftover in here if (state := _state(Path(leftover.path))) is not None]
    going = Counter((state.st_dev, state.st_ino) for _, state in found)
    counted: set[tuple[int, int]] = set()
    sized = []
    for leftover, state in found:
        inode = (state.st_dev, state.st_ino)
        is_freed = inode not in counted and going[inode] == state.st_nlink
        counted.add(inode)
        sized.append(replace(leftover, size=state.st_size) if is_freed else leftover)
    return sized + [leftover for leftover in leftovers if leftover.store]


def _size(path: Path) -> int:
    state = _state(path)
    return 0 if state is None else state.st_size  # gone meanwhile


def _state(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None
