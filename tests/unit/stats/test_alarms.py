import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import FalseAlarms, alarms, discoveries


def test_rate_is_spread_over_the_looks():
    assert FalseAlarms(a_year=1, every_s=86_400).alpha == pytest.approx(1 / 365.25)
    assert FalseAlarms(a_year=4).alpha == pytest.approx(4 / 8_766)


@pytest.mark.parametrize(("a_year", "every_s"), [(0, 3_600), (1, 0), (10_000, 3_600)])
def test_rate_that_cannot_be_kept_is_refused(a_year: float, every_s: float):
    with pytest.raises(CallError, match="no rate that can be kept"):
        FalseAlarms(a_year=a_year, every_s=every_s)


def test_alarms_are_those_of_holm():
    assert alarms([0.011, 0.021, 0.001, 0.5], 0.04) == [True, False, True, False]
    assert alarms([], 0.01) == []
    assert alarms([0.001] * 3, 0.01) == [True] * 3


def test_discoveries_are_those_of_benjamini_and_hochberg():
    chances = [0.01, 0.04, 0.03, 0.005, 0.55]
    assert discoveries(chances, 0.05) == [True, True, True, True, False]
    assert discoveries([], 0.05) == []
    assert discoveries([0.9, 0.8], 0.05) == [False, False]


def test_quiet_looks_raise_alarms_at_the_rate_however_features_depend():
    random, alpha = np.random.default_rng(3), 0.05
    alone = random.random((4_000, 20))
    together = np.repeat(random.random((4_000, 2)), 10, axis=1)
    for looks in (alone, together):
        share = np.mean([any(alarms(look, alpha)) for look in looks])
        assert share <= alpha + 3 * np.sqrt(alpha / 4_000)


@pytest.mark.parametrize("chances", [[1.2], [-0.1], [float("nan")]])
def test_what_is_no_probability_is_refused(chances: list[float]):
    with pytest.raises(CallError, match="probabilities from 0 to 1"):
        alarms(chances, 0.01)
