"""Where the boxes of a picture lie: from left to right, what was made right of what it was made of. Pure.

Layers by longest ways, order by barycentres, places by isotonic regression: the method of K. Sugiyama, S. Tagawa and
M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE SMC 11 (1981).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.lineage._graph import Lineage

__all__ = ["Layout", "lay_out"]

_SWEEPS: Final = 12
_BOX: Final = 1.0
"""Height of a box with its gap; a line that passes between boxes takes a share of it."""
_LINE: Final = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Places in units of one layer and one box."""

    places: Mapping[str, tuple[int, float]]  # node to its layer, and to its height: 0 is the highest
    ways: Mapping[tuple[str, str], tuple[tuple[int, float], ...]]  # edge to where it passes, ends and all
    layers: int
    height: float  # of the lowest place


def lay_out(lineage: Lineage) -> Layout:
    """Find places for all nodes, so that few edges cross and ways are short."""
    layer_of = _layers(lineage)
    chains = {(edge.source, edge.target): _chain(edge.source, edge.target, layer_of) for edge in sorted(lineage.edges)}
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name, layer in sorted(layer_of.items()):
        layers[layer].append(name)
    neighbours: tuple[dict[str, list[str]], dict[str, list[str]]] = {}, {}
    for chain in chains.values():
        for at, name in enumerate(chain[1:-1], layer_of[chain[0]] + 1):
            layers[at].append(name)
        for one, other in pairwise(chain):
            neighbours[0].setdefault(other, []).append(one)
            neighbours[1].setdefault(one, []).append(other)
    _order(layers, neighbours)
    heights = _heights(layers, neighbours, lineage)
    places = {name: (layer, heights[name]) for layer, names in enumerate(layers) for name in names}
    return Layout(
        places={name: places[name] for name in lineage.nodes},
        ways={edge: tuple(places[name] for name in chain) for edge, chain in chains.items()},
        layers=len(layers),
        height=max(heights.values(), default=0.0),
    )


def _layers(lineage: Lineage) -> dict[str, int]:
    """Give each node a layer right of all that it was made of; what was made of nothing lies as far right as it can."""
    found = lineage.generations()
    for name in found:
        children = [found[edge.target] for edge in lineage.children(name)]
        if children and not lineage.parents(name):
            found[name] = min(children) - 1
    return found


def _chain(source: str, target: str, layer_of: Mapping[str, int]) -> list[str]:
    """Name the places that an edge passes: one in each layer between its ends."""
    between = range(layer_of[source] + 1, layer_of[target])
    return [source, *(f"{source}\0{target}\0{layer}" for layer in between), target]


def _order(layers: list[list[str]], neighbours: tuple[dict[str, list[str]], dict[str, list[str]]]) -> None:
    """Sort each layer by where its neighbours are, to and fro."""
    for sweep in range(_SWEEPS):
        before = neighbours[sweep % 2]
        ordered = layers if sweep % 2 == 0 else layers[::-1]
        for fixed, moving in pairwise(ordered):
            rank = {name: place / max(len(fixed) - 1, 1) for place, name in enumerate(fixed)}
            now = {name: place / max(len(moving) - 1, 1) for place, name in enumerate(moving)}
            wanted = {
                name: fmean(rank[one] for one in before[name]) if name in before else now[name] for name in moving
            }
            moving.sort(key=wanted.__getitem__)


def _heights(
    layers: Sequence[Sequence[str]], neighbours: tuple[dict[str, list[str]], dict[str, list[str]]], lineage: Lineage
) -> dict[str, float]:
    """Move what is in a layer towards its neighbours, as far as its order and the room that each takes allow."""
    heights: dict[str, float] = {}
    for names in layers:
        at = 0.0
        for name in names:
            heights[name] = at
            at += _BOX if name in lineage.nodes else _LINE
    for sweep in range(_SWEEPS):
        before = neighbours[sweep % 2]
        for names in layers if sweep % 2 == 0 else layers[::-1]:
            wanted = [
                fmean(heights[one] for one in before[name]) if name in before else heights[name] for name in names
            ]
            rooms = [_BOX if name in lineage.nodes else _LINE for name in names]
            heights |= zip(names, _apart(wanted, rooms), strict=True)
    highest = min(heights.values(), default=0.0)
    return {name: height - highest for name, height in heights.items()}


def _apart(wanted: Sequence[float], rooms: Sequence[float]) -> list[float]:
    """Move places apart until neighbours have room, as little as that takes in all (least squares); the order stays.

    >>> _apart([0.0, 0.0, 5.0], [1.0, 1.0, 1.0])
    [-0.5, 0.5, 5.0]
    """
    offsets = [0.0]
    for one, other in pairwise(rooms):
        offsets.append(offsets[-1] + (one + other) / 2)
    blocks: list[tuple[float, int]] = []  # mean of what they want, and how many are in the block
    for want, offset in zip(wanted, offsets, strict=False):
        mean, count = want - offset, 1
        while blocks and blocks[-1][0] > mean:
            last, several = blocks.pop()
            mean, count = (last * several + mean * count) / (several + count), several + count
        blocks.append((mean, count))
    bases = [mean for mean, count in blocks for _ in range(count)]
    return [base + offset for base, offset in zip(bases, offsets, strict=False)]
