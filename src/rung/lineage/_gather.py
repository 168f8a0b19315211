"""What the records say of what was made of what, as one lineage: from the registry, the catalogue and the lake.

Each artifact belongs to one run, also where another run kept the same bytes: what is shown as its origin is where it
came from, and not where equal bytes did.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rung.lineage._graph import Edge, Kind, Lineage, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rung.data import Catalogue, Version
    from rung.lake import Lake
    from rung.registry import Registry, Revision

__all__ = ["FEEDBACK", "Records", "gather", "node_id"]

FEEDBACK: Final = "feedback"
"""Document of a version that was made of the log: whose predictions are in it."""
_RUNS: Final = 1_000_000
_DIGITS: Final = 19
"""Letters of a digest that are shown: `sha256:` and twelve more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where it is written down what was made of what."""

    registry: Registry
    catalogue: Catalogue
    lake: Lake


@dataclass(slots=True)
class _Found:
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: Kind, key: str, **told: Any) -> str:
        """Add a node unless it is there."""
        name = node_id(kind, key)
        if name not in self.nodes:
            self.nodes[name] = Node(id=name, kind=kind, **told)
        return name

    def join(self, source: str, target: str, how: str) -> None:
        self.edges.append(Edge(source=source, target=target, how=how))


def gather(records: Records) -> Lineage:
    """Gather all that is on record.

    Raises:
        UnavailableError: The registry, the catalogue or the lake does not answer.
    """
    found = _Found()
    versions = [version for name in records.catalogue.names() for version in records.catalogue.versions(name)]
    runs = records.registry.runs(limit=_RUNS)
    revisions = records.registry.revisions()
    wrote = {version.ref: version.run for version in versions if version.run}
    for run in sorted(runs, key=lambda run: str(run["started"])):
        _add_run(found, run)
    for version in versions:
        _add_version(found, version)
    for version in versions:
        _add_origins(found, version)
    for run in runs:
        _add_reads(found, run, wrote)
    for before, version in _continued(versions):
        found.join(node_id(Kind.DATASET, before.ref), node_id(Kind.DATASET, version.ref), "goes on in")
    kept = {run["id"]: run for run in runs}
    for revision in revisions:
        _add_revision(found, revision, kept.get(revision.run))
    for name, days in _answered(records.lake).items():
        _add_predictions(found, name, days)
    for version in versions:
        _add_feedback(found, version, records.catalogue)
    return Lineage.of(found.nodes.values(), found.edges)


def node_id(kind: Kind, key: str) -> str:
    """Give the id of a node.

    >>> node_id(Kind.DATASET, "houses@3")
    'dataset:houses@3'
    """
    return f"{kind}:{key}"


def _add_version(found: _Found, version: Version) -> None:
    found.add(
        Kind.DATASET,
        version.ref,
        name=version.ref,
        told=f"{version.rows:,} rows",
        time=version.time,
        service=_service_of(version.dataset),
        data={name: getattr(version, name) for name in ("digest", "rows", "size", "by", "watermark", "note")},
    )


def _add_origins(found: _Found, version: Version) -> None:
    own = node_id(Kind.DATASET, version.ref)
    if version.source:
        key = f"{version.source} {version.source_digest or version.ref}"
        told = (version.source_digest or "")[:_DIGITS]
        data = {"digest": version.source_digest, "source": version.source}
        source = found.add(Kind.SOURCE, key, name=version.source, told=told, time=version.time, data=data)
        found.join(source, own, "ingested")
    for parent in version.parents:
        found.join(_known_version(found, parent), own, "was taken")
    if version.run:
        run = found.add(Kind.RUN, version.run, name=version.run, told="its record is gone")
        found.join(run, own, "wrote")


def _continued(versions: Iterable[Version]) -> Iterator[tuple[Version, Version]]:
    """Give each version with the next one, where rows of the first are in it."""
    last: Version | None = None
    for version in versions:
        if last is not None and last.dataset == version.dataset and version.removed < last.rows:
            yield last, version
        last = version


def _add_run(found: _Found, run: Mapping[str, Any]) -> None:
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in list(run["metrics"].items())[:1])
    commit = (run["commit"] or "")[:8] + ("+" if run["commit"] and run["dirty"] else "")
    own = found.add(
        Kind.RUN,
        run["id"],
        name=run["id"],
        told=", ".join(part for part in (run["status"], commit and f"commit {commit}", metrics) if part),
        time=run["started"],
        service=run["service"],
        data={name: run[name] for name in ("status", "commit", "dirty", "user", "metrics", "revision", "environment")},
    )
    for name, (digest, task) in _kept_by(run).items():
        size = task["size"] if name == task["name"] else None
        told = [digest[:_DIGITS], *([f"{size:,} bytes"] if size else []), *_from_cache(task)]
        artifact = found.add(
            Kind.ARTIFACT,
            f"{run['id']}/{name}",
            name=name,
            told=", ".join(told),
            time=run["started"],
            service=run["service"],
            data={"digest": digest, "size": size, "run": run["id"], "state": task["state"]},
        )
        found.join(own, artifact, "took from the cache" if task["state"] == "cached" else "made")


def _add_reads(found: _Found, run: Mapping[str, Any], wrote: Mapping[str, str]) -> None:
    """Add what the tasks of a run read; a version that the run itself wrote is not what it was made of."""
    own = node_id(Kind.RUN, run["id"])
    for read in (read for task in run["tasks"] for read in task["data"]):
        if "dataset" in read:
            reference = f"{read['dataset']}@{read['version']}"
            if wrote.get(reference) != run["id"]:
                found.join(_known_version(found, reference), own, "was read")
        else:
            key = f"{read['path']} {read['digest']}"
            told = f"{read['digest'][:_DIGITS]}, {read['size']:,} bytes"
            data = {"digest": read["digest"], "size": read["size"]}
            found.join(found.add(Kind.FILE, key, name=read["path"], told=told, data=data), own, "was read")


def _add_revision(found: _Found, revision: Revision, run: Mapping[str, Any] | None) -> None:
    name = str(revision.name)
    own = found.add(
        Kind.REVISION,
        name,
        name=name,
        told=f"{revision.state}: {revision.reason}",
        time=revision.created.isoformat(),
        service=revision.name.service,
        data={"state": str(revision.state), "commit": revision.commit, "dirty": revision.dirty, "run": revision.run},
    )
    kept = _kept_by(run) if run is not None else {}
    for artifact in kept:
        found.join(node_id(Kind.ARTIFACT, f"{revision.run}/{artifact}"), own, "is served")
    if run is not None and not kept:
        found.join(node_id(Kind.RUN, revision.run), own, "trained")


def _answered(lake: Lake) -> dict[str, dict[str, dict[str, int]]]:
    """Count what each revision answered: by revision, day and kind."""
    import polars as pl  # noqa: PLC0415  start-up time: whoever imports this package may not need the lake

    counts = (
        lake.predictions().group_by("revision", "date", "kind").agg(count=pl.len()).sort("revision", "date", "kind")
    )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for revision, date, kind, count in counts.collect(engine="streaming").iter_rows():
        found.setdefault(revision, {}).setdefault(date.isoformat(), {})[kind] = count
    return found


def _add_predictions(found: _Found, revision: str, days: Mapping[str, Mapping[str, int]]) -> None:
    service = revision.partition(".")[0]
    totals = sum((Counter(kinds) for kinds in days.values()), Counter[str]())
    first, last = min(days), max(days)
    told = ", ".join(f"{count:,} {kind}" for kind, count in totals.most_common())
    own = found.add(
        Kind.PREDICTIONS,
        revision,
        name=f"predictions of {revision}",
        told=f"{told}; {first if first == last else f'{first} to {last}'}",
        time=last,
        service=service,
        data={"days": days},
    )
    source = found.add(Kind.REVISION, revision, name=revision, told="its record is gone", service=service)
    found.join(source, own, "answered")


def _add_feedback(found: _Found, version: Version, catalogue: Catalogue) -> None:
    """Join what was made of the log with the revisions whose answers are in it."""
    if _service_of(version.dataset) is None:
        return
    document = catalogue.kept(version.dataset, version.number, FEEDBACK) or {}
    for revision in document.get("revisions", {}):
        answers = node_id(Kind.PREDICTIONS, revision)
        if answers in found.nodes:
            found.join(answers, node_id(Kind.DATASET, version.ref), "came back")


def _known_version(found: _Found, reference: str) -> str:
    service = _service_of(reference.partition("@")[0])
    return found.add(Kind.DATASET, reference, name=reference, told="not in the catalogue any more", service=service)


def _kept_by(run: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Give each artifact of a run by its name: its digest, and the task that kept it."""
    found = {task["name"]: (task["digest"], task) for task in run["tasks"] if task["digest"]}
    for task in run["tasks"]:
        found |= {name: (digest, task) for name, digest in task.get("kept", {}).items()}
    return found


def _from_cache(task: Mapping[str, Any]) -> list[str]:
    return ["from the cache"] if task["state"] == "cached" else []


def _service_of(dataset: str) -> str | None:
    """Name the service that a dataset was made of the log of; None for others."""
    service, dot, _ = dataset.partition(".")
    return service if dot else None
