import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.stats import Arm, SequentialTest, effect, groups, guardrail, sample_ratio

numbers = st.floats(-1e6, 1e6)
samples = st.lists(numbers, max_size=30)


@given(samples, samples)
def test_sums_do_not_depend_on_grouping(first: list[float], second: list[float]):
    apart, together = Arm.of(first) + Arm.of(second), Arm.of(first + second)
    assert apart.units == together.units
    assert apart.y == pytest.approx(together.y, abs=1e-6)
    assert apart.yy == pytest.approx(together.yy)


@given(samples)
def test_every_arm_survives_json(values: list[float]):
    arm = Arm.of(values, denominators=[abs(value) for value in values], covariates=values)
    assert Arm.from_json(arm.to_json()) == arm


@given(samples, samples)
def test_changing_places_turns_the_sign(first: list[float], second: list[float]):
    ours, theirs = Arm.of(first), Arm.of(second)
    there = effect(ours, theirs, kind="mean", goal="maximize")
    back = effect(theirs, ours, kind="mean", goal="maximize")
    assert there.estimate == pytest.approx(-back.estimate)
    assert there.standard_error == pytest.approx(back.standard_error)


@given(samples, samples, st.floats(1e-6, 1e6))
def test_any_sums_give_a_look(first: list[float], second: list[float], minimum_effect: float):
    strata = [(Arm.of(first), Arm.of(second))]
    look = SequentialTest(minimum_effect=minimum_effect, kind="mean", goal="minimize").look(strata)
    assert 0 <= look.progress <= 1
    assert look.because
    assert not math.isnan(look.effect)
    assert guardrail(strata, margin=minimum_effect, kind="mean", goal="maximize").because


@given(st.integers(1, 60), st.floats(0.05, 0.95))
def test_a_right_split_expects_one(units: int, share: float):
    expected = sum(
        math.comb(units, ours)
        * share**ours
        * (1 - share) ** (units - ours)
        * sample_ratio(
            {"challenger": ours, "incumbent": units - ours}, {"challenger": share, "incumbent": 1 - share}
        ).e_value
        for ours in range(units + 1)
    )
    assert expected == pytest.approx(1)


@given(st.integers(2, 3_000), st.integers(2, 60))
def test_groups_differ_by_one_row(rows: int, count: int):
    sizes = np.bincount(groups(rows, count))
    assert len(sizes) == min(rows, count)
    assert sizes.max() - sizes.min() <= 1
