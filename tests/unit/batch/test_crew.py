"""Which worker gets the next part."""

from __future__ import annotations

import pytest

from rung.batch._crew import least_busy


@pytest.mark.parametrize(
    ("running", "chosen"),
    [
        pytest.param({}, None, id="nobody runs"),
        pytest.param({"w1": 3, "w2": 3}, None, id="all have enough"),
        pytest.param({"w1": 3, "w2": 2}, "w2", id="one has room"),
        pytest.param({"w1": 2, "w2": 0, "w3": 1}, "w2", id="the one with the fewest"),
        pytest.param({"w1": 1, "w2": 1}, "w1", id="the first of equals"),
    ],
)
def test_part_goes_to_the_least_busy(running: dict[str, int], chosen: str | None):
    assert least_busy(running, most=3) == chosen
