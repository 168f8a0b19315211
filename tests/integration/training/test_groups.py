"""Group metrics of declared sensitive attributes: measured by a real training, kept with the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rung import artifacts
from rung.lifecycle import judge_groups
from rung.testing import GROUP_METRICS

if TYPE_CHECKING:
    from conftest import Place

_GOAL = "from rung.testing import goal"
_DECLARED = """from rung.testing import Sensitive, goal

sensitive = [
    Sensitive("garage"),
    Sensitive("year_built", edges=(1930, 1960), favourable=lambda answer: answer.price >= 75_000),
]
"""


@pytest.fixture
def housing(place: Place) -> Place:
    place.housing()
    place.edit("experiments/housing/tests/data.py", _GOAL, _DECLARED)
    return place


def test_every_group_is_measured_and_kept(housing: Place):
    record = housing.train("housing", settings={"model": "linear"})
    digest = record.artifacts[GROUP_METRICS]
    kept = artifacts.decode(artifacts.LocalStore(housing.root / ".rung" / "artifacts").get(digest), digest=digest)
    found = {(one.attribute, one.measure): one for one in judge_groups(kept)}
    garage = found["garage", "within_10_percent"]
    assert [group.name for group in garage.disparity.groups][:2] == ["detached", "attached"]
    assert sum(group.rows for group in garage.disparity.groups) > 3_000
    assert garage.because.endswith("too small to compare: basement")
    years = found["year_built", "mean_absolute_percentage_error"]
    assert (years.disparity.highest, years.disparity.lowest) == ("below 1930", "1930 to 1960")
    assert (years.disparity.interval or (0,))[0] > 0.05
    assert found["year_built", "selection_rate"].disparity.highest == "1960 and above"


def test_attribute_that_rows_have_not_is_refused(housing: Place):
    housing.edit("experiments/housing/tests/data.py", 'Sensitive("garage")', 'Sensitive("owner")')
    assert "the held-out rows have no 'owner'" in housing.fail("housing")
