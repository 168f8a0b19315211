"""Learning curves, from records of runs."""

from __future__ import annotations

import math
from typing import Any

from rung.training.differences import compared
from rung.training.learning import learning_curves


def record(*reports: list[float], task: str = "fit") -> dict[str, Any]:
    plain = {"commit": "a", "patch": None, "environment": "", "requirements": None, "seed": 0}
    named = {"hyperparameters": {}, "overrides": {}, "metrics": {}}
    made = {"closure": "c", "data": [], "digest": "d"}
    return {**plain, **named, "tasks": [{"name": "load", **made}, {"name": task, **made, "reports": list(reports)}]}


def test_a_curve_is_told_in_a_sentence():
    (curve,) = learning_curves(record([0, 0.5], [1, 0.2], [2, 0.3]))
    assert curve.task == "fit"
    assert curve.told == "0.5 at step 0, 0.3 at step 2; lowest 0.2 at step 1, highest 0.5 at step 0"


def test_one_report_is_told_alone():
    (curve,) = learning_curves(record([3, 0.5]))
    assert curve.told == "0.5 at step 3"


def test_the_last_of_a_step_counts_and_no_number_does_not():
    (curve,) = learning_curves(record([1, 0.4], [0, 0.5], [1, 0.3], [2, math.nan]))
    assert curve.points == ((0, 0.5), (1, 0.3))


def test_a_task_that_reported_nothing_has_none():
    assert learning_curves(record()) == []
    assert learning_curves(record([0, math.inf])) == []


def test_runs_are_compared_by_what_was_reported_last():
    rows = {one.what: one.values for one in compared([record([0, 0.5], [1, 0.25]), record(), record([0, 0.75])])}
    assert rows["fit reported last"] == (0.25, None, 0.75)
    assert "load reported last" not in rows
