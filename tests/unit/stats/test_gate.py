import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import DrawnScore, Gate, GroupedScore, bootstrap_draws, bootstrap_gate, groups, paired_gate


def scores(right: np.ndarray) -> GroupedScore:
    group = groups(right.size)
    return GroupedScore(
        full=right.mean(), without_group=tuple(right[group != g].mean() for g in range(group.max() + 1))
    )


def answers(rows: int, wrong: int) -> np.ndarray:
    right = np.ones(rows)
    right[np.linspace(0, rows - 1, wrong, dtype=int)] = 0
    return right


def test_a_tenth_of_a_point_passes():
    gate = paired_gate(candidate=scores(answers(10_000, 190)), reference=scores(answers(10_000, 180)), goal="maximize")
    assert gate.passed
    assert gate.difference == pytest.approx(-0.001)
    assert "not significantly worse" in gate.because


def test_a_point_is_rejected():
    gate = paired_gate(candidate=scores(answers(10_000, 280)), reference=scores(answers(10_000, 180)), goal="maximize")
    assert not gate.passed
    assert gate.p_value < 0.01
    assert gate.smallest_caught < -gate.difference


def test_minimising_turns_the_sign():
    low, high = scores(answers(10_000, 280)), scores(answers(10_000, 180))
    assert paired_gate(candidate=low, reference=high, goal="minimize").difference == pytest.approx(0.01)
    assert paired_gate(candidate=low, reference=high, goal="minimize").passed


def test_the_standard_error_is_the_pairs():
    random = np.random.default_rng(3)
    ours, theirs = random.normal(size=5_000), random.normal(size=5_000)
    gate = paired_gate(candidate=scores(ours), reference=scores(theirs), goal="maximize")
    assert gate.standard_error == pytest.approx((ours - theirs).std() / math.sqrt(5_000), rel=0.3)
    assert gate.reliably_caught > gate.smallest_caught > gate.standard_error


def test_equal_scores_pass():
    same = scores(answers(1_000, 20))
    gate = paired_gate(candidate=same, reference=same, goal="maximize")
    assert gate.passed
    assert gate.standard_error == 0


@pytest.mark.parametrize(("step", "passed"), [(-0.1, False), (0.1, True)])
def test_a_constant_difference_is_certain(step: float, passed: bool):
    reference = GroupedScore(full=0.5, without_group=(0.5,) * 50)
    candidate = GroupedScore(full=0.5 + step, without_group=(0.5 + step,) * 50)
    assert paired_gate(candidate=candidate, reference=reference, goal="maximize").passed is passed


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_fail(broken: float):
    good = GroupedScore(full=0.5, without_group=(0.5, 0.6))
    for bad in (
        GroupedScore(full=broken, without_group=(0.5, 0.6)),
        GroupedScore(full=0.5, without_group=(0.5, broken)),
    ):
        gate = paired_gate(candidate=bad, reference=good, goal="maximize")
        assert not gate.passed
        assert "must be finite" in gate.because
        assert math.isnan(gate.difference)


@pytest.mark.parametrize(("ours", "theirs", "alpha"), [(2, 3, 0.05), (1, 1, 0.05), (2, 2, 0.5)])
def test_unpaired_scores_are_refused(ours: int, theirs: int, alpha: float):
    candidate, reference = (GroupedScore(full=0.5, without_group=(0.5,) * count) for count in (ours, theirs))
    with pytest.raises(CallError):
        paired_gate(candidate=candidate, reference=reference, goal="maximize", alpha=alpha)


def test_groups_are_even_and_fixed():
    group = groups(10_007)
    assert set(np.bincount(group)) == {200, 201}
    assert group[:8].tolist() == [32, 36, 17, 32, 27, 28, 46, 9]


def test_groups_ignore_the_order_of_rows():
    means = [np.arange(10_000)[groups(10_000) == g].mean() for g in range(50)]
    assert np.std(means) == pytest.approx(10_000 / math.sqrt(12 * 200), rel=0.3)


def test_few_rows_are_their_own_groups():
    assert sorted(groups(7).tolist()) == list(range(7))
    with pytest.raises(CallError):
        groups(1)


def medians(ours: np.ndarray, theirs: np.ndarray, draws: int = 400) -> Gate:
    rows = list(bootstrap_draws(ours.size, draws))
    candidate, reference = (
        DrawnScore(full=float(np.median(y)), drawn=tuple(float(np.median(y[i])) for i in rows)) for y in (ours, theirs)
    )
    return bootstrap_gate(candidate=candidate, reference=reference, goal="minimize")


def test_draws_are_fixed_and_even():
    first, again = (np.stack(list(bootstrap_draws(500, 200, seed=3))) for _ in range(2))
    assert (first == again).all()
    assert (first != np.stack(list(bootstrap_draws(500, 200, seed=4)))).any()
    assert (first.min(), first.max()) == (0, 499)
    assert np.bincount(first.ravel()).std() == pytest.approx(math.sqrt(200), rel=0.2)
    assert next(bootstrap_draws(6)).tolist() == [3, 1, 4, 4, 2, 1]
    assert (next(bootstrap_draws(6, seed=-1)) < 6).all()


def test_worse_medians_are_rejected():
    errors = np.random.default_rng(5).exponential(size=1_000)
    noise = np.random.default_rng(6).normal(scale=0.1, size=1_000)
    assert medians(np.abs(errors + noise), errors).passed
    worse = medians(np.abs(1.2 * errors + noise), errors)
    assert not worse.passed
    assert worse.difference < -worse.smallest_caught
    assert worse.reliably_caught > worse.smallest_caught > 0
    assert "significantly worse" in worse.because


def test_equal_medians_pass():
    errors = np.random.default_rng(7).exponential(size=200)
    gate = medians(errors, errors)
    assert (gate.passed, gate.p_value, gate.standard_error) == (True, 1.0, 0.0)


@pytest.mark.parametrize("full", [math.nan, 0.5])
def test_draws_must_be_finite(full: float):
    good = DrawnScore(full=0.5, drawn=(0.5,) * 100)
    bad = DrawnScore(full=full, drawn=(0.5,) * 99 + (math.inf,))
    gate = bootstrap_gate(candidate=bad, reference=good, goal="maximize")
    assert not gate.passed
    assert ("on draw 99 is inf" in gate.because) != math.isnan(full)


@pytest.mark.parametrize(("ours", "theirs", "alpha"), [(100, 101, 0.05), (99, 99, 0.05), (100, 100, 0.5)])
def test_unpaired_draws_are_refused(ours: int, theirs: int, alpha: float):
    candidate, reference = (DrawnScore(full=0.5, drawn=(0.5,) * count) for count in (ours, theirs))
    with pytest.raises(CallError):
        bootstrap_gate(candidate=candidate, reference=reference, goal="maximize", alpha=alpha)
    for rows, draws in ((1, 100), (10, 99)):
        with pytest.raises(CallError):
            bootstrap_draws(rows, draws)
