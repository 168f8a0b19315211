"""Drawing again in place."""

from __future__ import annotations

from rung.cli._live import redrawn


def test_first_drawing_moves_nothing_up():
    assert redrawn(["a", "b"], drawn=0, height=24) == "\x1b[Ja\nb\n"


def test_next_drawing_begins_where_the_last_began():
    assert redrawn(["c"], drawn=2, height=24) == "\x1b[2F\x1b[Jc\n"


def test_what_would_scroll_away_is_left_out():
    assert redrawn([str(number) for number in range(9)], drawn=0, height=4) == "\x1b[J0\n1\n2\n"
