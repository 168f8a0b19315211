import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Arm, discounted, expected_regret, judge_bandit, thompson_shares
from rung.stats.bandits import best_probabilities, posterior, within
from rung.stats.effects import FIELDS


def rates(**arms: tuple[int, int]) -> dict[str, Arm]:
    return {name: Arm(units=n, y=y, yy=y, yyy=y) for name, (y, n) in arms.items()}


CLOSE = rates(a=(100, 1_000), b=(115, 1_000), c=(90, 1_000))
SKEWED = rates(a=(1, 8), b=(300, 4_000), c=(0, 2))


def stacked(arms: dict[str, Arm]) -> np.ndarray:
    return np.array([[getattr(arm, name) for arm in arms.values()] for name in FIELDS], dtype=float)


@pytest.mark.parametrize("arms", [CLOSE, SKEWED])
def test_chances_are_those_of_draws(arms: dict[str, Arm]):
    draws = np.random.default_rng(1).beta(
        [1 + arm.y for arm in arms.values()], [1 + arm.units - arm.y for arm in arms.values()], size=(200_000, 3)
    )
    believed = posterior(stacked(arms), kind="proportion", goal="maximize")
    drawn = np.bincount(draws.argmax(axis=1), minlength=3) / len(draws)
    assert best_probabilities(believed) == pytest.approx(drawn, abs=0.006)
    others = np.stack([np.delete(draws, arm, axis=1).max(axis=1) - draws[:, arm] for arm in range(3)])
    assert within(believed, 0.01) == pytest.approx((others <= 0.01).mean(axis=1), abs=0.006)
    regret = expected_regret(arms, dict.fromkeys(arms, 1 / 3), kind="proportion", goal="maximize")
    assert regret == pytest.approx((draws.max(axis=1) - draws.mean(axis=1)).mean(), abs=0.001)


@pytest.mark.parametrize("floor", [0.0, 0.05, 1 / 3])
def test_shares_sum_to_one_exactly(floor: float):
    shares = thompson_shares(CLOSE, kind="proportion", goal="maximize", floor=floor)
    assert sum(shares.values()) == sum(reversed(shares.values())) == 1.0
    assert min(shares.values()) >= floor - 2**-20
    assert shares["b"] == max(shares.values())


def test_minimising_turns_the_order():
    up, down = (thompson_shares(CLOSE, kind="proportion", goal=goal, floor=0) for goal in ("maximize", "minimize"))
    assert down["c"] > down["a"] > down["b"]
    assert up["b"] > up["a"] > up["c"]


@pytest.mark.parametrize("kind", ["proportion", "mean", "ratio"])
def test_unknown_arms_share_alike(kind: str):
    nothing = {name: Arm(units=0, y=0, yy=0) for name in "abcd"}
    assert set(thompson_shares(nothing, kind=kind, goal="maximize").values()) == {0.25}


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_means_follow_the_evidence(goal: str):
    random = np.random.default_rng(2)
    arms = {name: Arm.of(shift + random.normal(size=400)) for name, shift in (("low", 0.0), ("high", 0.3))}
    shares = thompson_shares(arms, kind="mean", goal=goal, floor=0.05)
    assert shares["high" if goal == "maximize" else "low"] > 0.9


def test_ratios_follow_the_evidence():
    random = np.random.default_rng(3)
    requests = random.integers(1, 9, size=2_000)
    arms = {
        name: Arm.of(random.binomial(requests, rate), denominators=requests) for name, rate in (("a", 0.2), ("b", 0.25))
    }
    assert thompson_shares(arms, kind="ratio", goal="maximize")["b"] > 0.9
    assert expected_regret(arms, {"a": 1, "b": 1}, kind="ratio", goal="maximize") == pytest.approx(0.025, abs=0.005)


def test_a_handful_is_no_certainty():
    arms = {"few": Arm.of([1.0, 1.0]), "many": Arm.of(np.random.default_rng(4).normal(size=1_000))}
    shares = thompson_shares(arms, kind="mean", goal="minimize", floor=0.0)
    assert 0.05 < shares["few"] < 0.3
    assert thompson_shares(rates(few=(0, 2), many=(100, 1_000)), kind="proportion", goal="maximize")["few"] > 0.5


def test_a_winner_ends_it():
    look = judge_bandit(
        rates(a=(1_000, 10_000), b=(1_300, 10_000)), kind="proportion", goal="maximize", minimum_effect=0.01
    )
    assert look.winner == "b"
    assert look.value_remaining == 0
    assert look.because == (
        "b is the best with probability 100.0%, and another may be better by 0 at most: that is not worth going on"
        " (smallest effect worth having 0.01, confidence 99.5%)"
    )


def test_equal_arms_end_it_too():
    arms = rates(a=(5_000, 50_000), b=(5_010, 50_000))
    assert judge_bandit(arms, kind="proportion", goal="maximize", minimum_effect=0.01).winner == "b"


def test_open_questions_go_on():
    look = judge_bandit(CLOSE, kind="proportion", goal="maximize", minimum_effect=0.005)
    assert look.winner is None
    assert look.value_remaining > 0.005
    assert 0 < look.expected_regret < 0.01
    assert "worth going on" in look.because


def test_a_few_units_name_no_winner():
    look = judge_bandit(rates(a=(0, 50), b=(50, 50)), kind="proportion", goal="maximize", minimum_effect=0.1)
    assert look.winner is None
    assert "too few units" in look.because


def test_older_periods_count_less():
    periods = [Arm.of([1, 1, 1, 1], denominators=[2, 2, 2, 2]), Arm.of([0, 0], denominators=[1, 1])]
    faded = discounted(periods, 0.5)
    assert (faded.units, faded.y, faded.x, faded.yyy) == (4, 2.0, 6.0, 2.0)
    assert discounted(periods, 1.0) == periods[0] + periods[1]
    assert discounted([], 0.5).units == 0
    assert discounted([Arm(units=1, y=1, yy=1)], 0.5).yyy is None


@pytest.mark.parametrize(
    "wrong", [{"floor": 0.6}, {"floor": -0.1}, {"kind": "median"}, {"goal": "more"}, {"arms": rates(a=(1, 2))}]
)
def test_impossible_bandits_are_refused(wrong: dict):
    with pytest.raises(CallError):
        thompson_shares(
            **{"arms": rates(a=(1, 2), b=(1, 2)), "kind": "proportion", "goal": "maximize", **wrong},
        )


def test_impossible_questions_are_refused():
    options = {"kind": "proportion", "goal": "maximize"}
    with pytest.raises(CallError):
        judge_bandit(CLOSE, **options, minimum_effect=0)
    with pytest.raises(CallError):
        judge_bandit(CLOSE, **options, minimum_effect=0.1, confidence=0.5)
    with pytest.raises(CallError, match="same"):
        expected_regret(CLOSE, {"a": 1.0}, **options)
    with pytest.raises(CallError):
        discounted([], 0)
