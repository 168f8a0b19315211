"""What a trial must have reached to go on."""

from __future__ import annotations

from rung.tuning._pruning import limits

FIVE = [{1: float(value), 2: value + 10.0} for value in range(5)]


def test_the_median_of_earlier_trials_is_needed() -> None:
    assert limits("median", "maximize", FIVE) == {1: 2.0, 2: 12.0}


def test_a_step_that_few_trials_reported_has_no_limit() -> None:
    assert limits("median", "maximize", FIVE[:4]) == {}
    assert limits("median", "maximize", [*FIVE[:4], {1: 9.0}]) == {1: 2.0}


def test_halving_lets_the_best_third_go_on() -> None:
    six = [{1: float(value)} for value in range(6)]
    assert limits("halving", "maximize", six) == {1: 4.0}
    assert limits("halving", "minimize", six) == {1: 1.0}


def test_halving_looks_at_steps_that_grow_by_three() -> None:
    steps = [dict.fromkeys(range(1, 30), 0.5)] * 5
    assert list(limits("halving", "maximize", steps)) == [1, 3, 9, 27]


def test_nothing_is_needed_where_nothing_is_pruned() -> None:
    assert limits("none", "maximize", FIVE) == {}
