"""What an A/B test is expected to cost, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rung import stats
from rung.control.promotion.plan import Plan

DAY_S = 86_400


def plan(*, better_s: float, equal_s: float, deadline: timedelta, rate: float = 2.0) -> Plan:
    seconds = stats.Duration(if_better=better_s, if_no_effect=equal_s, at_most=0, fixed_horizon=0)
    return Plan(units=1_000, units_per_second=rate, seconds=seconds, deadline=deadline)


@pytest.mark.parametrize(
    ("better_s", "equal_s", "is_hopeless"),
    [(10 * DAY_S, 10 * DAY_S, False), (15 * DAY_S, 10 * DAY_S, False), (15 * DAY_S, 15 * DAY_S, True)],
)
def test_test_that_cannot_end_is_hopeless(better_s: float, equal_s: float, is_hopeless: bool):
    found = plan(better_s=better_s, equal_s=equal_s, deadline=timedelta(days=14))
    assert found.is_hopeless == is_hopeless


def test_plan_is_told_in_one_sentence():
    found = plan(better_s=90, equal_s=3 * 3600, deadline=timedelta(days=14), rate=0.01)
    assert found.told == (
        "at 864 units a day the A/B test takes 1.5 minutes on average if the challenger is better by just the minimum"
        " effect, 3.0 hours if it is not better; its deadline is 14.0 days"
    )
