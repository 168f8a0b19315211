"""Where better values of a number are looked for."""

from __future__ import annotations

from typing import Any

import pytest

from rung.errors import CallError
from rung.training import Range


@pytest.mark.parametrize(
    "given",
    [
        {"low": 1.0, "high": 1.0},
        {"low": 2.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
        {"low": 1.0, "high": 2.0, "step": 0.0},
        {"low": 1.0, "high": 2.0, "step": 0.5, "log": True},
    ],
    ids=str,
)
def test_a_range_that_holds_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(CallError):
        Range(**given)


def test_a_range_may_leave_its_ends_to_the_bounds() -> None:
    assert Range(log=True) == Range(None, None, log=True)
