import math
from collections.abc import Callable

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import PolicyValue, doubly_robust, inverse_propensity, self_normalised

ARMS = np.array(["a", "b", "c"])
LOGGED = np.array([0.6, 0.3, 0.1])
RATES = np.array([0.2, 0.4, 0.5])
POLICY = {"a": 0.1, "b": 0.3, "c": 0.6}
TRUTH = 0.1 * 0.2 + 0.3 * 0.4 + 0.6 * 0.5


def log(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    chosen = random.choice(3, p=LOGGED, size=rows)
    return ARMS[chosen], LOGGED[chosen], (random.random(rows) < RATES[chosen]).astype(float)


def modelled(*row: object, **options: object) -> PolicyValue:
    return doubly_robust(*row, predicted={"a": 0.25, "b": 0.35, "c": 0.45}, **options)


@pytest.mark.parametrize("estimate", [inverse_propensity, self_normalised, modelled])
def test_the_error_is_as_stated(estimate: Callable[..., PolicyValue]):
    found = [estimate(*log(2_000, seed), policy=POLICY) for seed in range(300)]
    values = np.array([one.value for one in found])
    stated = np.mean([one.standard_error for one in found])
    assert values.mean() == pytest.approx(TRUTH, abs=3 * stated / math.sqrt(300))
    assert stated == pytest.approx(values.std(), rel=0.15)


def test_a_model_takes_out_noise():
    rows = log(5_000, 1)
    errors = [estimate(*rows, policy=POLICY).standard_error for estimate in (inverse_propensity, modelled)]
    assert errors[1] < 0.95 * errors[0]


def test_the_logged_policy_is_the_mean():
    arms, propensities, rewards = log(1_000, 2)
    policy = dict(zip(ARMS.tolist(), LOGGED, strict=True))
    for estimate in (inverse_propensity, self_normalised):
        found = estimate(arms, propensities, rewards, policy=policy)
        assert found.value == pytest.approx(rewards.mean())
        assert found.standard_error == pytest.approx(rewards.std(ddof=1) / math.sqrt(1_000))
        assert (found.effective_rows, found.rows) == (pytest.approx(1_000), 1_000)


def test_far_policies_have_few_rows():
    assert inverse_propensity(*log(1_000, 3), policy={"a": 0, "b": 0, "c": 1}).effective_rows == pytest.approx(
        100, abs=30
    )


def test_policies_may_differ_by_row():
    arms, propensities, rewards = log(1_000, 4)
    always = np.full(1_000, 0.5)
    by_row = inverse_propensity(arms, propensities, rewards, policy={"a": always, "b": always, "c": 0})
    assert by_row == inverse_propensity(arms, propensities, rewards, policy={"a": 0.5, "b": 0.5, "c": 0})


def test_rows_of_a_unit_count_once():
    arms, propensities, rewards = log(500, 5)
    twice = [np.repeat(column, 2) for column in (arms, propensities, rewards)]
    alone = inverse_propensity(arms, propensities, rewards, policy=POLICY)
    together = inverse_propensity(*twice, policy=POLICY, units=np.repeat(np.arange(500), 2))
    assert together.standard_error == pytest.approx(alone.standard_error)
    assert inverse_propensity(*twice, policy=POLICY).standard_error < 0.8 * alone.standard_error


def test_one_unit_has_no_error():
    assert (
        inverse_propensity(*log(5, 6), policy=POLICY | {"a": 1, "b": 0, "c": 0}, units=["u"] * 5).standard_error
        == math.inf
    )


def test_predictions_speak_for_unseen_arms():
    rows, policy = (["a", "a"], [1.0, 1.0], [0.0, 1.0]), {"a": 0.5, "b": 0.5}
    assert doubly_robust(*rows, policy=policy, predicted={"a": 0.5, "b": 0.9}).value == pytest.approx(0.7)
    with pytest.raises(CallError, match="'b', of which the log has no row"):
        inverse_propensity(*rows, policy=policy)
    with pytest.raises(CallError, match="no predicted reward"):
        doubly_robust(*rows, policy=policy, predicted={"a": 0.5})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"propensities": [0.0, 0.5]}, "above 0"),
        ({"propensities": [1.1, 0.5]}, "at most 1"),
        ({"propensities": [0.5]}, "shape"),
        ({"arms": ["a"]}, "each row"),
        ({"units": [1]}, "each row"),
        ({"rewards": [math.nan, 1]}, "not finite"),
        ({"arms": ["a"], "propensities": [0.5], "rewards": [1]}, "1 rows"),
        ({"policy": {"a": 1.0}}, "'b'"),
        ({"policy": {"a": 0.5, "b": 0.4}}, "sum to 1"),
        ({"policy": {"a": 1.5, "b": -0.5}}, "sum to 1"),
    ],
)
def test_broken_logs_are_refused(wrong: dict, words: str):
    good = {"arms": ["a", "b"], "propensities": [0.5, 0.5], "rewards": [0, 1], "policy": {"a": 0.5, "b": 0.5}}
    call = {**good, **wrong}
    with pytest.raises(CallError, match=words):
        inverse_propensity(
            call["arms"], call["propensities"], call["rewards"], policy=call["policy"], units=call.get("units")
        )


def test_a_policy_of_nothing_logged_is_refused():
    with pytest.raises(CallError, match="never chooses"):
        self_normalised(["a", "b"], [0.5, 0.5], [0, 1], policy={"a": [0, 1], "b": [1, 0]})
