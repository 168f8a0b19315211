from __future__ import annotations

import pytest

from rung.serving._observe import Observer


def observed(**headers: str):
    pairs = [(f"x-rung-{name}".encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Observer(revision="housing.v1.m2").begin(pairs, route="predict")


@pytest.mark.parametrize("arm", ["challenger", "incumbent", "none", "m3", "m1200"])
def test_arms_of_tests_and_bandits_are_kept(arm: str):
    assert observed(arm=arm).arm == arm


@pytest.mark.parametrize("arm", ["", "m", "m1234567890", "Challenger", 'm3"', "m\u00b3", "m3 "])
def test_anything_else_is_no_arm(arm: str):
    assert observed(arm=arm).arm is None


@pytest.mark.parametrize(("value", "propensity"), [("0.3000", 0.3), ("1.0000", 1.0), ("0.0001", 0.0001)])
def test_propensity_is_a_probability(value: str, propensity: float):
    assert observed(propensity=value).propensity == propensity


@pytest.mark.parametrize("value", ["", "0.0000", "-0.1", "1.1", "nan", "inf", "much", "\u00bd"])
def test_anything_else_is_no_propensity(value: str):
    assert observed(propensity=value).propensity is None


def test_requests_outside_an_experiment_have_neither():
    seen = observed(route="production")
    assert (seen.kind, seen.experiment, seen.arm, seen.propensity) == ("production", None, None, None)
