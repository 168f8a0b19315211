"""How far groups are apart: intervals that hold, groups that are too small, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Score, Share, compare_scores, compare_shares, hold_to

CONFIDENT = 0.95


def shares(*counts: tuple[int, int]) -> list[Share]:
    return [Share(group=f"g{index}", successes=s, trials=n) for index, (s, n) in enumerate(counts)]


def score(group: str, value: float | None, error: float | None = 0.1, *, rows: int = 100) -> Score:
    return Score(group=group, rows=rows, value=value, standard_error=error, freedom=19)


def test_newcombe_interval_is_the_published_one():
    """R. G. Newcombe 1998, table II, case (a), method 10: 56/70 against 48/80."""
    found = compare_shares(shares((56, 70), (48, 80)))
    assert found.difference == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_ratio_is_of_the_lowest_to_the_highest():
    found = compare_shares(shares((80, 100), (60, 100), (70, 100)))
    assert (found.lowest, found.highest) == ("g1", "g0")
    assert found.ratio == pytest.approx(0.75)
    low, high = found.ratio_interval or (math.nan, math.nan)
    assert low < 0.75 < high <= 1


def test_more_pairs_make_the_interval_wider():
    two, many = compare_shares(shares((80, 100), (60, 100))), compare_shares(shares((80, 100), (60, 100), (70, 100)))
    assert (many.interval or (0, 0))[1] > (two.interval or (0, 0))[1]
    assert (many.interval or (0, 0))[0] < (two.interval or (0, 0))[0]


def test_small_groups_are_shown_and_not_compared():
    found = compare_shares(shares((80, 100), (60, 100), (0, 29)))
    assert found.too_small == ("g2",)
    assert found.groups[2].value == 0
    assert found.highest == "g0"


@pytest.mark.parametrize("counts", [(), ((50, 100),), ((50, 100), (3, 10)), ((0, 0), (0, 0))])
def test_one_group_has_no_difference(counts: tuple[tuple[int, int], ...]):
    found = compare_shares(shares(*counts))
    assert found.difference is None
    assert hold_to(found, limit=0.1).passed
    assert "nothing is compared" in hold_to(found, limit=0.1).because


def test_share_of_zero_has_no_ratio():
    assert compare_shares(shares((0, 100), (50, 100))).ratio is None


def test_scores_without_a_number_are_not_compared():
    found = compare_scores([score("a", 1.0), score("b", 2.0), score("c", None), score("d", 9.0, None)])
    assert found.too_small == ("c", "d")
    assert found.difference == pytest.approx(1.0)


def test_negative_scores_have_a_difference_and_no_ratio():
    found = compare_scores([score("a", -1.0), score("b", 2.0)])
    assert found.difference == pytest.approx(3.0)
    assert found.ratio is None


def test_scores_without_spread_are_surely_apart():
    found = compare_scores([score("a", 1.0, 0.0), score("b", 2.0, 0.0)])
    assert found.interval == (1.0, 1.0)
    assert not hold_to(found, limit=0.5).passed


def test_difference_that_may_be_chance_passes():
    judged = hold_to(compare_shares(shares((60, 100), (50, 100))), limit=0.02)
    assert judged.passed
    assert "not surely more than allowed" in judged.because


def test_difference_within_the_limit_says_so():
    judged = hold_to(compare_shares(shares((5_000, 10_000), (5_010, 10_000))), limit=0.1)
    assert "within what is allowed" in judged.because


@pytest.mark.parametrize("limit", [-0.1, math.nan, math.inf])
def test_limit_must_be_a_number_from_0_on(limit: float):
    with pytest.raises(CallError, match="must be a number from 0 on"):
        hold_to(compare_shares(shares((80, 100), (60, 100))), limit=limit)


@pytest.mark.parametrize("confidence", [0, 1, 2])
def test_confidence_is_between_0_and_1(confidence: float):
    with pytest.raises(CallError):
        compare_scores([score("a", 1.0)], confidence=confidence)


@pytest.mark.parametrize("truth", [(0.5, 0.5, 0.5, 0.5), (0.3, 0.4, 0.5, 0.6)], ids=["equal", "apart"])
def test_interval_covers_the_largest_true_difference(truth: tuple[float, ...]):
    """Although the two groups are picked after the fact: 95 % promised, 2,000 simulations, error of them 0.5 %."""
    draws = np.random.default_rng(0).binomial(200, truth, size=(2_000, len(truth)))
    largest = max(truth) - min(truth)
    covered = 0
    for drawn in draws:
        low, high = compare_shares(shares(*((int(s), 200) for s in drawn))).interval or (math.nan, math.nan)
        covered += low - 1e-12 <= largest <= high + 1e-12
    assert covered / len(draws) >= CONFIDENT - 0.01


def test_score_intervals_cover_equal_groups():
    """Groups of 60 rows in 20 parts, as an evaluation measures them; 1,000 simulations."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1_000):
        rows = rng.normal(size=(3, 20, 3))
        without = [(group.sum() - group.sum(axis=1)) / 57 for group in rows]
        errors = [math.sqrt(19 / 20 * float(((one - one.mean()) ** 2).sum())) for one in without]
        scores = [
            Score(group=str(index), rows=60, value=float(group.mean()), standard_error=error, freedom=19)
            for index, (group, error) in enumerate(zip(rows, errors, strict=True))
        ]
        low, _ = compare_scores(scores).interval or (math.nan, math.nan)
        covered += low <= 0
    assert covered / 1_000 >= CONFIDENT - 0.015
