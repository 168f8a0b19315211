from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from rung.testing.load import LoadPlan

PLAN: dict[str, Any] = {
    "route": "predict",
    "bodies": [{"instances": []}],
    "stages": [{"users": 2, "duration": 1}, {"users": 5, "duration": 2, "interval": 0.5}],
    "open": {"rate_rps": 20, "duration_s": 4},
}


def test_plan_knows_its_length_and_peak():
    plan = LoadPlan.model_validate(PLAN)
    assert (plan.duration_s, plan.peak_users) == (7.0, 5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"route": "../m1/predict"},
        {"bodies": []},
        {"bodies": [[]]},
        {"stages": []},
        {"stages": [{"users": 0, "duration": 1}]},
        {"open": {"rate_rps": 0, "duration_s": 4}},
        {"open": {"rate_rps": float("inf"), "duration_s": 4}},
        {"unknown": 1},
    ],
    ids=str,
)
def test_wrong_plan_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        LoadPlan.model_validate({**PLAN, **wrong})
