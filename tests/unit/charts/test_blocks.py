"""Charts and bars in the characters of a terminal."""

from __future__ import annotations

import click
import pytest

from rung.charts.blocks import bar, below, coloured, fit, scale, stacked, to_blocks
from rung.charts.figure import Band, Curve, Figure, Mark, Panel, Rule


def figure() -> Figure:
    panel = Panel(
        title="height",
        low=0.0,
        high=10.0,
        curves=(Curve(points=((0.0, 0.0), (10.0, 10.0)), label="rises"),),
        bands=(Band(points=((0.0, 4.0, 6.0), (10.0, 4.0, 6.0)), label="between"),),
        rules=(Rule(y=8.0, label="goal", tone="good"),),
    )
    return Figure(
        title="A title",
        told="One sentence.",
        x_title="hours",
        low=0.0,
        high=10.0,
        panels=(panel,),
        marks=(Mark(x=5.0, label="half"),),
    )


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, "────"), (0.125, "╸───"), (0.5, "━━──"), (1, "━━━━"), (7, "━━━━"), (-1, "────")]
)
def test_bar_has_half_characters(share: float, drawn: str):
    assert click.unstyle(bar(share, 4)) == drawn


def test_stacked_bar_is_full():
    assert click.unstyle(stacked([(0.0, "good"), (0.0, "main"), (1.0, "bad")], 5)) == "░░░░░"
    assert click.unstyle(stacked([(0.001, "good"), (0.001, "main"), (0.998, "bad")], 5)) == "█▓░░░"


def test_scale_cuts_what_lies_beyond():
    drawn = scale(-1.0, 1.0, 9, points=[(0.0, "┼", "quiet"), (5.0, "●", "bad")], span=(-9.0, 0.0))
    assert click.unstyle(drawn) == "━━━━┼───●"


def test_texts_below_never_touch():
    assert below(20, [(4, "zero"), (6, "least")]) == "  zero least"


def test_cut_line_says_so():
    assert fit(coloured("abc", "good"), 3) == coloured("abc", "good")
    assert fit(coloured("abcdef", "good"), 3) == coloured("ab", "good") + "…"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lines_keep_within_the_width(width: int):
    assert max(len(click.unstyle(line)) for line in to_blocks(figure(), width=width)) <= width


def test_curve_climbs_from_corner_to_corner():
    rows = [line for line in map(click.unstyle, to_blocks(figure(), width=60)) if "┤" in line or "│" in line]
    drawn = [[column for column, sign in enumerate(row) if 0x2800 < ord(sign) < 0x2900] for row in rows]
    assert all(drawn)
    assert [columns[0] for columns in drawn] == sorted((columns[0] for columns in drawn), reverse=True)


def test_everything_is_drawn_and_named():
    text = click.unstyle("\n".join(to_blocks(figure(), width=80)))
    for told in ("A title", "One sentence.", "height", "░ between", "goal", "rises", "┊half", "hours", "╌", "░░"):
        assert told in text
