"""Policies as they are written, and what a log says of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rung.cli.offpolicy import estimate, parse_policy, spell_policy
from rung.errors import CallError

RATES = {"m1": 0.1, "m2": 0.3, "m3": 0.2}
SHARES = {"m1": 0.6, "m2": 0.1, "m3": 0.3}


@pytest.fixture(scope="module")
def log() -> dict[str, Any]:
    drawn = random.Random(5)
    arms = drawn.choices(list(SHARES), weights=list(SHARES.values()), k=6_000)
    return {
        "arms": arms,
        "propensities": [SHARES[arm] for arm in arms],
        "rewards": [float(drawn.random() < RATES[arm]) for arm in arms],
        "units": list(range(6_000)),
    }


@pytest.mark.parametrize("text", ["m3=1", "m2=.5,m3=.5", " m2 = 0.25 , m3 = 0.75 "])
def test_policies_are_read(text: str):
    assert sum(parse_policy(text).values()) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no policy"),
        ("m3", "is no policy"),
        ("m3=x", "is no policy"),
        ("challenger=1", "is no policy"),
        ("m2=.5,m2=.5", "is no policy"),
        ("m2=-1,m3=2", "is no policy"),
        ("m2=nan", "is no policy"),
        ("m2=.5,m3=.4", "sum to 0.9: they must sum to 1"),
    ],
)
def test_other_policies_are_refused(text: str, told: str):
    with pytest.raises(CallError, match=told):
        parse_policy(text)


@pytest.mark.parametrize("policy", [{"m2": 1.0}, {"m1": 0.5, "m3": 0.5}, dict.fromkeys(RATES, 1 / 3)], ids=spell_policy)
def test_all_estimates_find_the_truth(log: dict[str, Any], policy: dict[str, float]):
    truth = sum(share * RATES[arm] for arm, share in policy.items())
    for value in estimate(log, policy).values():
        assert value is not None
        assert value.value == pytest.approx(truth, abs=4 * value.standard_error)
        assert value.effective_rows < value.rows


def test_arm_without_log_is_refused(log: dict[str, Any]):
    with pytest.raises(CallError, match="the log has no assignment to m9: it has m1, m2, m3"):
        estimate(log, {"m9": 1.0})


def test_arm_seen_in_one_half_has_no_robust_estimate():
    log = {
        "arms": ["m1", "m1", "m1", "m2"],
        "propensities": [0.75, 0.75, 0.75, 0.25],
        "rewards": [0.0, 1.0, 1.0, 1.0],
        "units": [1, 2, 3, 4],
    }
    found = estimate(log, {"m2": 1.0})
    assert found["doubly_robust"] is None
    assert found["snips"] is not None
    assert found["snips"].value == 1.0
