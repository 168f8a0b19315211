"""What happens to data before a model sees them: ordinary pytest, without files and without a training."""

from datetime import date

import polars as pl
import pytest

from experiments.{{service}}.train.models import CATEGORIES, NUMBERS, to_frame

ROW = dict.fromkeys(CATEGORIES, "one") | dict.fromkeys(NUMBERS, 1) | {"valued_on": date(1995, 1, 1), "other": "out"}


def test_a_model_gets_its_columns_and_no_others():
    frame = to_frame(pl.DataFrame([ROW, ROW]))
    assert frame.columns == [*CATEGORIES, *NUMBERS, "valued_on"]
    assert frame.height == 2


def test_unknown_numbers_stay_unknown():
    frame = to_frame(pl.DataFrame([ROW | {"block_sales": None}], schema_overrides={"block_sales": pl.Int64}))
    assert frame["block_sales"].to_list() == [None]
    assert frame["rooms"].to_list() == [1.0]


def test_the_day_is_in_years():
    early, late = (to_frame(pl.DataFrame([ROW | {"valued_on": date(year, 1, 1)}])) for year in (1993, 1997))
    assert late["valued_on"][0] - early["valued_on"][0] == pytest.approx(4, abs=0.01)
