"""What simulated tests are told to mean."""

from __future__ import annotations

from dataclasses import replace

import click

from rung.cli._simulated import Declared, can_be_seen, figure_of, rows, verdicts
from rung.stats import Simulated

DECLARED = Declared(
    name="housing.v1",
    metric="converted",
    minimum_effect=0.02,
    alpha=0.05,
    power=0.8,
    units=5_000,
    units_per_day=1_000.0,
    deadline_s=14 * 86_400.0,
)
NOTHING = Simulated(
    effect=0.0,
    better=0.04,
    not_better=0.93,
    harmful=0.02,
    undecided=0.01,
    better_interval=(0.031, 0.051),
    mean_units=2_500.0,
    median_units=2_000.0,
    p95_units=6_000.0,
    repeats=2_000,
)
WORTH = replace(NOTHING, effect=1.0, better=0.82, not_better=0.17, harmful=0.0, better_interval=(0.80, 0.84))


def told(*found: Simulated) -> list[str]:
    return [click.unstyle(line) for line in verdicts(found, DECLARED)]


def test_power_that_suffices_is_a_yes():
    errors, power = told(NOTHING, WORTH)
    assert errors == "false positives: 4.00% of 2,000 A/A tests (3.10% to 5.10%), and 5% are declared"
    assert power.startswith("yes: a challenger that is better by 0.02 wins 82.0% of 2,000 tests (80.0% to 84.0%)")
    assert power.endswith("before the deadline of 14 d, after 2 d 12 h on average")
    assert can_be_seen([NOTHING, WORTH], DECLARED) is True


def test_power_that_does_not_suffice_is_a_no():
    weak = replace(WORTH, better=0.4, undecided=0.5, better_interval=(0.38, 0.42))
    (power,) = told(weak)
    assert power.startswith("no: a challenger that is better by 0.02 wins only 40.0% of 2,000 tests")
    assert "declare a larger minimum_effect or a later deadline, or bring more units" in power
    assert can_be_seen([weak], DECLARED) is False


def test_more_errors_than_declared_are_said():
    (errors,) = told(replace(NOTHING, better=0.09, better_interval=(0.08, 0.1)))
    assert errors.endswith("which is more than the declared 5%")


def test_other_effects_promise_nothing():
    assert told(replace(WORTH, effect=2.0)) == []
    assert can_be_seen([NOTHING], DECLARED) is None


def test_rows_have_units_and_time():
    cells, header = rows([NOTHING, WORTH], DECLARED)
    assert all(len(row) == len(header) for row in cells)
    assert cells[0] == ["none (A/A)", "4.0%", "93.0%", "2.0%", "1.0%", "2,500", "2,000", "2 d 12 h", "2 d", "6 d"]
    assert cells[1][0] == "+0.02 (1 x)"


def test_far_deadline_is_not_drawn():
    power, time = figure_of([WORTH, NOTHING], DECLARED).panels
    assert [curve.points[0][0] for curve in (*power.curves, *time.curves)] == [0.0] * 4
    assert [rule.label for rule in time.rules] == ["deadline"]
    far = replace(DECLARED, deadline_s=400 * 86_400.0)
    assert figure_of([WORTH, NOTHING], far).panels[1].rules == ()
