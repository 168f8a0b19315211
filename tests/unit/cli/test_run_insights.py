"""Learning curves in a line of a terminal."""

from __future__ import annotations

import click

from rung.cli._run_insights import _drawn


def test_values_become_columns():
    assert click.unstyle(_drawn([1.0, 0.5, 0.0])) == "█▅▁"


def test_values_that_are_the_same_are_as_high():
    one, other = click.unstyle(_drawn([0.25, 0.25]))
    assert one == other


def test_many_values_keep_the_last():
    drawn = click.unstyle(_drawn([0.0] * 1_000 + [1.0]))
    assert len(drawn) <= 41
    assert drawn[-1] == "█"
