"""What a task reports on its way is on record, also when it comes from the cache, and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typed import typed

if TYPE_CHECKING:
    from conftest import Place

MAIN = """
    from rung.training import Experiment, TestResults, report

    def build_model() -> float:
        for step in range(10):
            report(step, 1 / (step + 1))
        return 0.1

    def evaluate(build_model: float) -> TestResults:
        return TestResults(rows=1, data=(), regression=(), example={})

    experiment = Experiment(build_model, evaluate)
"""


def test_reports_are_shown_as_a_curve(place: Place):
    place.service("shop", MAIN)
    place.train("shop")
    place.edit("experiments/shop/train/main.py", "rows=1", "rows=2")
    place.train("shop")
    assert [task.state for task in place.last().tasks] == ["cached", "ran"]
    for record in place.runs():
        shown = typed(place.root, "runs", "show", record.id).stdout
        assert (
            "build_model reported █▄▃▂▂▂▁▁▁▁  1 at step 0, 0.1 at step 9; lowest 0.1 at step 9, highest 1 at step 0"
        ) in shown
        assert "evaluate reported" not in shown
