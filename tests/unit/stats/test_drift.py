import numpy as np
import pytest
from scipy import stats as scipy_stats

from rung.errors import CallError
from rung.stats import chance_of_counts, chance_of_distance


def test_distance_is_bounded_by_the_exact_test():
    random = np.random.default_rng(1)
    for shift in (0.0, 0.1, 0.3):
        one, other = random.normal(size=400), random.normal(shift, size=300)
        exact = scipy_stats.ks_2samp(one, other)
        found = chance_of_distance(float(exact.statistic), 400, 300)
        assert exact.pvalue <= found <= 4 * exact.pvalue + 1e-3 or found == 1.0


@pytest.mark.parametrize(
    ("distance", "before", "after"),
    [
        pytest.param(1.2, 10, 10, id="farther than can be"),
        pytest.param(0.5, -1, 10, id="fewer than none"),
        pytest.param(float("nan"), 10, 10, id="no number"),
    ],
)
def test_distance_that_cannot_be_is_refused(distance: float, before: float, after: float):
    with pytest.raises(CallError, match="is not from 0 to 1"):
        chance_of_distance(distance, before, after)


def test_nothing_is_no_evidence():
    assert chance_of_distance(0.9, 0, 100) == 1.0
    assert chance_of_counts([0, 0], [10, 20]) == 1.0
    assert chance_of_counts([10], [1_000]) == 1.0


def test_counts_agree_with_the_likelihood_ratio_test():
    table = [[120, 90, 40], [80, 95, 75]]
    expected = scipy_stats.chi2_contingency(table, lambda_="log-likelihood").pvalue
    assert chance_of_counts(*table) == pytest.approx(expected, rel=1e-9)


def test_rare_categories_are_put_together():
    many = chance_of_counts([1_000, 1_000, *[1] * 300], [1_000, 1_000, *[0] * 300])
    assert many == pytest.approx(chance_of_counts([1_000, 1_000, 300], [1_000, 1_000, 0]))


def test_fewer_independent_values_are_less_evidence():
    before, after = [500, 500], [600, 400]
    assert chance_of_counts(before, after, independent=(1_000, 50)) > 100 * chance_of_counts(before, after)


def test_quiet_counts_stay_within_their_level_far_out():
    random = np.random.default_rng(2)
    shares = np.array([0.6, 0.2, 0.1, 0.05, 0.03, 0.02])
    chances = [
        chance_of_counts(random.multinomial(2_000, shares), random.multinomial(150, shares)) for _ in range(4_000)
    ]
    for level in (0.1, 0.01, 0.001):
        share = np.mean(np.array(chances) <= level)
        assert share <= level + 3 * np.sqrt(level / 4_000)


@pytest.mark.parametrize("after", [[1, 2], [1, 2, -3], [1, 2, float("nan")]])
def test_counts_of_other_categories_are_refused(after: list[float]):
    with pytest.raises((CallError, ValueError)):
        chance_of_counts([1, 2, 3], after)
