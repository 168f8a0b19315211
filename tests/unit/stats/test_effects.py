import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Arm, effect, stratified_effect

RANDOM = np.random.default_rng(7)
EMPTY = Arm(units=0, y=0, yy=0)


def arms(shift: float = 0.0, units: int = 2_000) -> tuple[Arm, Arm]:
    return Arm.of(RANDOM.normal(shift, 1, units)), Arm.of(RANDOM.normal(0, 1, units))


def test_a_mean_is_a_difference():
    a, b = RANDOM.normal(1, 2, 900), RANDOM.normal(0, 2, 900)
    found = effect(Arm.of(a), Arm.of(b), kind="mean", goal="maximize")
    assert found.estimate == pytest.approx(a.mean() - b.mean())
    assert found.standard_error == pytest.approx(math.sqrt(a.var(ddof=1) / 900 + b.var(ddof=1) / 900), rel=0.05)


def test_minimising_turns_the_sign():
    ours, theirs = arms(0.5)
    up = effect(ours, theirs, kind="mean", goal="maximize")
    down = effect(ours, theirs, kind="mean", goal="minimize")
    assert down.estimate == -up.estimate
    assert down.standard_error == up.standard_error


def test_a_small_arm_takes_the_larger_variance():
    calm = Arm.of(RANDOM.normal(0, 0.1, 50))
    found = effect(calm, Arm.of(RANDOM.normal(0, 1, 5_000)), kind="mean", goal="maximize")
    assert found.standard_error == pytest.approx(1 / math.sqrt(50), rel=0.1)


def test_a_ratio_follows_the_delta_method():
    x = RANDOM.geometric(0.2, 3_000).astype(float)
    y = RANDOM.binomial(x.astype(int), 0.3).astype(float)
    half = slice(0, 1_500), slice(1_500, 3_000)
    found = effect(Arm.of(y[half[0]], x[half[0]]), Arm.of(y[half[1]], x[half[1]]), kind="ratio", goal="maximize")
    ratios = [y[part].sum() / x[part].sum() for part in half]
    errors = [np.var(y[p] - r * x[p]) / x[p].mean() ** 2 / 1_500 for p, r in zip(half, ratios, strict=True)]
    assert found.estimate == pytest.approx(ratios[0] - ratios[1])
    assert found.standard_error == pytest.approx(math.sqrt(sum(errors)), rel=0.02)


def test_a_covariate_halves_the_variance():
    z = RANDOM.normal(size=8_000)
    y = 0.7 * z + math.sqrt(0.51) * RANDOM.normal(size=8_000)
    plain = effect(Arm.of(y[:4_000]), Arm.of(y[4_000:]), kind="mean", goal="maximize")
    cuped = effect(
        Arm.of(y[:4_000], covariates=z[:4_000]), Arm.of(y[4_000:], covariates=z[4_000:]), kind="mean", goal="maximize"
    )
    assert plain.information / cuped.information == pytest.approx(0.51, abs=0.03)


def test_a_covariate_helps_a_ratio():
    z = RANDOM.normal(size=4_000)
    x = RANDOM.geometric(0.3, 4_000).astype(float)
    y = x * (2 + z) + RANDOM.normal(size=4_000)
    plain = effect(Arm.of(y[::2], x[::2]), Arm.of(y[1::2], x[1::2]), kind="ratio", goal="maximize")
    cuped = effect(Arm.of(y[::2], x[::2], z[::2]), Arm.of(y[1::2], x[1::2], z[1::2]), kind="ratio", goal="maximize")
    assert cuped.standard_error < 0.9 * plain.standard_error


def test_strata_remove_the_season():
    quiet = Arm(units=1_000, y=100, yy=100), Arm(units=9_000, y=900, yy=900)
    busy = Arm(units=5_000, y=1_500, yy=1_500), Arm(units=5_000, y=1_500, yy=1_500)
    pooled = quiet[0] + busy[0], quiet[1] + busy[1]
    assert stratified_effect([quiet, busy], kind="proportion", goal="maximize").estimate == pytest.approx(0)
    assert effect(*pooled, kind="proportion", goal="maximize").estimate > 0.07


def test_strata_weigh_by_information():
    small, large = arms(1.0, units=100), arms(0.0, units=10_000)
    found = stratified_effect([small, large], kind="mean", goal="maximize")
    assert found.estimate == pytest.approx(0.01, abs=0.05)


def test_an_empty_stratum_changes_nothing():
    full = arms(0.1)
    alone = effect(*full, kind="mean", goal="maximize")
    assert stratified_effect([(EMPTY, EMPTY), full], kind="mean", goal="maximize") == alone


@pytest.mark.parametrize("pair", [(EMPTY, EMPTY), (Arm.of([1]), Arm.of([2])), (Arm.of([1, 1]), Arm.of([1, 1]))])
def test_no_variation_is_no_evidence(pair: tuple[Arm, Arm]):
    found = effect(*pair, kind="mean", goal="maximize")
    assert math.isinf(found.standard_error)
    assert found.information == 0


def test_all_against_nothing_is_evidence():
    found = effect(Arm.of([1.0] * 50), Arm.of([0.0] * 50), kind="proportion", goal="maximize")
    assert found.estimate == 1
    assert 0 < found.standard_error < 0.2


def test_few_alike_units_are_not_certain():
    alike = Arm.of([1.0, 1.0]), Arm.of([0.0, 0.0])
    many = arms(units=1_000)
    found = stratified_effect([alike, many], kind="mean", goal="maximize")
    assert found.estimate < 0.2


@pytest.mark.parametrize(
    ("kind", "goal", "hint"), [("median", "maximize", "proportion, mean, ratio"), ("mean", "up", "maximize, minimize")]
)
def test_unknown_words_are_refused(kind: str, goal: str, hint: str):
    with pytest.raises(CallError, match=hint):
        effect(*arms(), kind=kind, goal=goal)


def test_outcomes_must_fit_the_kind():
    with pytest.raises(CallError, match="denominators"):
        effect(*arms(), kind="ratio", goal="maximize")
    with pytest.raises(CallError, match="between 0 and 1"):
        effect(*arms(), kind="proportion", goal="maximize")
    with pytest.raises(CallError, match="at least one stratum"):
        stratified_effect([], kind="mean", goal="maximize")


def test_shares_per_unit_are_proportions():
    found = effect(Arm.of([0.5, 1.0, 0.1]), Arm.of([0.5, 0.0, 0.2]), kind="proportion", goal="maximize")
    assert found.estimate == pytest.approx(0.3)


def test_a_ratio_without_requests_waits():
    nobody = Arm.of([0.0, 0.0], denominators=[0.0, 0.0])
    somebody = Arm.of([1.0, 2.0], denominators=[2.0, 3.0])
    assert effect(nobody, somebody, kind="ratio", goal="maximize").information == 0
