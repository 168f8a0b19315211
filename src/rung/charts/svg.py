"""A figure as one SVG file that needs nothing beside it and follows the reader's light or dark theme. Pure."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from rung.charts.figure import end_labels, spell_ticks, spread, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.charts.figure import Band, Curve, Figure, Panel

_WIDTH = 960
_LEFT, _RIGHT = 76, 172
_PANEL = 232
_GAP = 62
_LINE = 18
_LETTERS = 128  # of the sentence below the title, in one line

_STYLE = """
:root { --paper: #ffffff; --ink: #16202c; --faint: #5d6b7c; --grid: #e6eaef;
  --main: #1f63d6; --second: #8a3ffc; --good: #14804a; --bad: #c2272d; --quiet: #6b7787; }
@media (prefers-color-scheme: dark) { :root { --paper: #10161d; --ink: #e8edf2; --faint: #9fadbb; --grid: #26313c;
  --main: #6ea8ff; --second: #be95ff; --good: #4fd08b; --bad: #ff7b7b; --quiet: #8c9aa9; } }
svg { background: var(--paper); }
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; fill: var(--faint); }
.title { font-size: 19px; font-weight: 650; fill: var(--ink); }
.axis { fill: var(--ink); font-weight: 600; }
.tick { font-size: 12px; font-variant-numeric: tabular-nums; }
.label { font-size: 12px; }
.paper { fill: var(--paper); } .grid { stroke: var(--grid); } .frame { stroke: var(--quiet); }
.mark { stroke: var(--quiet); stroke-dasharray: 2 4; }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.rule { stroke-width: 1.4; stroke-dasharray: 7 4; } .band { opacity: .16; stroke: none; }
.leader { stroke-width: 1; opacity: .55; fill: none; }
"""
_TONES = "\n".join(
    f".{tone}.curve, .{tone}.rule, .{tone}.leader {{ stroke: var(--{tone}); }}"
    f" .{tone}.band, .{tone}.dot, .{tone}.label {{ fill: var(--{tone}); }}"
    for tone in ("main", "second", "good", "bad", "quiet")
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where a panel lies on the paper, and how its numbers become places."""

    figure: Figure
    panel: Panel
    top: float

    @property
    def bottom(self) -> float:
        return self.top + _PANEL

    def x(self, value: float) -> float:
        share = (value - self.figure.low) / (self.figure.high - self.figure.low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 2)

    def y(self, value: float) -> float:
        share = (value - self.panel.low) / (self.panel.high - self.panel.low)
        return round(self.bottom - share * _PANEL, 2)


def to_svg(figure: Figure, *, within: str | None = None) -> str:
    """Draw a figure; its words are in it as text, for search and for screen readers.

    Args:
        figure: What is drawn.
        within: Begins the ids, where it becomes part of a page, whose stylesheet colours it; None: a file of its own.
    """
    told = textwrap.wrap(figure.told, _LETTERS)
    first = 58 + _LINE * len(told) + _GAP / 2
    frames = [_Frame(figure, panel, first + number * (_PANEL + _GAP)) for number, panel in enumerate(figure.panels)]
    height = round(frames[-1].bottom + 58)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    kind = "" if within is None else ' class="chart"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"{kind}>',
        f"<title>{escape(figure.title)}</title><desc>{escape(figure.told)}</desc>",
        *([f"<style>{_STYLE}{_TONES}</style>"] if within is None else []),
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="24" y="38">{escape(figure.title)}</text>',
        *(f'<text x="24" y="{62 + _LINE * number}">{escape(line)}</text>' for number, line in enumerate(told)),
    ]
    for number, frame in enumerate(frames):
        clip = f"{within or ''}panel{number}"
        parts += [f'<clipPath id="{clip}">{_box(frame)}</clipPath>', *_panel(frame, clip)]
    parts += [*_mark_labels(frames[0]), *_x_axis(frames[-1]), "</svg>"]
    return "\n".join(parts) + "\n"


def _box(frame: _Frame) -> str:
    return f'<rect x="{_LEFT}" y="{frame.top:g}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_PANEL}"/>'


def _panel(frame: _Frame, clip: str) -> Iterator[str]:
    panel, right = frame.panel, _WIDTH - _RIGHT
    yield f'<text class="axis" x="{_LEFT}" y="{frame.top - 12:g}">{escape(panel.title)}</text>'
    for number, band in enumerate(panel.bands):
        y = frame.top - 12 - _LINE * number
        yield f'<text class="label" x="{right}" y="{y:g}" text-anchor="end">shaded: {escape(band.label)}</text>'
    heights = ticks(panel.low, panel.high)
    for height, spelled in zip(heights, spell_ticks(heights), strict=True):
        y = frame.y(height)
        yield f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
        yield f'<text class="tick" x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{spelled}</text>'
    yield f'<g clip-path="url(#{clip})">'
    for band in panel.bands:
        yield _band(frame, band)
    for mark in frame.figure.marks:
        x = frame.x(mark.x)
        yield f'<line class="mark" x1="{x}" x2="{x}" y1="{frame.top:g}" y2="{frame.bottom:g}"/>'
    for rule in panel.rules:
        y = frame.y(rule.y)
        yield f'<line class="rule {rule.tone}" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>'
    for curve in panel.curves:
        yield from _curve(frame, curve)
    yield "</g>"
    yield f'<path class="frame" fill="none" d="M{_LEFT} {frame.top:g}V{frame.bottom:g}H{right}"/>'
    yield from _labels(frame)


def _band(frame: _Frame, band: Band) -> str:
    there = [f"{frame.x(x)} {frame.y(high)}" for x, _, high in band.points]
    back = [f"{frame.x(x)} {frame.y(low)}" for x, low, _ in reversed(band.points)]
    return f'<path class="band {band.tone}" d="M{"L".join(there + back)}Z"><title>{escape(band.label)}</title></path>'


def _curve(frame: _Frame, curve: Curve) -> Iterator[str]:
    places = [(frame.x(x), frame.y(y)) for x, y in curve.points]
    line = "L".join(f"{x} {y}" for x, y in places)
    yield f'<path class="curve {curve.tone}" d="M{line}"><title>{escape(curve.label)}</title></path>'
    for x, y in places if curve.dotted else places[-1:]:
        yield f'<circle class="dot {curve.tone}" cx="{x}" cy="{y}" r="{3.4 if curve.dotted else 4}"/>'


def _labels(frame: _Frame) -> Iterator[str]:
    labels, right = end_labels(frame.panel), _WIDTH - _RIGHT
    wanted = [frame.y(height) for height, _, _ in labels]
    places = spread(wanted, gap=16, low=frame.top, high=frame.bottom)
    for (_, label, tone), at, place in zip(labels, wanted, places, strict=True):
        yield f'<path class="leader {tone}" d="M{right + 3} {at}L{right + 13} {place:g}"/>'
        yield f'<text class="label {tone}" x="{right + 18}" y="{place + 4:g}">{escape(label)}</text>'


def _mark_labels(frame: _Frame) -> Iterator[str]:
    for mark in frame.figure.marks:
        yield f'<text class="tick" x="{frame.x(mark.x) + 4}" y="{frame.top + 13:g}">{escape(mark.label)}</text>'


def _x_axis(frame: _Frame) -> Iterator[str]:
    numbers = ticks(frame.figure.low, frame.figure.high, most=9)
    for number, spelled in zip(numbers, spell_ticks(numbers), strict=True):
        x = frame.x(number)
        yield f'<path class="frame" d="M{x} {frame.bottom:g}v5"/>'
        yield f'<text class="tick" x="{x}" y="{frame.bottom + 20:g}" text-anchor="middle">{spelled}</text>'
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    title = escape(frame.figure.x_title)
    yield f'<text class="axis" x="{middle:g}" y="{frame.bottom + 42:g}" text-anchor="middle">{title}</text>'
