import json

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import SequentialTest, simulate

RANDOM = np.random.default_rng(1)
MEAN = SequentialTest(minimum_effect=0.25, kind="mean", goal="maximize")


def test_effects_show_the_power():
    nothing, half, one, two = simulate(RANDOM.exponential(size=2_000), test=MEAN, units_per_look=20, repeats=300)
    assert nothing.better < 0.10
    assert nothing.better < half.better < one.better <= two.better
    assert one.better > 0.70
    assert two.mean_units < one.mean_units
    assert nothing.better_interval[0] <= nothing.better <= nothing.better_interval[1]


def test_losses_are_harmful():
    found = simulate(RANDOM.normal(size=500), test=MEAN, units_per_look=20, effects=(-3,), repeats=100)[0]
    assert found.better == 0
    assert found.harmful > 0.5
    assert found.better + found.not_better + found.harmful + found.undecided == pytest.approx(1)


def test_the_same_seed_gives_the_same():
    values = RANDOM.normal(size=200)
    first, second = (simulate(values, test=MEAN, units_per_look=50, repeats=50, seed=7) for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first[0].to_json()))["better_interval"]


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_proportions_are_turned_over(goal: str):
    test = SequentialTest(minimum_effect=0.1, kind="proportion", goal=goal)
    found = simulate([0, 0, 0, 1] * 100, test=test, units_per_look=10, effects=(2,), repeats=100)[0]
    assert found.better > 0.95


def test_ratios_move_by_the_denominator():
    requests = RANDOM.integers(1, 6, size=1_000)
    test = SequentialTest(minimum_effect=0.1, kind="ratio", goal="maximize")
    found = simulate(
        RANDOM.binomial(requests, 0.3), denominators=requests, test=test, units_per_look=10, effects=(2,), repeats=100
    )[0]
    assert found.better > 0.95


def test_covariates_shorten_it():
    before = RANDOM.normal(size=1_000)
    values = before + 0.5 * RANDOM.normal(size=1_000)
    plain, covered = (
        simulate(values, test=MEAN, units_per_look=10, effects=(1,), repeats=100, covariates=z)[0]
        for z in (None, before)
    )
    assert covered.mean_units < 0.5 * plain.mean_units


def test_a_deadline_leaves_some_undecided():
    found = simulate(RANDOM.normal(size=500), test=MEAN, units_per_look=20, effects=(0.5,), repeats=50, most_units=100)[
        0
    ]
    assert found.undecided > 0.5
    assert found.mean_units <= 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": [1.0, 1.0]},
        {"values": []},
        {"units_per_look": 1},
        {"repeats": 0},
        {"share": 1.0},
        {"test": SequentialTest(minimum_effect=0.1, kind="ratio", goal="maximize")},
        {
            "values": [0, 1],
            "test": SequentialTest(minimum_effect=0.4, kind="proportion", goal="maximize"),
            "effects": (2,),
        },
    ],
)
def test_impossible_simulations_are_refused(wrong: dict):
    with pytest.raises(CallError):
        simulate(**{"values": [1.0, 2.0, 3.0], "test": MEAN, "units_per_look": 10, "repeats": 10, **wrong})
