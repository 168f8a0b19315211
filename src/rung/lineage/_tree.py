"""A lineage as lines for a terminal: what something was made of, then what was made of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rung.lineage._graph import Lineage

__all__ = ["Line", "to_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a tree."""

    branch: str = ""  # what is drawn before the name
    name: str = ""
    rest: str = ""  # what is told of it

    def __str__(self) -> str:
        return "  ".join(part for part in (f"{self.branch}{self.name}", self.rest) if part).rstrip()


def to_lines(lineage: Lineage, focus: Sequence[str], *, up: bool = True, down: bool = True) -> list[Line]:
    """Draw the trees of some nodes; what was drawn once is only named again.

    Args:
        lineage: All nodes and edges that may be drawn.
        focus: Ids of the nodes to begin with.
        up: Draw what they were made of.
        down: Draw what was made of them.
    """
    lines: list[Line] = []
    for name in focus:
        node = lineage.nodes[name]
        lines.append(Line(name=node.name, rest=_told(lineage, name)))
        for wanted, title, is_up in ((up, "made of", True), (down, "went into", False)):
            branches = list(_branches(lineage, name, is_up=is_up, drawn=set(), before="  "))
            if wanted and branches:
                lines += [Line(name=f"  {title}"), *branches]
            elif wanted:
                lines.append(Line(name=f"  {'made of nothing' if is_up else 'went into nothing'} that is on record"))
    return lines


def _branches(lineage: Lineage, name: str, *, is_up: bool, drawn: set[str], before: str) -> Iterator[Line]:
    edges = lineage.parents(name) if is_up else lineage.children(name)
    others = [lineage.nodes[edge.source if is_up else edge.target] for edge in edges]
    others.sort(key=lambda node: (node.is_folded, node.kind, node.name))
    for place, node in enumerate(others, 1):
        other, is_last = node.id, place == len(others)
        told = "see above" if other in drawn else _told(lineage, other)
        yield Line(branch=f"{before}{'└─ ' if is_last else '├─ '}", name=node.name, rest=told)
        if other not in drawn:
            drawn.add(other)
            deeper = before + ("   " if is_last else "│  ")
            yield from _branches(lineage, other, is_up=is_up, drawn=drawn, before=deeper)


def _told(lineage: Lineage, name: str) -> str:
    node = lineage.nodes[name]
    kind = "" if node.is_folded else str(node.kind)
    return ", ".join(part for part in (kind, node.told) if part)
