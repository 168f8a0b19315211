import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import confidence_estimator, score_estimator


def sentences(random: np.random.Generator, count: int, *, easy: float = 0.5):
    """Confidence, and whether the answer was right: a classifier that is too sure of itself."""
    truth = np.where(random.random(count) < easy, 0.95, 0.6)
    confidence = np.clip(truth + 0.04 + random.normal(scale=0.02, size=count), 0, 1)
    return confidence, (random.random(count) < truth).astype(float)


def houses(random: np.random.Generator, count: int, *, old: float = 0.3):
    """Columns, and an error that depends on two of them."""
    is_old = random.random(count) < old
    area = random.lognormal(7, 0.4, size=count)
    rows = {
        "area": area,
        "depth": np.where(random.random(count) < 0.2, np.nan, random.normal(size=count)),
        "kind": np.where(is_old, "old", "new"),
    }
    return rows, np.abs(random.normal(scale=np.where(is_old, 3.0, 1.0) * np.where(area > 1_500, 2.0, 1.0)))


def test_accuracy_is_foretold_of_harder_sentences():
    random = np.random.default_rng(1)
    estimator = confidence_estimator(*sentences(random, 2_000))
    confidence, correct = sentences(random, 1_000, easy=0.1)
    found = estimator.estimate({"confidence": confidence})
    assert found.holds, found.because
    assert found.interval[0] <= correct.mean() <= found.interval[1]
    assert found.value < estimator.mean - 0.05


def test_error_is_foretold_of_other_houses():
    random = np.random.default_rng(2)
    estimator = score_estimator(*houses(random, 3_000))
    rows, errors = houses(random, 1_000, old=0.8)
    found = estimator.estimate(rows)
    assert found.holds, found.because
    assert found.interval[0] <= errors.mean() <= found.interval[1]
    assert found.value > 1.3 * estimator.mean


def test_intervals_cover_what_is_measured_later():
    random, covered = np.random.default_rng(3), 0
    for _ in range(60):
        estimator = score_estimator(*houses(random, 800))
        rows, errors = houses(random, 300, old=0.6)
        low, high = estimator.estimate(rows).interval
        covered += low <= errors.mean() <= high
    assert covered >= 52


def test_rows_unlike_the_held_out_ones_are_told():
    random = np.random.default_rng(4)
    estimator = score_estimator(*houses(random, 1_000))
    rows, _ = houses(random, 500)
    found = estimator.estimate(rows | {"kind": np.full(500, "houseboat")})
    assert not found.holds
    assert found.because.startswith("100% of the rows are unlike all held-out ones, by kind")


def test_scores_that_depend_on_nothing_are_not_foretold():
    random = np.random.default_rng(5)
    estimator = score_estimator({"x": random.normal(size=500)}, random.random(500))
    assert not estimator.holds
    assert "nothing that is known" in estimator.because


def test_fewer_independent_rows_are_less_certain():
    random = np.random.default_rng(6)
    estimator = confidence_estimator(*sentences(random, 1_000))
    rows = {"confidence": sentences(random, 500)[0]}
    widths = [high - low for low, high in (estimator.estimate(rows, independent=n).interval for n in (None, 50))]
    assert widths[1] > 1.5 * widths[0]


def test_no_rows_give_no_estimate():
    found = confidence_estimator(*sentences(np.random.default_rng(7), 200)).estimate({"confidence": np.empty(0)})
    assert (found.rows, found.holds, np.isnan(found.value)) == (0, False, True)


def test_few_held_out_rows_are_refused():
    with pytest.raises(CallError, match="too few to estimate from"):
        confidence_estimator([0.5] * 20, [1.0] * 20)


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(CallError, match="columns of as many rows"):
        score_estimator({"x": np.zeros(3)}, np.zeros(200))
