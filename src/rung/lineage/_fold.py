"""Much of the same as one: "12 more runs", so that a tree or a picture of a long history can be read. Pure.

Nodes are put together that came of the same or led to the same, and versions of a dataset of which nothing but the next
one was made. No way between two nodes that stay is lost, and no cycle comes to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rung.lineage._graph import Edge, Kind, Lineage, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

__all__ = ["fold"]

MOST: Final = 6
"""Nodes of a kind that are shown beside each other."""
_PLURALS: Final = {Kind.PREDICTIONS: "predictions", Kind.DATASET: "versions"}
_SHOWN_FIRST: Final = frozenset({Kind.REVISION, Kind.PREDICTIONS, Kind.PREDICTION})


def fold(lineage: Lineage, kept: Collection[str] = (), *, most: int = MOST) -> Lineage:
    """Put nodes together where there are more than `most` of a kind side by side; the newest are shown.

    Args:
        lineage: What is to be shown.
        kept: Ids of nodes that stay as they are.
        most: Of a kind with the same ends, at least 2.
    """
    folding = _Folding(lineage, frozenset(kept), most)
    folding.chains()
    folding.siblings(lambda now, node: frozenset(edge.source for edge in now.parents(node)))
    folding.siblings(lambda now, node: frozenset(edge.target for edge in now.children(node)))
    return folding.now


@dataclass(slots=True)
class _Folding:
    now: Lineage
    kept: frozenset[str]
    most: int
    members: dict[str, list[Node]] = field(default_factory=dict)
    """What a folded node stands for."""

    def chains(self) -> None:
        """Put versions together of which nothing was made but the next version."""
        for chain in self._chains():
            if len(chain) > self.most:
                self._put_together(chain[:-1])

    def siblings(self, ends: Callable[[Lineage, str], frozenset[str]]) -> None:
        """Put nodes of a kind together that have the same ends, as long as there are any."""
        done: set[frozenset[str]] = set()
        while group := next(self._crowded(ends, done), None):
            done.add(frozenset(group))
            ranked = sorted(group, key=self._rank, reverse=True)
            self._put_together(ranked[self.most - 1 :])

    def _chains(self) -> list[list[str]]:
        following = {
            node.id: edge.target
            for node in self.now.nodes.values()
            if node.kind is Kind.DATASET and node.id not in self.kept
            for edge in self.now.children(node.id)
            if len(self.now.children(node.id)) == 1 and self.now.nodes[edge.target].kind is Kind.DATASET
        }
        begins = following.keys() - following.values()
        return [_followed(begin, following) for begin in sorted(begins)]

    def _crowded(
        self, ends: Callable[[Lineage, str], frozenset[str]], done: Collection[frozenset[str]]
    ) -> Iterator[list[str]]:
        groups: dict[tuple[Kind, frozenset[str]], list[str]] = {}
        for name in self.now.generations():
            shared = ends(self.now, name)
            if shared and name not in self.kept:
                groups.setdefault((self.now.nodes[name].kind, shared), []).append(name)
        return (group for group in groups.values() if len(group) > self.most and frozenset(group) not in done)

    def _rank(self, name: str) -> tuple[bool, bool, str]:
        """Tell what is shown first: what is in service, then the newest; what stands for others is one of these."""
        led_to = {self.now.nodes[found].kind for found in self.now.descendants(name)}
        return name not in self.members, bool(led_to & _SHOWN_FIRST), self.now.nodes[name].time or ""

    def _put_together(self, names: Sequence[str]) -> None:
        """Let one node stand for several."""
        members = [node for name in names for node in self.members.get(name, [self.now.nodes[name]])]
        folded = _standing_for(members)
        self.members[folded.id] = members
        gone = set(names)
        edges = (
            Edge(
                source=folded.id if edge.source in gone else edge.source,
                target=folded.id if edge.target in gone else edge.target,
                how=edge.how,
            )
            for edge in self.now.edges
            if not (edge.source in gone and edge.target in gone)
        )
        nodes = [node for name, node in self.now.nodes.items() if name not in gone]
        self.now = Lineage.of([*nodes, folded], edges)


def _followed(begin: str, following: dict[str, str]) -> list[str]:
    chain = [begin]
    while chain[-1] in following:
        chain.append(following[chain[-1]])
    return chain


def _standing_for(members: Sequence[Node]) -> Node:
    kind = members[0].kind
    times = sorted(node.time for node in members if node.time)
    told = f"{times[0][:10]} to {times[-1][:10]}" if times else ""
    services = {node.service for node in members}
    return Node(
        id=f"more:{members[0].id}",
        kind=kind,
        name=f"{len(members):,} more {_PLURALS.get(kind, f'{kind}s')}",
        told=told,
        time=times[-1] if times else None,
        service=members[0].service if len(services) == 1 else None,
        stands_for=tuple(node.id for node in members),
    )
