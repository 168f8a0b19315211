"""Learning curves as charts: of one run, and of several beside each other."""

from __future__ import annotations

from typing import Any

from rung.charts.svg import to_svg
from rung.control.dashboard._learning import drawn


def run(name: str, reports: list[list[float]]) -> dict[str, Any]:
    return {"id": name, "tasks": [{"name": "load_data"}, {"name": "build_model", "reports": reports}]}


def test_a_run_has_one_curve_for_each_task_that_reported():
    (figure,) = drawn([run("a", [[0, 0.5], [1, 0.25]])])
    (curve,) = figure.panels[0].curves
    assert figure.title == "Learning curve of build_model"
    assert figure.told == "0.5 at step 0, 0.25 at step 1; lowest 0.25 at step 1, highest 0.5 at step 0"
    assert (figure.low, figure.high, figure.x_title) == (0.0, 1.0, "step")
    assert (curve.points, curve.label, curve.dotted) == (((0.0, 0.5), (1.0, 0.25)), "0.25", True)
    assert "build_model" in to_svg(figure, within="x")


def test_runs_share_a_chart():
    (figure,) = drawn([run("a", [[0, 0.5], [4, 0.25]]), run("none", []), run("b", [[1, 0.125]])])
    assert [(one.label, one.tone) for one in figure.panels[0].curves] == [("a", "main"), ("b", "second")]
    assert (figure.low, figure.high) == (0.0, 4.0)
    assert figure.told == "What build_model reported in 2 runs."


def test_a_single_report_can_be_drawn():
    (figure,) = drawn([run("a", [[3, 0.5]])])
    assert (figure.low, figure.high) == (3.0, 4.0)
    assert figure.panels[0].low < 0.5 < figure.panels[0].high
    assert "0.5 at step 3" in to_svg(figure, within="x")


def test_many_reports_are_thinned_to_the_last():
    (figure,) = drawn([run("a", [[step, float(step)] for step in range(10_001)])])
    (curve,) = figure.panels[0].curves
    assert len(curve.points) <= 401
    assert (curve.points[0], curve.points[-1]) == ((0.0, 0.0), (10_000.0, 10_000.0))
    assert not curve.dotted


def test_runs_without_reports_have_none():
    assert drawn([run("a", [])]) == []
