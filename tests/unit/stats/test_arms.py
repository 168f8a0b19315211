import math

import numpy as np
import pytest

from rung.errors import CallError
from rung.stats import Arm, winsor_limits


def test_sums_every_product():
    arm = Arm.of([1.0, 2.0], denominators=[3.0, 4.0], covariates=[5.0, 6.0])
    assert (arm.units, arm.y, arm.yy, arm.yyy) == (2, 3.0, 5.0, 9.0)
    assert (arm.x, arm.xx, arm.xy) == (7.0, 25.0, 11.0)
    assert (arm.z, arm.zz, arm.yz, arm.xz) == (11.0, 61.0, 17.0, 39.0)


def test_disjoint_units_add_up():
    whole = Arm.of([1, 2, 3], [4, 5, 6], [7, 8, 9])
    assert Arm.of([1], [4], [7]) + Arm.of([2, 3], [5, 6], [8, 9]) == whole


def test_unknown_cubes_stay_unknown():
    assert (Arm(units=1, y=1, yy=1) + Arm.of([1])).yyy is None


def test_adds_to_arms_only():
    with pytest.raises(TypeError):
        Arm.of([1]) + 1


def test_survives_json():
    arm = Arm.of([0.5, 2.0], [1, 2], [3, 4])
    assert Arm.from_json(arm.to_json()) == arm


def test_old_json_needs_no_new_sums():
    assert Arm.from_json({"units": 2, "y": 1.0, "yy": 1.0}) == Arm(units=2, y=1.0, yy=1.0)


@pytest.mark.parametrize("sums", [{"units": 1, "y": 1.0}, {"units": 1, "y": 1.0, "yy": 1.0, "w": 1.0}])
def test_json_with_other_sums_is_refused(sums: dict):
    with pytest.raises(CallError):
        Arm.from_json(sums)


@pytest.mark.parametrize("values", [[math.nan], [math.inf], [[1.0, 2.0]], 3.0])
def test_values_must_be_finite_vectors(values: object):
    with pytest.raises(CallError):
        Arm.of(values)


def test_units_cannot_be_negative():
    with pytest.raises(CallError, match="at least 0"):
        Arm(units=-1, y=0, yy=0)


def test_sums_must_be_finite():
    with pytest.raises(CallError, match="must be finite"):
        Arm(units=1, y=math.nan, yy=1)


def test_denominators_match_the_values():
    with pytest.raises(CallError, match="denominators"):
        Arm.of([1, 2], denominators=[1])


def test_limits_clip_both_tails():
    assert Arm.of([-9, 1, 9], limits=(0, 2)).y == 3.0


def test_winsor_limits_leave_out_tails():
    values = np.arange(10_001.0)
    assert winsor_limits(values, share=0.01) == (100.0, 9_900.0)
    with pytest.raises(CallError):
        winsor_limits(values, share=0.5)


def test_an_empty_arm_is_an_arm():
    assert Arm.of([]) == Arm(units=0, y=0, yy=0, yyy=0)
