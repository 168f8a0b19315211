"""A lineage as one SVG file that needs nothing beside it and follows the reader's light or dark theme. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from rung.lineage._graph import Kind
from rung.lineage._layout import Layout, lay_out

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from rung.lineage._graph import Lineage, Node

__all__ = ["to_svg"]

_WIDTH, _HEIGHT = 236, 44
"""Of a box, as all lengths in pixels."""
_ACROSS, _DOWN = 292, 58
"""From one box to the next."""
_LEFT, _TOP = 24, 104
_NAME, _TOLD = 28, 36
"""Letters that fit into a box."""
_LEGEND = 108

_TONES: Final = {
    Kind.SOURCE: ("#6b7787", "#8c9aa9"),
    Kind.FILE: ("#6b7787", "#8c9aa9"),
    Kind.DATASET: ("#14804a", "#4fd08b"),
    Kind.RUN: ("#b06000", "#ffb454"),
    Kind.ARTIFACT: ("#1f63d6", "#6ea8ff"),
    Kind.REVISION: ("#8a3ffc", "#be95ff"),
    Kind.PREDICTIONS: ("#c2272d", "#ff7b7b"),
    Kind.PREDICTION: ("#c2272d", "#ff7b7b"),
    Kind.OUTCOME: ("#0b7285", "#5fd0e0"),
}
"""Colour of each kind on light and on dark paper."""

_STYLE: Final = """
:root { --paper: #ffffff; --box: #f6f8fa; --ink: #16202c; --faint: #5d6b7c; --line: #c3ccd6; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #10161d; --box: #18212b; --ink: #e8edf2; --faint: #9fadbb; --line: #3d4b5a; } }
svg { background: var(--paper); }
text { font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; fill: var(--faint); }
.title { font-size: 19px; font-weight: 650; fill: var(--ink); }
.name { font-size: 13px; font-weight: 600; fill: var(--ink); } .told { font-size: 11px; }
.paper { fill: var(--paper); } .box { fill: var(--box); stroke: var(--line); }
.way { fill: none; stroke: var(--line); stroke-width: 1.4; } .focus .box { stroke: var(--ink); stroke-width: 2.2; }
"""


@dataclass(frozen=True, slots=True)
class _Paper:
    lineage: Lineage
    layout: Layout
    focus: Collection[str]

    @property
    def width(self) -> int:
        return max(_LEFT * 2 + _WIDTH + _ACROSS * (self.layout.layers - 1), _LEFT * 2 + _LEGEND * len(_TONES))

    @property
    def height(self) -> int:
        return round(_TOP + self.layout.height * _DOWN + _HEIGHT + 24)

    def boxes(self) -> Iterator[str]:
        for name, node in self.lineage.nodes.items():
            layer, place = self.layout.places[name]
            yield from _box(node, _LEFT + layer * _ACROSS, _TOP + place * _DOWN, is_focus=name in self.focus)

    def ways(self) -> Iterator[str]:
        for edge in self.lineage.edges:
            one, other = self.lineage.nodes[edge.source], self.lineage.nodes[edge.target]
            path = _path(self.layout.ways[edge.source, edge.target])
            told = escape(f"{one.name} → {other.name}" + (f": {edge.how}" if edge.how else ""))
            yield f'<path class="way" d="{path}"><title>{told}</title></path>'


def to_svg(lineage: Lineage, focus: Collection[str] = (), *, title: str) -> str:
    """Draw a lineage from left to right; its words are in it as text, for search and for screen readers.

    Args:
        lineage: What to draw; of a long history, folded.
        focus: Ids of the nodes that are asked about; they get a thicker frame.
        title: Above the picture.
    """
    paper = _Paper(lineage, lay_out(lineage), focus)
    size = f'viewBox="0 0 {paper.width} {paper.height}" width="{paper.width}" height="{paper.height}"'
    told = f"{len(lineage.nodes):,} boxes; what was made lies right of what it was made of"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>",
        f"<style>{_STYLE}{_tones()}</style>",
        f'<rect class="paper" width="{paper.width}" height="{paper.height}"/>',
        f'<text class="title" x="{_LEFT}" y="36">{escape(title)}</text>',
        *_legend({node.kind for node in lineage.nodes.values()}),
        *paper.ways(),
        *paper.boxes(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _tones() -> str:
    light = " ".join(f".{kind} {{ fill: {tone}; }}" for kind, (tone, _) in _TONES.items())
    dark = " ".join(f".{kind} {{ fill: {tone}; }}" for kind, (_, tone) in _TONES.items())
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n"


def _legend(kinds: Collection[Kind]) -> Iterator[str]:
    for place, kind in enumerate(kind for kind in Kind if kind in kinds):
        x = _LEFT + place * _LEGEND
        yield f'<rect class="{kind}" x="{x}" y="56" width="10" height="10" rx="2"/>'
        yield f'<text x="{x + 16}" y="65">{kind}</text>'


def _box(node: Node, x: float, y: float, *, is_focus: bool) -> Iterator[str]:
    told = ", ".join(part for part in (str(node.kind), node.told) if part)
    focus = ' class="focus"' if is_focus else ""
    yield f"<g{focus}><title>{escape(f'{node.name}: {told}')}</title>"
    if node.is_folded:
        yield f'<rect class="box" x="{x + 5}" y="{y + 5:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
    yield f'<rect class="box" x="{x}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5"/>'
    yield f'<rect class="{node.kind}" x="{x}" y="{y:g}" width="5" height="{_HEIGHT}" rx="2.5"/>'
    yield f'<text class="name" x="{x + 14}" y="{y + 19:g}">{escape(_cut(node.name, _NAME))}</text>'
    yield f'<text class="told" x="{x + 14}" y="{y + 35:g}">{escape(_cut(node.told, _TOLD))}</text></g>'


def _path(way: tuple[tuple[int, float], ...]) -> str:
    """Lead a line from the right of one box to the left of another, level where it passes others."""
    middles = [(_LEFT + layer * _ACROSS, _TOP + place * _DOWN + _HEIGHT / 2) for layer, place in way]
    x, y = middles[0]
    path = f"M{x + _WIDTH:g} {y:g}"
    at = x + _WIDTH
    for number, (left, height) in enumerate(middles[1:], 1):
        bend = (left - at) / 2
        path += f"C{at + bend:g} {y:g} {left - bend:g} {height:g} {left:g} {height:g}"
        at, y = left, height
        if number < len(middles) - 1:
            path += f"H{left + _WIDTH:g}"
            at = left + _WIDTH
    return path


def _cut(text: str, longest: int) -> str:
    """Shorten in the middle: names differ at both ends."""
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"
