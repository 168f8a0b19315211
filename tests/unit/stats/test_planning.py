import pytest

from rung.errors import CallError
from rung.stats import expected_duration, required_units


def test_a_known_size_for_proportions():
    assert required_units(kind="proportion", baseline=0.5, minimum_effect=0.05) == pytest.approx(2_461, abs=2)


def test_variance_stands_for_any_kind():
    by_variance = required_units(kind="ratio", variance=4.0, minimum_effect=0.1)
    assert by_variance == pytest.approx(6.1826 * 4 * 4 / 0.01, rel=1e-3)


def test_an_uneven_share_needs_more():
    even = required_units(kind="mean", variance=1, minimum_effect=0.1)
    assert required_units(kind="mean", variance=1, minimum_effect=0.1, share=0.1) == pytest.approx(
        even / 0.36, rel=0.01
    )


def test_a_falling_proportion_varies_less():
    up = required_units(kind="proportion", baseline=0.1, minimum_effect=0.02)
    assert required_units(kind="proportion", baseline=0.1, minimum_effect=0.02, goal="minimize") < up


@pytest.mark.parametrize(
    "wrong",
    [
        {"minimum_effect": 0},
        {"share": 1},
        {"variance": 0},
        {"variance": None},
        {"kind": "proportion", "variance": None, "baseline": 1},
        {"kind": "proportion", "variance": None, "baseline": 0.95},
    ],
)
def test_impossible_plans_are_refused(wrong: dict):
    with pytest.raises(CallError):
        required_units(**{"kind": "mean", "variance": 1, "minimum_effect": 0.1, **wrong})


def test_sequential_tests_end_sooner():
    days = expected_duration(10_000, units_per_day=1_000)
    assert days.fixed_horizon == 10
    assert days.if_no_effect < days.if_better < days.fixed_horizon < days.at_most


def test_a_test_needs_traffic():
    with pytest.raises(CallError, match="above 0"):
        expected_duration(10_000, units_per_day=0)


def test_expects_what_simulation_measured():
    days = expected_duration(1_000, units_per_day=10)
    assert days.if_better == pytest.approx(66, abs=3)
    assert days.if_no_effect == pytest.approx(47, abs=3)
    assert days.at_most == pytest.approx(160, abs=5)
