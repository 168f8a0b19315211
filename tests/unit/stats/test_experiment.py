import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Arm, Experiment, SequentialTest

PROPORTION = {"kind": "proportion", "goal": "maximize", "minimum_effect": 0.05}


def names(arm: str, count: int) -> list[str]:
    return [f"{arm}{number}" for number in range(count)]


def ones(share: float, count: int = 1_000) -> list[float]:
    return [1.0] * round(share * count) + [0.0] * round((1 - share) * count)


def filled(ours: float, theirs: float, count: int = 1_000, **options: object) -> Experiment:
    test = Experiment(**{**PROPORTION, **options})
    test.add("challenger", names("c", count), ones(ours, count))
    test.add("incumbent", names("i", count), ones(theirs, count))
    return test


@pytest.mark.parametrize(
    ("ours", "theirs", "goal", "decision"),
    [
        pytest.param(0.16, 0.10, "maximize", "better", id="better"),
        pytest.param(0.10, 0.16, "minimize", "better", id="better when less is"),
        pytest.param(0.10, 0.10, "maximize", "not_better", id="equal"),
        pytest.param(0.10, 0.16, "maximize", "harmful", id="harmful"),
        pytest.param(0.13, 0.10, "maximize", "continue", id="undecided"),
    ],
)
def test_decides_by_the_outcomes(ours: float, theirs: float, goal: str, decision: str):
    test = filled(ours, theirs, goal=goal)
    assert test.decision == decision, test.because


def test_agrees_with_the_sums():
    test = filled(0.13, 0.10)
    look = SequentialTest(**PROPORTION).look([(Arm.of(ones(0.13)), Arm.of(ones(0.10)))])
    assert test.look == look
    assert (test.effect, test.interval, test.because) == (look.effect, look.interval, look.because)


def test_batches_do_not_matter():
    random = np.random.default_rng(1)
    values, whole = random.normal(size=500), Experiment(kind="mean", goal="maximize", minimum_effect=0.1)
    parts = Experiment(kind="mean", goal="maximize", minimum_effect=0.1)
    for test, size in ((whole, 250), (parts, 7)):
        for start in range(0, 250, size):
            rows = np.arange(start, min(start + size, 250))
            test.add("challenger", rows, values[rows])
            test.add("incumbent", rows + 250, values[rows + 250])
    assert parts.effect == pytest.approx(whole.effect)
    assert parts.decision == whole.decision


def test_returning_units_count_once():
    test = Experiment(kind="mean", goal="maximize", minimum_effect=1.0)
    test.add("challenger", ["a", "b", "a"], [1.0, 2.0, 3.0])
    test.add("challenger", ["a"], [4.0])
    test.add("incumbent", ["c", "d"], [0.0, 0.0])
    assert test.effect == pytest.approx((8.0 + 2.0) / 2)
    assert "after 2 challenger and 2 incumbent units" in test.because


def test_who_converted_once_has_converted():
    test = Experiment(**PROPORTION)
    test.add("challenger", ["a", "b"], [0, 0])
    test.add("challenger", ["a", "a"], [1, 1])
    test.add("challenger", ["a"], [0])
    test.add("incumbent", ["c", "d"], [0, 0])
    assert test.effect == pytest.approx(0.5)


def test_ratios_add_both_parts():
    test = Experiment(kind="ratio", goal="maximize", minimum_effect=0.1)
    test.add("challenger", ["a", "b"], [1, 0], denominators=[2, 2])
    test.add("challenger", ["a"], [1], denominators=[2])
    test.add("incumbent", ["c", "d"], [0, 1], denominators=[2, 2])
    assert test.effect == pytest.approx(2 / 6 - 1 / 4)


def test_covariates_stay_as_first_told():
    random = np.random.default_rng(2)
    before, units = random.normal(size=400), np.arange(400)
    values = before + 0.1 * random.normal(size=400)
    errors = []
    for later in (before, np.zeros(400)):
        test = Experiment(kind="mean", goal="maximize", minimum_effect=1.0)
        for arm, rows in (("challenger", units[::2]), ("incumbent", units[1::2])):
            test.add(arm, rows, values[rows], covariates=before[rows])
            test.add(arm, rows, np.zeros(200), covariates=later[rows])
        errors.append(test.look.standard_error)
    assert errors[0] == errors[1] < 0.05


def test_a_new_split_is_a_new_stratum():
    test = Experiment(**PROPORTION, shares={"challenger": 0.1, "incumbent": 0.9})
    test.add("challenger", names("c", 100), ones(0.10, 100))
    test.add("incumbent", names("i", 900), ones(0.10, 900))
    test.split({"challenger": 0.5, "incumbent": 0.5})
    test.add("challenger", names("C", 500), ones(0.30, 500))
    test.add("incumbent", names("I", 500), ones(0.30, 500))
    assert test.effect == pytest.approx(0, abs=1e-12)
    assert not test.sample_ratio.invalid


def test_a_returning_unit_keeps_its_stratum():
    test = Experiment(kind="mean", goal="maximize", minimum_effect=1.0)
    test.add("challenger", ["a", "b"], [1.0, 2.0])
    test.add("incumbent", ["c", "d"], [1.0, 2.0])
    test.split({"challenger": 0.9, "incumbent": 0.1})
    test.add("challenger", ["a", "b"], [1.0, 1.0])
    assert test.effect == pytest.approx(1.0)


def test_a_decision_is_final():
    test = filled(0.16, 0.10)
    seen = test.decision, test.because, test.effect, test.interval
    test.add("incumbent", names("late", 1_000), ones(0.9))
    test.split({"challenger": 0.9, "incumbent": 0.1})
    test.close()
    assert (test.decision, test.because, test.effect, test.interval) == seen
    assert seen[0] == "better"


def test_closing_makes_it_inconclusive():
    test = filled(0.13, 0.10)
    assert test.decision == "continue"
    test.close()
    assert test.decision == "inconclusive"
    assert test.because.startswith("the test ended before it was decided: after 1,000 challenger")


def test_lost_units_make_it_invalid():
    test = Experiment(**PROPORTION)
    test.add("challenger", names("c", 1_500), ones(0.30, 1_500))
    test.add("incumbent", names("i", 2_000), ones(0.10, 2_000))
    assert test.decision == "invalid"
    assert "did not split as declared" in test.because


def guarded(ours: float, theirs: float) -> Experiment:
    test = Experiment(**PROPORTION)
    test.guardrail("complaints", kind="proportion", goal="minimize", margin=0.03)
    for arm, rate, complained in (("challenger", 0.16, ours), ("incumbent", 0.10, theirs)):
        test.add(arm, names(arm, 1_000), ones(rate))
        test.add(arm, names(arm, 1_000), ones(complained), guardrail="complaints")
    return test


@pytest.mark.parametrize(
    ("ours", "theirs", "decision"), [(0.02, 0.02, "better"), (0.12, 0.05, "harmful"), (0.12, 0.105, "continue")]
)
def test_guardrails_must_hold(ours: float, theirs: float, decision: str):
    test = guarded(ours, theirs)
    assert test.decision == decision, test.because
    assert ("complaints" in test.because) == (decision != "better")


def test_a_guardrail_has_its_own_units():
    test = guarded(0.02, 0.02)
    assert test.guardrails["complaints"].decision == "holds"
    assert "after 1,000 challenger and 1,000 incumbent units" in test.because


def test_extremes_are_winsorised_alike():
    values = np.append(np.linspace(0, 1, 999), 1e6)
    tests = [Experiment(kind="mean", goal="maximize", minimum_effect=0.1, winsor=w) for w in (0.01, (0.0, 1.0))]
    for test in tests:
        test.add("challenger", names("c", 1_000), values)
        test.add("incumbent", names("i", 1_000), np.linspace(0, 1, 1_000))
        assert abs(test.effect) < 0.01


def test_nothing_is_known_at_first():
    test = Experiment(kind="mean", goal="maximize", minimum_effect=1.0, winsor=0.01)
    assert test.decision == "continue"
    assert test.interval == (-math.inf, math.inf)
    assert "no evidence yet" in test.because


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param({"arm": "control"}, "no arm 'control'", id="arm"),
        pytest.param({"units": ["z"]}, "shape", id="fewer units"),
        pytest.param({"units": ["z", None]}, "unit is missing", id="no unit"),
        pytest.param({"units": ["z", math.nan]}, "unit is missing", id="unit nan"),
        pytest.param({"values": [1, math.nan]}, "not finite", id="value nan"),
        pytest.param({"values": [1, 2]}, "between 0 and 1", id="no proportion"),
        pytest.param({"units": ["z", "i0"]}, "seen in the incumbent before", id="both arms"),
        pytest.param({"covariates": [1, 2]}, "some have none", id="covariates now"),
        pytest.param({"guardrail": "speed"}, "no guardrail 'speed'", id="guardrail"),
    ],
)
def test_a_refused_batch_changes_nothing(arguments: dict, words: str):
    test = filled(0.13, 0.10)
    before = test.because
    with pytest.raises(CallError, match=words):
        test.add(**{"arm": "challenger", "units": ["z", "y"], "values": [1, 1], **arguments})
    assert test.because == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": {"a": 0.5, "b": 0.5}},
        {"shares": {"challenger": 0, "incumbent": 1}},
        {"minimum_effect": 0},
        {"winsor": 0.01},
        {"kind": "mean", "winsor": 0.5},
        {"kind": "mean", "winsor": (1.0, 0.0)},
    ],
)
def test_impossible_experiments_are_refused(wrong: dict):
    with pytest.raises(CallError):
        Experiment(**{**PROPORTION, **wrong})


def test_ratios_need_denominators():
    test = Experiment(kind="ratio", goal="maximize", minimum_effect=0.1)
    with pytest.raises(CallError, match="no denominators"):
        test.add("challenger", ["a"], [1])
    with pytest.raises(CallError, match="below 0"):
        test.add("challenger", ["a"], [1], denominators=[-1])


def test_guardrails_come_before_the_data():
    test = Experiment(**PROPORTION)
    test.guardrail("speed", kind="mean", goal="minimize", margin=1.0)
    for name, words in (("speed", "two guardrails"), ("late", "after the first outcomes")):
        if name == "late":
            test.add("challenger", ["a"], [1])
        with pytest.raises(CallError, match=words):
            test.guardrail(name, kind="mean", goal="minimize", margin=1.0)
    with pytest.raises(CallError):
        Experiment(**PROPORTION).guardrail("speed", kind="mean", goal="minimize", margin=0)
