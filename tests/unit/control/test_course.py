"""The course of a test as a figure."""

from __future__ import annotations

import pytest
from recorded_tests import ab_test, bandit

from rung.control.course import figure_of
from rung.errors import ConflictError


def test_figure_shows_effect_and_evidence():
    shown = ab_test(looks=200, ended=True)
    figure = figure_of(shown)
    effect, evidence = figure.panels
    assert figure.told.startswith("Ended, better: converted: after ")
    assert figure.x_title == "hours since the start (2026-11-20 08:00 UTC)"
    assert [mark.label for mark in figure.marks] == ["10%", "25%", "50%"]
    assert [mark.x for mark in figure.marks] == [0.0, 6.0, 18.0]
    assert {rule.label for rule in effect.rules} == {"no effect", "worth having +2"}
    assert len(evidence.curves[0].points) == len(shown["course"])


def test_early_width_does_not_hide_the_rest():
    effect, _ = figure_of(ab_test(looks=90)).panels
    assert effect.bands[0].points[0][2] > effect.high
    assert effect.low < effect.bands[0].points[-1][1] < effect.bands[0].points[-1][2] < effect.high


def test_pause_is_marked():
    shown = ab_test(looks=70)
    shown["splits"][1] |= {"kind": "pause"}
    assert [mark.label for mark in figure_of(shown).marks] == ["10%", "paused"]


def test_bandit_shows_shares_and_means():
    shares, means = figure_of(bandit()).panels
    assert [curve.label for curve in shares.curves] == ["m2 5", "m3 90", "m1 5"]
    assert all(len(curve.points) == 12 for curve in means.curves)


@pytest.mark.parametrize("looks", [0, 1])
def test_course_of_nothing_is_refused(looks: int):
    shown = ab_test(looks=30)
    with pytest.raises(ConflictError, match=r"housing\.v1\.m2 has no course yet"):
        figure_of({**shown, "course": shown["course"][-looks:] if looks else []})
