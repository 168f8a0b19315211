"""What authors say of their data tests."""

from __future__ import annotations

from typing import Any

import pytest

from rung.errors import CallError
from rung.testing import declared_of, goal, goal_of


def score(client: Any, X_test: Any, y_test: Any) -> float:  # noqa: N803
    return 0.5


def test_bare_decorator_says_the_goal():
    assert goal_of(goal.maximize(score)) == "maximize"
    assert goal_of(goal.minimize(score)) == "minimize"


def test_function_stays_as_it_was():
    assert goal.minimize(score) is score
    assert goal.minimize(budget=0.1)(score) is score


def test_defaults_are_smooth_without_budget():
    declared = declared_of(goal.maximize()(score))
    assert declared is not None
    assert (declared.goal, declared.budget, declared.smooth) == ("maximize", None, True)


def test_arguments_are_kept():
    declared = declared_of(goal.minimize(budget=0.02, smooth=False)(score))
    assert declared is not None
    assert (declared.goal, declared.budget, declared.smooth) == ("minimize", 0.02, False)


@pytest.mark.parametrize("budget", [-0.1, float("inf"), float("nan")])
def test_budget_is_a_number_from_zero(budget: float):
    with pytest.raises(CallError, match="the budget of a data test is"):
        goal.maximize(budget=budget)


def test_other_functions_have_no_goal():
    assert goal_of(len) is None
    assert declared_of(len) is None
