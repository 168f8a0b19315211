"""What was made of what, as a value: nodes, and edges from what was taken to what was made of it. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

__all__ = ["Edge", "Kind", "Lineage", "Node"]


class Kind(StrEnum):
    """What a node is; in the order in which one comes of the other."""

    SOURCE = "source"
    """Where rows were ingested from: a file elsewhere, a database, a bucket."""
    FILE = "file"
    """A file of the workspace with the content that a training read."""
    DATASET = "dataset"
    """One version of a dataset."""
    RUN = "run"
    ARTIFACT = "artifact"
    """What one run kept under one name."""
    REVISION = "revision"
    PREDICTIONS = "predictions"
    """All that one revision answered."""
    PREDICTION = "prediction"
    """One answer."""
    OUTCOME = "outcome"
    """What came of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing that was made, or that something was made of."""

    id: str  # unlike any other's
    kind: Kind
    name: str  # as people call it: "houses@3", "housing.v1.m2"
    told: str = ""  # a few words about it
    time: str | None = None  # when it was made, RFC 3339, UTC
    service: str | None = None  # whose it is; None: nobody's in particular
    data: Mapping[str, Any] = field(default_factory=dict)  # all else that is known, as JSON data
    stands_for: tuple[str, ...] = ()  # ids of the nodes that are shown as this one

    @property
    def is_folded(self) -> bool:
        """Whether it stands for several."""
        return bool(self.stands_for)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {
            "id": self.id,
            "kind": str(self.kind),
            "name": self.name,
            "told": self.told,
            "time": self.time,
            "service": self.service,
            "data": dict(self.data),
            "stands_for": list(self.stands_for),
        }


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edge:
    """Something was taken, something was made of it."""

    source: str  # id of what was taken
    target: str  # id of what was made
    how: str = ""  # a word or two: "read", "made", "serves"


@dataclass(frozen=True)
class Lineage:
    """Nodes and edges without a cycle.

    Raises:
        CallError: Two nodes have one id, an edge leads to a node that is not there, or edges lead round.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        known = self.nodes.keys()
        loose = next((edge for edge in self.edges if not {edge.source, edge.target} <= known), None)
        if loose is not None:
            raise CallError(f"an edge from {loose.source} to {loose.target} has an end that is not there")
        round_about = known - set(self._sorted())
        if round_about:
            raise CallError(f"{min(round_about)} would be made of itself", hint="edges lead from older to newer")

    @classmethod
    def of(cls, nodes: Iterable[Node], edges: Iterable[Edge]) -> Self:
        """Make one; of edges between the same two nodes the first counts.

        Raises:
            CallError: As the class.
        """
        found: dict[str, Node] = {}
        for node in nodes:
            if found.setdefault(node.id, node) != node:
                raise CallError(f"two nodes are called {node.id}")
        between: dict[tuple[str, str], Edge] = {}
        for edge in edges:
            between.setdefault((edge.source, edge.target), edge)
        return cls(found, tuple(between.values()))

    def parents(self, node: str) -> tuple[Edge, ...]:
        """Give the edges that lead to a node."""
        return self._ends[1].get(node, ())

    def children(self, node: str) -> tuple[Edge, ...]:
        """Give the edges that lead away from a node."""
        return self._ends[0].get(node, ())

    def ancestors(self, *nodes: str) -> frozenset[str]:
        """Name all that these nodes were made of, however far back; themselves only where one was made of another."""
        return self._reached(nodes, lambda node: (edge.source for edge in self.parents(node)))

    def descendants(self, *nodes: str) -> frozenset[str]:
        """Name all that was made of these nodes, however far on; themselves only where one was made of another."""
        return self._reached(nodes, lambda node: (edge.target for edge in self.children(node)))

    def around(self, *nodes: str, up: bool = True, down: bool = True) -> Lineage:
        """Give these nodes with what they were made of and what was made of them."""
        wanted = {*nodes}
        wanted |= self.ancestors(*nodes) if up else frozenset()
        wanted |= self.descendants(*nodes) if down else frozenset()
        return self.only(wanted)

    def only(self, wanted: Collection[str]) -> Lineage:
        """Give some of the nodes, and the edges between them."""
        edges = tuple(edge for edge in self.edges if edge.source in wanted and edge.target in wanted)
        return Lineage({name: node for name, node in self.nodes.items() if name in wanted}, edges)

    def generations(self) -> dict[str, int]:
        """Count for each node the steps of the longest way that leads to it: what it was made of has fewer."""
        found: dict[str, int] = {}
        for node in self._sorted():
            found[node] = 1 + max((found[edge.source] for edge in self.parents(node)), default=-1)
        return found

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {
            "nodes": [node.to_json() for node in self.nodes.values()],
            "edges": [{"source": edge.source, "target": edge.target, "how": edge.how} for edge in self.edges],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        nodes = (
            Node(**{**node, "kind": Kind(node["kind"]), "stands_for": tuple(node["stands_for"])})
            for node in data["nodes"]
        )
        return cls.of(nodes, (Edge(**edge) for edge in data["edges"]))

    @cached_property
    def _ends(self) -> tuple[dict[str, tuple[Edge, ...]], dict[str, tuple[Edge, ...]]]:
        """Edges by where they come from, and by where they lead to."""
        sources: dict[str, list[Edge]] = {}
        targets: dict[str, list[Edge]] = {}
        for edge in self.edges:
            sources.setdefault(edge.source, []).append(edge)
            targets.setdefault(edge.target, []).append(edge)
        return _frozen(sources), _frozen(targets)

    def _sorted(self) -> Iterator[str]:
        """Give the nodes so that each comes after what it was made of; those in a cycle are left out."""
        waiting = {name: len(self.parents(name)) for name in self.nodes}
        ready = deque(name for name, count in waiting.items() if not count)
        while ready:
            name = ready.popleft()
            yield name
            for edge in self.children(name):
                waiting[edge.target] -= 1
                if not waiting[edge.target]:
                    ready.append(edge.target)

    def _reached(self, nodes: Collection[str], step: Callable[[str], Iterable[str]]) -> frozenset[str]:
        found: set[str] = set()
        ways = list(nodes)
        while ways:
            new = set(step(ways.pop())) - found
            found |= new
            ways += new
        return frozenset(found)


def _frozen(ends: Mapping[str, list[Edge]]) -> dict[str, tuple[Edge, ...]]:
    return {name: tuple(edges) for name, edges in ends.items()}
