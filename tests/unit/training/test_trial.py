"""A training as a trial: what may be reported, and when it ends early."""

from __future__ import annotations

import math

import pytest

from rung.errors import CallError, PrunedError
from rung.training._trial import Trial, checked, judge


def trial(goal: str = "maximize", **limits: float) -> Trial:
    return Trial(
        name="tiny-1#3",
        goal=goal,  # type: ignore[arg-type]  # one of both
        limits={int(step.removeprefix("at")): limit for step, limit in limits.items()},
    )


def test_a_trial_that_is_behind_ends() -> None:
    with pytest.raises(PrunedError, match=r"0\.4 at step 2, and 0\.5 was needed"):
        judge(trial(at2=0.5), "build_model", [[1, 0.4], [2, 0.3]])


def test_the_best_report_so_far_counts() -> None:
    judge(trial(at2=0.5), "build_model", [[1, 0.6], [2, 0.3]])


def test_smaller_is_better_where_a_metric_is_minimized() -> None:
    judge(trial("minimize", at2=0.5), "build_model", [[1, 0.6], [2, 0.5]])
    with pytest.raises(PrunedError):
        judge(trial("minimize", at2=0.5), "build_model", [[1, 0.6], [2, 0.51]])


def test_a_step_without_a_limit_goes_on() -> None:
    judge(trial(at2=0.5), "build_model", [[1, 0.1]])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_trial_that_diverged_ends(value: float) -> None:
    with pytest.raises(PrunedError, match="reported"):
        judge(trial(), "build_model", [[1, 0.6], [2, value]])


def test_a_training_that_is_no_trial_never_ends_early() -> None:
    judge(None, "build_model", [[1, math.nan]])


@pytest.mark.parametrize(("step", "value"), [(-1, 0.5), (1.5, 0.5), (True, 0.5), (1, "much"), (1, None)])
def test_what_is_no_report_is_refused(step: int, value: float) -> None:
    with pytest.raises(CallError):
        checked(step, value)
