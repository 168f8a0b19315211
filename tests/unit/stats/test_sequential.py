import json
import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Arm, Decision, SequentialTest
from rung.stats.effects import stack

TEST = SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize")


def pair(ours: float, theirs: float, units: int) -> list[tuple[Arm, Arm]]:
    return [tuple(Arm(units=units, y=units * p, yy=units * p, yyy=units * p) for p in (ours, theirs))]


@pytest.mark.parametrize(
    ("ours", "theirs", "units", "decision"),
    [
        pytest.param(0.15, 0.10, 100, "continue", id="burn-in"),
        pytest.param(0.12, 0.10, 3_000, "better", id="minimum effect"),
        pytest.param(0.17, 0.10, 600, "better", id="three times the effect, early"),
        pytest.param(0.11, 0.10, 2_000, "continue", id="half the effect"),
        pytest.param(0.10, 0.10, 3_000, "not_better", id="no effect"),
        pytest.param(0.05, 0.10, 500, "harmful", id="a loss"),
        pytest.param(0.09, 0.10, 500, "continue", id="a small loss, early"),
        pytest.param(0.0, 0.0, 5_000, "continue", id="nothing varies"),
    ],
)
def test_decides_by_the_evidence(ours: float, theirs: float, units: int, decision: Decision):
    look = TEST.look(pair(ours, theirs, units))
    assert look.decision == decision, look.because


def test_minimise_mirrors_maximise():
    down = SequentialTest(minimum_effect=0.02, kind="proportion", goal="minimize")
    up, mirrored = TEST.look(pair(0.12, 0.10, 3_000)), down.look(pair(0.10, 0.12, 3_000))
    assert mirrored.decision == up.decision
    assert mirrored.effect == pytest.approx(up.effect)


def test_says_why_with_the_numbers():
    look = TEST.look(pair(0.12, 0.10, 3_000))
    assert look.because == (
        "after 3,000 challenger and 3,000 incumbent units the challenger is better by +0.02"
        " (standard error 0.0081), tested against the smallest effect worth having, 0.02"
    )
    assert "too early" in TEST.look(pair(0.12, 0.10, 100)).because
    assert "no evidence yet" in TEST.look(pair(0.0, 0.0, 100)).because
    assert "not decided yet" in TEST.look(pair(0.11, 0.10, 2_000)).because


def test_the_interval_covers_the_estimate():
    look = TEST.look(pair(0.12, 0.10, 3_000))
    low, high = look.interval
    assert low < look.effect < high
    assert high - low > 2 * 1.645 * look.standard_error


def test_progress_ends_with_the_decision():
    assert 0 < TEST.look(pair(0.11, 0.10, 1_000)).progress < 0.5
    assert TEST.look(pair(0.11, 0.10, 2_000)).progress < 1
    assert TEST.look(pair(0.12, 0.10, 3_000)).progress == 1


def test_a_look_without_evidence_is_json():
    told = json.loads(json.dumps(TEST.look(pair(0.0, 0.0, 10)).to_json(), allow_nan=False))
    assert told["standard_error"] is None
    assert told["interval"] == [None, None]


def test_skewed_outcomes_wait_longer():
    few = Arm(units=1_000, y=1_000, yy=50_000, yyy=20_000_000)
    many = Arm(units=9_000, y=9_000, yy=450_000, yyy=180_000_000)
    test = SequentialTest(minimum_effect=0.5, kind="mean", goal="maximize")
    known, unknown = (few, many), tuple(Arm(units=arm.units, y=arm.y, yy=arm.yy) for arm in (few, many))
    assert "too early" in test.look([known]).because
    assert "too early" not in test.look([unknown]).because


def test_small_skewed_arms_are_given_time():
    small, even = (
        stack([tuple(Arm(units=n, y=n / 100, yy=n / 100, yyy=n / 100) for n in units)])
        for units in ((300, 2_700), (1_500, 1_500))
    )
    down = SequentialTest(minimum_effect=0.02, kind="proportion", goal="minimize")
    information = np.array(1e5)
    assert TEST.tilt(information, small) > 0.2
    assert TEST.tilt(information, even) == down.tilt(information, small) == 0


def test_a_longer_burn_in_waits():
    patient = SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize", burn_in=0.5)
    assert patient.look(pair(0.16, 0.10, 500)).decision == "continue"


def test_bounds_follow_the_error_rates():
    strict = SequentialTest(minimum_effect=0.02, kind="mean", goal="maximize", alpha=0.01, power=0.95)
    assert strict.bounds.upper > TEST.bounds.upper > math.log(0.8 / 0.05)
    assert strict.bounds.lower < TEST.bounds.lower < 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_effect": 0},
        {"minimum_effect": -0.1},
        {"minimum_effect": math.inf},
        {"alpha": 0},
        {"alpha": 0.6},
        {"power": 1},
        {"power": 0.4},
        {"burn_in": 0.05},
        {"kind": "median"},
        {"goal": "more"},
    ],
)
def test_impossible_tests_are_refused(wrong: dict):
    with pytest.raises(CallError):
        SequentialTest(**{"minimum_effect": 0.02, "kind": "mean", "goal": "maximize", **wrong})
