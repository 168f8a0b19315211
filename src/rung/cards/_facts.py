"""All that is on record of a revision, gathered once: registry, run, bundle, source, lock, artifacts, catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung import artifacts
from rung.cards._lock import read_licences, read_packages
from rung.cards._specification import read_front, read_sections
from rung.data import open_catalogue
from rung.errors import RungError
from rung.explain import GLOBAL_EXPLANATION
from rung.serving import read_bundle
from rung.testing import GROUP_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rung.cards._lock import Package
    from rung.lifecycle import GroupFinding
    from rung.registry import Promotion, Registry, Revision
    from rung.schema import RevisionName
    from rung.serving import Bundle
    from rung.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Something that the training read."""

    name: str
    version: str
    """"" for a file, which has none."""
    digest: str
    size: int
    """Bytes."""
    licence: str
    owner: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An artifact of the training."""

    name: str
    digest: str
    format: str
    """"" where the artifact is not here."""
    size: int
    """Bytes; 0 where it is not here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a card is made of."""

    revision: Revision
    run: Mapping[str, Any]
    """The record of its training."""
    bundle: Bundle | None
    front: Mapping[str, Any]
    """What its specification says on top."""
    sections: Mapping[str, str]
    """Of the specification, by heading."""
    document: str
    """The experiment document."""
    packages: Sequence[Package]
    python: str
    data: Sequence[Data]
    artifacts: Sequence[Kept]
    attempts: Sequence[Promotion]
    groups: Sequence[GroupFinding]
    explanation: Mapping[str, Any]

    @property
    def name(self) -> RevisionName:
        """Of the revision."""
        return self.revision.name


def gather(name: RevisionName, *, registry: Registry, workspace: Workspace) -> Facts:
    """Gather what is on record of a revision; what is not there is left empty.

    Raises:
        NotFoundError: There is no such revision, or no record of its run.
    """
    revision = registry.revision(name)
    run = registry.run(revision.run)
    folder = workspace.state / "revisions" / str(name)
    package = folder / "source" / "experiments" / name.service
    specification = _text(package / "specification.md")
    lock = _text(folder / "requirements.lock")
    environment = workspace.state / "environments" / (revision.environment or "-")
    kept = _kept(run)
    store = artifacts.LocalStore(workspace.artifacts)
    groups, explanation = kept_insights(run, workspace)
    return Facts(
        revision=revision,
        run=run,
        bundle=_bundle(workspace, name),
        front=read_front(specification),
        sections=read_sections(specification),
        document=_text(package / "experiments" / f"v{name.major}.m{name.minor}.md").strip(),
        packages=read_packages(lock, read_licences(environment)),
        python=lock.partition("\n")[0].removeprefix("# Python ").strip() or str(run["python"]),
        data=_data(run, workspace),
        artifacts=[_described(store, key, digest) for key, digest in sorted(kept.items())],
        attempts=registry.promotions_of(name),
        groups=groups,
        explanation=explanation,
    )


def kept_insights(run: Mapping[str, Any], workspace: Workspace) -> tuple[list[GroupFinding], Mapping[str, Any]]:
    """Give what a training kept of groups, judged, and of what matters on the whole; nothing, where it kept none."""
    kept, store = _kept(run), artifacts.LocalStore(workspace.artifacts)
    explanation: Mapping[str, Any] = _value(store, kept.get(GLOBAL_EXPLANATION)) or {}
    figures = _value(store, kept.get(GROUP_METRICS))
    if not figures:
        return [], explanation
    from rung.lifecycle import judge_groups  # noqa: PLC0415  start-up time: most runs have no groups to judge

    return judge_groups(figures), explanation


def _kept(run: Mapping[str, Any]) -> dict[str, str]:
    kept = {task["name"]: task["digest"] for task in run["tasks"] if task["digest"]}
    for task in run["tasks"]:
        kept |= task.get("kept", {})
    return kept


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _bundle(workspace: Workspace, name: RevisionName) -> Bundle | None:
    try:
        return read_bundle(workspace.state, str(name))
    except RungError:
        return None


def _described(store: artifacts.LocalStore, name: str, digest: str) -> Kept:
    if not store.has(digest):
        return Kept(name=name, digest=digest, format="", size=0)
    path = store.path(digest)
    return Kept(name=name, digest=digest, format=artifacts.describe(path).format, size=path.stat().st_size)


def _value(store: artifacts.LocalStore, digest: str | None) -> Any:
    """Read an artifact of plain data; nothing, where it is not here, or runs code."""
    if digest is None or not store.has(digest):
        return None
    data = store.get(digest)
    return None if artifacts.describe(data).marked_unsafe else artifacts.decode(data, digest=digest)


def _data(run: Mapping[str, Any], workspace: Workspace) -> list[Data]:
    read = {one["path"]: one for task in run["tasks"] for one in task["data"]}
    catalogue = open_catalogue(workspace) if any("dataset" in one for one in read.values()) else None
    found = []
    for path, one in sorted(read.items()):
        entry = None
        if "dataset" in one and catalogue is not None:
            try:
                entry = catalogue.entry(one["dataset"])
            except RungError:
                entry = None
        found.append(
            Data(
                name=one.get("dataset", path),
                version=str(one.get("version", "")),
                digest=one["digest"],
                size=one["size"],
                licence="" if entry is None else entry.licence,
                owner="" if entry is None else entry.owner,
                description="" if entry is None else entry.description,
            )
        )
    return found
