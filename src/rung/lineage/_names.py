"""What somebody means by a name, and its lineage. Called by the CLI and by the control plane's API."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError, NotFoundError
from rung.lineage._gather import Records, gather, node_id
from rung.lineage._graph import Edge, Kind, Lineage, Node
from rung.lineage._prediction import outcomes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Asked", "find", "lineage_of"]

_DIGEST: Final = re.compile(r"(sha256:)?([0-9a-f]{6,64})")
_LONGEST: Final = 2_000
"""Letters of a name: sources may be URLs."""
_NEAR: Final = 100
"""Letters of a name that is looked for among similar ones."""
_NAMED: Final = (Kind.DATASET, Kind.RUN, Kind.REVISION, Kind.FILE, Kind.SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The lineage of what was asked about."""

    name: str
    focus: tuple[str, ...]  # ids of the nodes that were meant
    lineage: Lineage

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {"name": self.name, "focus": list(self.focus), **self.lineage.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Asked:
        """Read what `to_json` gave."""
        return cls(name=data["name"], focus=tuple(data["focus"]), lineage=Lineage.from_json(data))


def lineage_of(
    name: str,
    records: Records,
    *,
    up: bool = True,
    down: bool = True,
    may_see: Callable[[str], bool] = lambda _: True,
) -> Asked:
    """Find what is meant by a name, what it was made of, and what was made of it.

    Args:
        name: Of a dataset or one of its versions, a run, a revision, a major or a service, an artifact's digest or its
            beginning, a file or source that was read, or the id of a prediction.
        records: Where to look.
        up: Also what it was made of.
        down: Also what was made of it.
        may_see: Whether things of this service may be shown.

    Raises:
        NotFoundError: Nothing has that name.
        CallError: The beginning of a digest fits several.
        UnavailableError: The registry, the catalogue or the lake does not answer.
    """
    lineage = _visible(gather(records), may_see)
    focus = find(lineage, name)
    if not focus:
        lineage = _with_prediction(lineage, name, records, may_see)
        focus = find(lineage, name)
    if not focus:
        raise _unknown(lineage, name)
    return Asked(name=name, focus=focus, lineage=lineage.around(*focus, up=up, down=down))


def find(lineage: Lineage, name: str) -> tuple[str, ...]:
    """Give the ids of the nodes that a name means; none when nothing has it.

    Raises:
        CallError: The beginning of a digest fits several.
    """
    nodes = lineage.nodes.values()
    if node_id(Kind.REVISION, name) in lineage.nodes:
        return (node_id(Kind.REVISION, name),)  # and not its training, which has the same name
    exact = [node.id for node in nodes if node.kind in _NAMED and node.name == name]
    exact += [node.id for node in nodes if node.id == node_id(Kind.PREDICTION, name)]
    if exact:
        return tuple(exact)
    versions = [node.id for node in nodes if node.kind is Kind.DATASET and node.name.partition("@")[0] == name]
    revisions = [node.id for node in nodes if node.kind is Kind.REVISION and node.name.startswith(f"{name}.")]
    return tuple(versions or revisions or _of_digest(lineage, name))


def _of_digest(lineage: Lineage, name: str) -> list[str]:
    match = _DIGEST.fullmatch(name)
    if match is None:
        return []
    begin = f"sha256:{match[2]}"
    fits = [node for node in lineage.nodes.values() if str(node.data.get("digest") or "").startswith(begin)]
    digests = sorted({node.data["digest"] for node in fits})
    if len(digests) > 1:
        raise CallError(f"{name} is the beginning of {len(digests)} digests", hint=f"as {digests[0]}: give more of it")
    return [node.id for node in fits]


def _visible(lineage: Lineage, may_see: Callable[[str], bool]) -> Lineage:
    services = {node.service for node in lineage.nodes.values() if node.service is not None}
    hidden = {service for service in services if not may_see(service)}
    if not hidden:
        return lineage
    return lineage.only({name for name, node in lineage.nodes.items() if node.service not in hidden})


def _with_prediction(lineage: Lineage, name: str, records: Records, may_see: Callable[[str], bool]) -> Lineage:
    """Add one prediction, and what came of it."""
    row = records.lake.prediction(name) if 0 < len(name) <= _LONGEST else None
    revision = node_id(Kind.REVISION, row["revision"]) if row is not None else ""
    if row is None or revision not in lineage.nodes or not may_see(row["service"]):
        return lineage
    time = row["time"].isoformat()
    told = f"{row['kind']}, {row['route']} answered {row['status']} at {time[:19]}"
    own = Node(
        id=node_id(Kind.PREDICTION, name),
        kind=Kind.PREDICTION,
        name=name,
        told=told,
        time=time,
        service=row["service"],
        data={key: row[key] for key in ("kind", "route", "status", "unit", "arm", "experiment", "predictions")},
    )
    nodes, edges = [own], [Edge(source=revision, target=own.id, how="answered")]
    for place, outcome in enumerate(outcomes_of(records.lake, row)):
        came = Node(
            id=node_id(Kind.OUTCOME, f"{name} {place}"),
            kind=Kind.OUTCOME,
            name=f"{outcome['metric']} {outcome['value']:g}",
            told=f"at {outcome['at'][:19]}",
            time=outcome["at"],
            service=row["service"],
            data=outcome,
        )
        nodes.append(came)
        edges.append(Edge(source=own.id, target=came.id, how="came of it"))
    return Lineage.of([*lineage.nodes.values(), *nodes], [*lineage.edges, *edges])


def _unknown(lineage: Lineage, name: str) -> NotFoundError:
    known = {node.name for node in lineage.nodes.values() if node.kind in _NAMED}
    known |= {one.partition("@")[0] for one in known if "@" in one}
    close = difflib.get_close_matches(name, known, n=3) if len(name) <= _NEAR else []
    kinds = "name a dataset, a run, a revision, a digest, a file that was read, or a prediction by its x-request-id"
    hint = f"did you mean {' or '.join(close)}?" if close else kinds
    return NotFoundError(f"nothing on record is called {name!r}", hint=hint)
