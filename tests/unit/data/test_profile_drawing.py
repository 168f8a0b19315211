"""A profile in a terminal and as a page."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

import click
import polars as pl
import pytest

from rung.data.profile import HEADER, compare, lines, page, profile
from rung.data.profile._bars import bars
from rung.data.profile._spell import spell

ROWS = pl.DataFrame(
    {
        "rooms": [3, 4, 4, 5, 9, None],
        "street": ["paved", "paved", "gravel", "<b>&\n\x1b[31m", "paved", None],
        "sold": [date(2026, 1, day) for day in range(1, 7)],
        "tags": [["a"], [], ["a", "b"], [], [], []],
        "empty": pl.Series([None] * 6, dtype=pl.Float64),
    }
)


def test_each_column_has_a_line():
    found = [[click.unstyle(cell) for cell in line] for line in lines(profile(ROWS))]
    assert all(len(line) == len(HEADER) for line in found)
    assert found[0] == ["rooms", "Int64", "16.7 %", "4", "3", "4", "9", "▄█▄▄", ""]
    assert found[1][0:4] + found[1][7:] == [
        "street", "String", "16.7 %", "3", "█▃▃", "paved (3), <b>& [31m (1), gravel (1)",
    ]  # fmt: skip
    assert found[2][4:7] == ["2026-01-01", "2026-01-03", "2026-01-06"]
    assert found[3][7] == "█▂▂"
    assert found[4][2:] == ["100 %", "0", "", "", "", "", ""]


def test_bars_of_whole_numbers_stand_for_as_many_each():
    found = bars(profile(pl.DataFrame({"x": [*range(1, 41)]})).columns["x"], 16)
    assert [bar.label for bar in found][:2] == ["1 to 3", "4 to 6"]
    assert {bar.count for bar in found[:-1]} == {3.0}
    assert sum(bar.count for bar in found) == 40


def test_bars_of_two_profiles_have_the_same_edges():
    before = profile(pl.DataFrame({"x": [0.5 * number for number in range(200)]})).columns["x"]
    after = profile(pl.DataFrame({"x": [0.5 * number for number in range(100, 200)]})).columns["x"]
    found = bars(after, 10, before)
    assert sum(bar.count for bar in found) == pytest.approx(100)
    assert sum(bar.before for bar in found) == pytest.approx(1)
    assert sum(bar.count for bar in found[:4]) == pytest.approx(0, abs=1)


class Checker(HTMLParser):
    """Holds every element to be closed in its turn, and nothing to be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & dict(attrs).keys()
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & dict(attrs).keys()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_needs_nothing():
    found, before = profile(ROWS), profile(ROWS.head(3))
    drawn = page(
        found,
        title="houses@3 <i>",
        facts={"owner": "a & b"},
        meanings={"rooms": "Number of <rooms>."},
        changes=compare(before, found),
        before=before,
    )
    checker = Checker()
    checker.feed(drawn)
    assert checker.open == []
    assert "houses@3 &lt;i&gt;" in drawn
    assert "Number of &lt;rooms&gt;." in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert not re.search(r"https?:|<script|@import", drawn)
    assert drawn.count("<section") == 5


def test_page_of_nothing_is_a_page():
    checker = Checker()
    checker.feed(page(profile(pl.DataFrame()), title="empty@1"))
    assert checker.open == []


@pytest.mark.parametrize(
    ("value", "kind", "spelled"),
    [
        (1950, "number", "1950"),
        (12_345, "number", "12,345"),
        (2**70, "number", "1.18059e+21"),
        (1234567.5, "number", "1,234,568"),
        (0.1 + 0.2, "number", "0.3"),
        (10**9, "date", "1,000,000,000"),
        (1e300, "moment", "1e+300"),
    ],
)
def test_figures_are_short(value: float, kind: str, spelled: str):
    assert spell(value, kind) == spelled  # type: ignore[arg-type]
