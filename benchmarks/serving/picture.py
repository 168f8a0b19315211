"""Draw bars as SVG, without a library. Pure; called by `run.py`.

Text and bars have colours that can be read on white; where the reader's system is set to dark, others are taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bar", "Panel", "draw"]

WIDTH = 760
LABELS = 170  # width of the column of names
VALUES = 150  # room for a value behind the longest bar
BAR = 16
STEP = 24
HEAD = 34  # of a panel
TITLE = 44
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600}.note{fill:#59636e}"
    ".own{fill:#0b6bcb}.other{fill:#8c959f}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.own{fill:#4aa8ff}.other{fill:#6e7681}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One server."""

    label: str
    value: float  # its length; the longest of a panel takes all the room
    text: str  # behind the bar
    own: bool  # drawn in the colour that stands out


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Bars with one scale."""

    title: str
    bars: Sequence[Bar]


def draw(title: str, panels: Sequence[Panel]) -> str:
    """Give the SVG of panels below one another."""
    height = TITLE + sum(HEAD + STEP * len(panel.bars) for panel in panels) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="head" x="0" y="20">{escape(title)}</text>',
    ]
    top = TITLE
    for panel in panels:
        parts += _panel(panel, top)
        top += HEAD + STEP * len(panel.bars)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, top: int) -> list[str]:
    longest = max((bar.value for bar in panel.bars), default=1.0) or 1.0
    lines = [f'<text class="note" x="0" y="{top + 14}">{escape(panel.title)}</text>']
    for number, bar in enumerate(panel.bars):
        y = top + HEAD - 8 + STEP * number
        width = max((WIDTH - LABELS - VALUES) * bar.value / longest, 1.0)
        kind = "own" if bar.own else "other"
        lines += [
            f'<text x="{LABELS - 10}" y="{y + 13}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text class="note" x="{LABELS + width + 8:.1f}" y="{y + 13}">{escape(bar.text)}</text>',
        ]
    return lines
