"""What happens to data before a model sees them: ordinary pytest, without files and without a training."""

from datetime import date

import pytest

from experiments.{{service}}.schema.request import EXAMPLE, Instance
from experiments.{{service}}.train.main import is_held_out
from experiments.{{service}}.train.models import CATEGORIES, NUMBERS, to_frame

HOUSE = Instance.model_validate(EXAMPLE)


def test_each_house_is_one_row_in_order():
    frame = to_frame([HOUSE, HOUSE.model_copy(update={"rooms": 9})])
    assert frame.columns == [*CATEGORIES, *NUMBERS, "valued_on"]
    assert frame["rooms"].to_list() == [6.0, 9.0]


def test_unknown_numbers_stay_unknown():
    """Zero feet of frontage would be a house without a street."""
    [row] = to_frame([HOUSE.model_copy(update={"frontage_ft": None})]).to_dicts()
    assert row["frontage_ft"] is None
    assert row["depth_ft"] == HOUSE.depth_ft


def test_the_day_is_in_years():
    early, late = (to_frame([HOUSE.model_copy(update={"valued_on": date(year, 1, 1)})]) for year in (1993, 1997))
    assert late["valued_on"][0] - early["valued_on"][0] == pytest.approx(4, abs=0.01)


def test_nothing_makes_no_rows():
    assert to_frame([]).shape == (0, len(CATEGORIES) + len(NUMBERS) + 1)


def test_a_house_stays_held_out_whatever_is_said_of_it():
    places = [HOUSE.model_copy(update={"easting_m": 500_000.0 + metre}) for metre in range(1_000)]
    held_out = [is_held_out(house, share=0.2, seed=0) for house in places]
    sold_again = [house.model_copy(update={"valued_on": date(1998, 5, 5), "rooms": 3}) for house in places]
    assert [is_held_out(house, share=0.2, seed=0) for house in sold_again] == held_out
    assert 150 < sum(held_out) < 250
