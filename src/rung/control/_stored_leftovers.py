"""What the storage holds that nothing needs: artifacts, runs and revisions that this registry does not name.

`leftovers` asks. A storage belongs to one registry: where it holds revisions that the registry never had, it is another
one's, or newer than a registry that was brought back; then nothing in it is touched.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from rung.control._leftover import Leftover
from rung.errors import ConflictError
from rung.lifecycle import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.control.place import Place
    from rung.objects import Entry, Objects
    from rung.registry import Registry

_ARTIFACT: Final = re.compile(r"artifacts/([0-9a-f]{2})/([0-9a-f]{62})")
_BUNDLE: Final = "bundle.json"


def find_stored(
    objects: Objects, place: Place, registry: Registry, *, roots: set[str], fresh: float
) -> Iterator[Leftover]:
    """List what nothing needs in a storage.

    Args:
        objects: The storage.
        place: The workspace's folders: what its runs name stays, too.
        registry: What is on record.
        roots: Digests of the artifacts that something names.
        fresh: What was written later stays, seconds since 1970.

    Raises:
        ConflictError: It holds revisions that the registry never had.
        UnavailableError: It does not answer.
    """
    revisions = _folders(objects, "revisions")
    states = {str(revision.name): revision.state for revision in registry.revisions()}
    unknown = sorted(revisions.keys() - states.keys())
    if unknown:
        raise ConflictError(
            f"{objects.url} holds {unknown[0]}, which this registry never had",
            hint="is it another registry's, or was this one brought back from an older backup? nothing was removed",
        )
    for name, entries in revisions.items():
        is_half = not any(entry.key.endswith(f"/{_BUNDLE}") for entry in entries)
        if is_half and states[name] == State.FAILED:
            because = "its training failed"
            yield from _old(entries, fresh, kind="revision", key=f"revisions/{name}", because=because, url=objects.url)
    known = {str(run["id"]) for run in registry.runs(limit=1_000_000)}
    known |= {folder.name for folder in place.workspace.runs.glob("*")}
    for name, entries in _folders(objects, "runs").items():
        if name not in known:
            because = "it is not on record"
            yield from _old(entries, fresh, kind="run", key=f"runs/{name}", because=because, url=objects.url)
    for entry in objects.entries("artifacts"):
        named = _ARTIFACT.fullmatch(entry.key)
        if named and f"sha256:{named[1]}{named[2]}" not in roots:
            because = "no run and no revision names it"
            yield from _old([entry], fresh, kind="artifact", key=entry.key, because=because, url=objects.url)


def remove_stored(objects: Objects, leftover: Leftover) -> None:
    """Take one away; what has gone meanwhile is fine."""
    key = str(leftover.path)
    if leftover.kind in {"run", "revision"}:
        for entry in list(objects.entries(key)):
            objects.delete(entry.key)
    else:
        objects.delete(key)


def _folders(objects: Objects, prefix: str) -> dict[str, list[Entry]]:
    """Give the objects below each `PREFIX/NAME/`."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in objects.entries(prefix):
        found[entry.key.split("/")[1]].append(entry)
    return found


def _old(entries: list[Entry], fresh: float, *, kind: str, key: str, because: str, url: str) -> Iterator[Leftover]:
    """Give a leftover of these objects, unless one of them is young."""
    if max(entry.modified for entry in entries) < fresh:
        size = sum(entry.size for entry in entries)
        yield Leftover(kind=kind, path=PurePosixPath(key), because=because, size=size, store=url)
