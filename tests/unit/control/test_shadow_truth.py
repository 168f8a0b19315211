"""What a shadow's report says of the truth, as `rung shadow` reads it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from recorded_tests import shadow

from rung.control.promotion.shadows import _paired
from rung.lake import Truth
from rung.schema import BusinessMetric, Score

SCORE = Score(truth="sold", field="price", how="absolute_error")
METRIC = BusinessMetric(
    name="error",
    kind="mean",
    goal="minimize",
    role="decision",
    minimum_effect=1.0,
    source="the test",
    proximity="it is the truth",
    score=SCORE,
)


def rows(production: float, shadowed: float) -> list[Truth]:
    return [
        Truth(
            id=str(number),
            unit=None,
            instances=[{}],
            production=[{"price": 100.0 + production + number % 3}],
            shadow=[{"price": 100.0 + shadowed + number % 2}],
            value=100.0,
            at=datetime(2026, 3, 1, tzinfo=UTC),
        )
        for number in range(200)
    ]


@pytest.mark.parametrize(
    ("production", "shadowed", "told"),
    [(9, 1, "nearer to"), (1, 9, "farther from"), (1, 1.5, "as near as can be told")],
)
def test_report_says_which_is_nearer(production: float, shadowed: float, told: str):
    found = _paired(METRIC, SCORE, rows(production, shadowed))
    assert found is not None
    assert f"the shadow is {told}" in found["because"]
    assert found.keys() == shadow()["truth"].keys()
