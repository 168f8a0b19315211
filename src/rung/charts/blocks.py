"""Charts, bars and gauges in the characters of a terminal. Pure: numbers in, lines out; colours by `click.style`."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from rung.charts.figure import end_labels, height_at, spell_ticks, spread, ticks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rung.charts.figure import Figure, Panel, Tone

_COLOURS: dict[Tone, str] = {
    "main": "bright_blue",
    "second": "magenta",
    "good": "green",
    "bad": "red",
    "quiet": "bright_black",
}
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_BLANK = 0x2800
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a cell's eight dots, by row and column."""
_FEWEST_COLUMNS = 24
_STEPS = "▁▂▃▄▅▆▇█"
COLUMN_STEPS = len(_STEPS)
"""Heights that a column may have."""
_SHADES = "█▓░"
"""Parts of a bar, told apart without colours too."""
ROW_INDENT = 14
"""Characters of a line before what it tells."""


def coloured(text: str, tone: Tone, *, bold: bool = False) -> str:
    """Colour a text by what it says."""
    return click.style(text, fg=_COLOURS[tone], bold=bold or None)


def fit(line: str, width: int) -> str:
    """Cut a line with colours to a width.

    >>> fit("abcdef", 4)
    'abc…'
    """
    if len(click.unstyle(line)) <= width:
        return line
    kept, left = [], max(width - 1, 0)
    for part in _COLOUR.split(line):
        kept.append(part if _COLOUR.match(part) else part[:left])
        left -= 0 if _COLOUR.match(part) else len(kept[-1])
    return "".join(kept) + "…"


def bar(share: float, width: int, tone: Tone = "main") -> str:
    """Draw a share of 1 as a bar, half a character at a time.

    >>> click.unstyle(bar(0.25, 8))
    '━━──────'
    """
    halves = round(max(0.0, min(share, 1.0)) * width * 2)
    full = "━" * (halves // 2) + "╸" * (halves % 2)
    return coloured(full, tone) + coloured("─" * (width - len(full)), "quiet")


def stacked(shares: Sequence[tuple[float, Tone]], width: int) -> str:
    """Draw shares of 1 as one bar; what is above 0 gets a character at least, at the cost of the largest.

    >>> click.unstyle(stacked([(0.99, "good"), (0.0, "main"), (0.01, "bad")], 10))
    '█████████░'
    """
    cells = [max(round(share * width), int(share > 0)) for share, _ in shares]
    cells[cells.index(max(cells))] += width - sum(cells)
    drawn = zip(_SHADES, cells, shares, strict=False)
    return "".join(coloured(shade * count, tone) for shade, count, (_, tone) in drawn)


def columns(counts: Sequence[int], tone: Tone = "main") -> str:
    """Draw counts as columns of up to eight steps, the largest full; what is above 0 gets one step at least.

    >>> click.unstyle(columns([0, 1, 50, 100]))
    ' ▁▄█'
    """
    largest = max(counts, default=0)
    steps = [max(round(count / largest * len(_STEPS)), int(count > 0)) if largest else 0 for count in counts]
    return coloured("".join(_STEPS[step - 1] if step else " " for step in steps), tone)


def scale(
    low: float, high: float, width: int, *, points: Sequence[tuple[float, str, Tone]], span: tuple[float, float]
) -> str:
    """Draw a range of numbers as a line, a span of it heavy, with signs at points; later signs cover earlier ones.

    >>> click.unstyle(scale(0.0, 9.0, 10, points=[(3.0, "●", "main")], span=(2.0, 5.0)))
    '──━●━━────'
    """
    begin, end = (column_of(max(low, min(at, high)), low, high, width) for at in span)
    cells = [coloured("━", "main") if begin <= column <= end else coloured("─", "quiet") for column in range(width)]
    for at, sign, tone in points:
        cells[column_of(at, low, high, width)] = coloured(sign, tone, bold=True)
    return "".join(cells)


def column_of(value: float, low: float, high: float, width: int) -> int:
    """Give the character of a line that stands for a number; the ends stand for all beyond.

    >>> column_of(5.0, 0.0, 10.0, 11), column_of(99.0, 0.0, 10.0, 11)
    (5, 10)
    """
    share = (value - low) / (high - low) if high > low else 0.0
    return round(max(0.0, min(share, 1.0)) * (width - 1))


def below(width: int, texts: Sequence[tuple[int, str]]) -> str:
    """Write texts below columns, each in the middle of its own; one that would touch another is moved right.

    >>> below(12, [(1, "0"), (8, "10")])
    ' 0     10'
    """
    line = ""
    for column, text in sorted(texts):
        start = min(max(column - len(text) // 2, 0), max(width - len(text), 0))
        line = (line + " " if line else "").ljust(start) + text
    return line


def row(name: str, cells: Sequence[str]) -> str:
    """Write a line that begins with what it is about."""
    return f"{click.style(f'{name:<{ROW_INDENT - 2}}', fg='cyan')}  {'  '.join(cells)}"


@dataclass(slots=True)
class _Grid:
    """The characters of a panel."""

    columns: int
    rows: int
    panel: Panel
    low: float
    high: float
    _cells: dict[tuple[int, int], str] = field(default_factory=dict)
    _dots: dict[tuple[int, int], tuple[int, Tone]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        for place, (bits, tone) in self._dots.items():
            self._cells[place] = coloured(chr(_BLANK + bits), tone)
        return ["".join(self._cells.get((row, column), " ") for column in range(self.columns)) for row in self._rows()]

    def row_at(self, y: float) -> float:
        share = (y - self.panel.low) / (self.panel.high - self.panel.low)
        return (1 - share) * (self.rows - 1)

    def row_of(self, y: float) -> int:
        return _nearest(self.row_at(y))

    def shade(self, points: Sequence[tuple[float, float, float]]) -> None:
        """Shade a band."""
        lows, highs = [(x, low) for x, low, _ in points], [(x, high) for x, _, high in points]
        for column in range(self.columns):
            low, high = (height_at(edge, self._x(column, self.columns)) for edge in (lows, highs))
            if low is None or high is None:
                continue
            for row in self._rows():
                if low <= self._y(row, self.rows) <= high:
                    self._cells[row, column] = coloured("░", "quiet")

    def rule(self, y: float, tone: Tone) -> None:
        """Draw a horizontal line."""
        if self.panel.low <= y <= self.panel.high:
            self._cells |= {(self.row_of(y), column): coloured("╌", tone) for column in range(self.columns)}

    def mark(self, x: float) -> None:
        """Draw a vertical line."""
        column = column_of(x, self.low, self.high, self.columns)
        self._cells |= {(row, column): coloured("┊", "quiet") for row in self._rows()}

    def curve(self, points: Sequence[tuple[float, float]], tone: Tone) -> None:
        """Draw a line, eight dots to a character."""
        before: int | None = None
        for column in range(self.columns * 2):
            height = height_at(points, self._x(column, self.columns * 2))
            if height is None or not self.panel.low <= height <= self.panel.high:
                before = None
                continue
            row = self._dot_row(height)
            for one in range(min(row, row if before is None else before), max(row, before or row) + 1):
                self._dot(one, column, tone)
            before = row
        for x, y in points:
            if self.panel.low <= y <= self.panel.high:
                self._dot(self._dot_row(y), column_of(x, self.low, self.high, self.columns * 2), tone)

    def _dot(self, row: int, column: int, tone: Tone) -> None:
        place = row // 4, column // 2
        bits, _ = self._dots.get(place, (0, tone))
        self._dots[place] = bits | _DOTS[row % 4][column % 2], tone

    def _dot_row(self, y: float) -> int:
        share = (y - self.panel.low) / (self.panel.high - self.panel.low)
        return self.rows * 4 - 1 - round(share * (self.rows * 4 - 1))

    def _rows(self) -> range:
        return range(self.rows)

    def _x(self, column: int, columns: int) -> float:
        return self.low + column / (columns - 1) * (self.high - self.low)

    def _y(self, row: int, rows: int) -> float:
        return self.panel.high - row / (rows - 1) * (self.panel.high - self.panel.low)


def _nearest(place: float) -> int:
    """Round halves up, so that places that are one apart stay apart."""
    return math.floor(place + 0.5)


def to_blocks(figure: Figure, *, width: int = 100, rows: int = 14) -> list[str]:
    """Draw a figure as lines: curves in dots of Braille, bands shaded, labels beside their right ends."""
    lines = [click.style(figure.title, bold=True), *textwrap.wrap(figure.told, width)]
    beside = max((len(label) for panel in figure.panels for _, label, _ in end_labels(panel)), default=0)
    left = max(len(spelled) for panel in figure.panels for spelled in spell_ticks(ticks(panel.low, panel.high)))
    columns = max(width - left - beside - 4, _FEWEST_COLUMNS)
    for panel in figure.panels:
        shaded = "".join(f"  ░ {band.label}" for band in panel.bands)
        lines += ["", f"{' ' * (left + 2)}{click.style(panel.title, bold=True)}{coloured(shaded, 'quiet')}"]
        lines += _panel(figure, panel, columns=columns, rows=rows, left=left)
    lines += [f"{' ' * (left + 1)}└{'─' * columns}", *_x_axis(figure, columns, left)]
    return [fit(line.rstrip(), width) for line in lines]


def _panel(figure: Figure, panel: Panel, *, columns: int, rows: int, left: int) -> Iterator[str]:
    grid = _Grid(columns=columns, rows=rows, panel=panel, low=figure.low, high=figure.high)
    for band in panel.bands:
        grid.shade(band.points)
    for mark in figure.marks:
        grid.mark(mark.x)
    for rule in panel.rules:
        grid.rule(rule.y, rule.tone)
    for curve in panel.curves:
        grid.curve(curve.points, curve.tone)
    heights = ticks(panel.low, panel.high, most=rows // 2)
    beside = dict(zip((grid.row_of(height) for height in heights), spell_ticks(heights), strict=True))
    labels = _beside(grid, panel)
    for row, drawn in enumerate(grid.lines()):
        yield f"{beside.get(row, ''):>{left}} {'┤' if row in beside else '│'}{drawn} {labels.get(row, '')}"


def _beside(grid: _Grid, panel: Panel) -> dict[int, str]:
    labels = end_labels(panel)
    places = spread([grid.row_at(height) for height, _, _ in labels], gap=1, low=0, high=grid.rows - 1)
    return {_nearest(place): coloured(label, tone) for place, (_, label, tone) in zip(places, labels, strict=True)}


def _x_axis(figure: Figure, columns: int, left: int) -> Iterator[str]:
    numbers = ticks(figure.low, figure.high, most=8)
    places = [column_of(number, figure.low, figure.high, columns) for number in numbers]
    indent = " " * (left + 2)
    yield indent + below(columns, list(zip(places, spell_ticks(numbers), strict=True)))
    yield indent + click.style(figure.x_title.center(columns), bold=True)
    if figure.marks:
        told = [(column_of(mark.x, figure.low, figure.high, columns), f"┊{mark.label}") for mark in figure.marks]
        yield indent + coloured(below(columns, told), "quiet")
