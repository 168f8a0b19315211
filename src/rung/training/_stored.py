"""Revisions in the storage that `rung.toml` names, brought back: bundle, lock, source and artifacts.

Called by the control plane before it serves one, by `rung export`, and by `rung.load`: these hold what came against
what was signed, as what was always here.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rung.artifacts import LocalStore, WriteThroughStore, file_digest
from rung.errors import NotFoundError, RungError
from rung.objects import pack, unpack
from rung.serving import read_bundle
from rung.training._kept import bring_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.objects import Objects
    from rung.workspace import Workspace

PAPERS = ("requirements.lock", "diff.patch", "provenance.json", "bundle.json")
"""Small files of a revision; the bundle is last: where it is, the rest is."""
BUNDLE = PAPERS[-1]
SOURCE = "source.tar"
"""The snapshot as one file: equal folders give equal bytes."""
_OTHERS = re.compile(r"\b([a-z][a-z0-9_]*\.v\d+\.m\d+)\.[A-Za-z_]\w*")
"""An artifact of another revision, as the author's code names it."""


def key(name: str, paper: str) -> str:
    """Tell where a file of a revision lies in the storage."""
    return f"revisions/{name}/{paper}"


def folder_of(workspace: Workspace, name: str) -> Path:
    """Tell where a revision lies here."""
    return workspace.state / "revisions" / name


def is_here(workspace: Workspace, name: str, is_known: Callable[[str], bool]) -> bool:
    """Say whether all that a server of a revision reads is here."""
    store = LocalStore(workspace.artifacts)
    if not (folder_of(workspace, name) / "source").is_dir():
        return False
    try:
        bundles = [read_bundle(workspace.state, one) for one in (name, *others(workspace, name, is_known))]
    except RungError:
        return False
    return all(store.has(digest) for bundle in bundles for digest in bundle.artifacts.values())


def bring_revision(objects: Objects, workspace: Workspace, name: str, is_known: Callable[[str], bool]) -> None:
    """Bring all that a server of a revision reads, of other revisions too, and the run that trained it.

    Args:
        objects: The storage.
        workspace: Where it is to lie.
        name: Of the revision.
        is_known: Says whether there is a revision of a name that its code has.

    Raises:
        NotFoundError: The storage does not have it.
        IntegrityError: The storage has other bytes.
        UnavailableError: The storage does not answer.
    """
    store = WriteThroughStore(LocalStore(workspace.artifacts), objects)
    bring_code(objects, workspace, name)
    for one in (name, *others(workspace, name, is_known)):
        _bring_papers_once(objects, workspace, one)
        store.fetch_missing(read_bundle(workspace.state, one).artifacts.values())
    run = read_bundle(workspace.state, name).run
    if not (workspace.runs / run).is_dir():
        bring_run(objects, workspace, run)


def bring_papers(objects: Objects, workspace: Workspace, name: str) -> None:
    """Bring the small files of a revision.

    Raises:
        NotFoundError: The storage does not have it.
        UnavailableError: The storage does not answer.
    """
    if objects.size(key(name, BUNDLE)) is None:
        raise NotFoundError(f"{name} is neither here nor in {objects.url}", hint="was another storage set then?")
    for paper in PAPERS:
        objects.download(key(name, paper), folder_of(workspace, name) / paper)


def bring_code(objects: Objects, workspace: Workspace, name: str) -> None:
    """Bring the small files of a revision and its source, which is enough to train it again.

    Raises:
        NotFoundError: The storage does not have it.
        UnavailableError: The storage does not answer.
    """
    _bring_papers_once(objects, workspace, name)
    if not (folder_of(workspace, name) / "source").is_dir():
        _bring_source(objects, workspace, name)


def source_digest(source: Path) -> str:
    """Give the digest of a source snapshot, as it is signed."""
    with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
        packed = Path(scratch) / SOURCE
        pack(source, packed)
        return file_digest(packed)


def others(workspace: Workspace, name: str, is_known: Callable[[str], bool]) -> list[str]:
    """Name the revisions whose artifacts the code of this one asks for."""
    package = folder_of(workspace, name) / "source" / "experiments" / name.partition(".")[0]
    text = "\n".join(path.read_text(errors="replace") for path in package.rglob("*.py"))
    return [found for found in sorted(set(_OTHERS.findall(text)) - {name}) if is_known(found)]


def _bring_papers_once(objects: Objects, workspace: Workspace, name: str) -> None:
    if not (folder_of(workspace, name) / BUNDLE).is_file():
        bring_papers(objects, workspace, name)


def _bring_source(objects: Objects, workspace: Workspace, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rung-source-") as scratch:
        packed = Path(scratch) / SOURCE
        if not objects.download(key(name, SOURCE), packed):
            raise NotFoundError(f"the source of {name} is neither here nor in {objects.url}")
        unpack(packed, folder_of(workspace, name) / "source")
