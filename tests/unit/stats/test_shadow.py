import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.spatial import distance

from rung.errors import CallError
from rung.stats import agreement, categorical_shift, differences, numeric_shift, paired_effect


@pytest.mark.parametrize(
    ("ours", "theirs", "tolerance", "share"),
    [
        pytest.param([1, 2, 3], [1, 2, 4], 0, 2 / 3, id="equal"),
        pytest.param([1.0, 2.0], [1.05, 2.2], 0.1, 0.5, id="tolerance"),
        pytest.param([math.nan, math.inf], [math.nan, math.inf], 0, 1.0, id="not finite"),
        pytest.param(["a", "b"], ["a", "c"], 0, 0.5, id="labels"),
        pytest.param([True, False], [True, True], 0, 0.5, id="booleans"),
        pytest.param([2**60 + 1], [2**60], 0, 0.0, id="large whole numbers"),
    ],
)
def test_agreement_counts_equal_answers(ours: list, theirs: list, tolerance: float, share: float):
    found = agreement(ours, theirs, tolerance=tolerance)
    assert found.share == pytest.approx(share)
    assert found.interval[0] <= share <= found.interval[1]
    assert found.requests == len(ours)


def test_no_requests_agree_on_nothing():
    found = agreement([], [])
    assert math.isnan(found.share)
    assert found.interval == (0, 1)


def test_differences_have_sizes():
    found = differences(np.arange(101.0), np.zeros(101) + 50)
    assert found.mean == 0
    assert (found.median_absolute, found.largest) == (25, 50)
    assert found.p95_absolute < found.p99_absolute <= 50


@pytest.mark.parametrize(("goal", "sign"), [("maximize", 1), ("minimize", -1)])
def test_pairs_take_out_what_they_share(goal: str, sign: int):
    random = np.random.default_rng(1)
    shared = random.normal(scale=10, size=400)
    found = paired_effect(shared + 1 + random.normal(size=400), shared, goal=goal)
    assert sign * found.estimate == pytest.approx(1, abs=0.2)
    assert found.standard_error == pytest.approx(1 / 20, rel=0.15)
    low, high = found.interval
    assert low < found.estimate < high
    assert (low > 0) == (sign > 0)


def test_the_interval_covers_at_all_looks():
    random, missed = np.random.default_rng(2), 0
    for _ in range(200):
        scores = random.exponential(size=1_000) - 1
        looks = [paired_effect(scores[:n], np.zeros(n), goal="maximize").interval for n in range(50, 1_001, 25)]
        missed += any(low > 0 or high < 0 for low, high in looks)
    assert missed / 200 < 0.10


@pytest.mark.parametrize("units", [0, 1, 3])
def test_equal_scores_are_no_evidence(units: int):
    found = paired_effect([1.0] * units, [1.0] * units, goal="maximize")
    assert (found.estimate, found.standard_error, found.units) == (0, math.inf, units)
    assert found.interval == (-math.inf, math.inf)


def test_sizes_of_numeric_shift():
    random = np.random.default_rng(3)
    first, second = random.normal(size=2_000), random.normal(loc=1, size=3_000)
    found = numeric_shift(first, second)
    assert found.ks == pytest.approx(scipy_stats.ks_2samp(first, second).statistic)
    assert found.psi == pytest.approx(1.0, abs=0.25)  # of normals a standard deviation apart, without bins: 1
    assert numeric_shift(first, first[::2]).psi < 0.02


def test_constant_answers_shift():
    assert numeric_shift([1.0] * 50, [1.0] * 50) == numeric_shift([2.0], [2.0])
    assert numeric_shift([2.0] * 50, [1.0] * 50).ks == 1


def test_sizes_of_categorical_shift():
    ours, theirs = ["a"] * 60 + ["b"] * 40, ["a"] * 40 + ["b"] * 50 + ["c"] * 10
    found = categorical_shift(ours, theirs)
    table = [[60, 40, 0], [40, 50, 10]]
    assert found.cramers_v == pytest.approx(scipy_stats.contingency.association(np.array(table)))
    assert found.jensen_shannon == pytest.approx(distance.jensenshannon([0.6, 0.4, 0], [0.4, 0.5, 0.1], base=2))
    assert categorical_shift(["a"], ["b"]).jensen_shannon == pytest.approx(1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: agreement([1], [1, 2]),
        lambda: agreement([1], [1], tolerance=-1),
        lambda: differences([], []),
        lambda: differences([1.0], [math.nan]),
        lambda: paired_effect([1.0], [1.0, 2.0], goal="maximize"),
        lambda: paired_effect([1.0], [1.0], goal="more"),
        lambda: paired_effect([1.0], [1.0], goal="maximize", alpha=0.5),
        lambda: numeric_shift([], [1.0]),
        lambda: categorical_shift(["a"], []),
    ],
)
def test_what_cannot_be_compared_is_refused(call: Callable[[], object]):
    with pytest.raises(CallError):
        call()
