from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from held import Held
from pydantic import BaseModel, Field

from rung.errors import ContractError, SchemaError
from rung.features import Feature, FeatureView, join

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUSES = pl.DataFrame({"house": ["a", "b"], "known": [START, START], "area": [1.5, 2.5]})
SPINE = pl.DataFrame({"house": ["b", "a"], "time": [START, START]})


class Sane(BaseModel):
    area: float = Field(lt=2)


def view(rows: pl.DataFrame = HOUSES, **changes: Any) -> FeatureView:
    given: dict[str, Any] = {
        "name": "houses",
        "entity": "house",
        "source": Held(rows),
        "time": "known",
        "features": {"area": Feature(float)},
    }
    return FeatureView(**{**given, **changes})


def test_lazy_frame_stays_lazy():
    joined = view().join(SPINE.lazy())
    assert isinstance(joined, pl.LazyFrame)
    assert joined.collect()["area"].to_list() == [2.5, 1.5]


def test_several_views_are_joined_at_once():
    rooms = view(HOUSES.rename({"area": "rooms"}), name="rooms", features={"rooms": Feature(float)})
    assert join(SPINE, [view(), rooms]).columns == ["house", "time", "area", "rooms"]


def test_instants_may_be_dates_or_without_a_zone():
    for times in (SPINE["time"].dt.date(), SPINE["time"].dt.replace_time_zone(None).dt.cast_time_unit("ms")):
        assert view().join(SPINE.with_columns(time=times))["area"].to_list() == [2.5, 1.5]


def test_last_row_of_an_instant_counts():
    rows = pl.concat([HOUSES, HOUSES.with_columns(pl.col("area") + 10), HOUSES.with_columns(pl.col("area") + 5)])
    assert view(rows).join(SPINE)["area"].to_list() == [7.5, 6.5]


BAD = {
    "no such column": (SPINE.rename({"house": "home"}), {}, "the frame has no column 'house', which houses needs"),
    "no instant": (SPINE.drop("time"), {}, "the frame has no column 'time', which at= needs"),
    "no time": (SPINE.with_columns(time=1), {}, "time is of type Int32"),
    "entities that never meet": (SPINE.with_columns(house=1), {}, "house is Int32 in the frame, and String in houses"),
    "a column twice": (SPINE.with_columns(area=1), {}, "the column 'area' would be there twice"),
    "no such feature": (SPINE, {"features": {"rooms": Feature(int)}}, "the rows of houses have no column 'rooms'"),
    "another type": (
        SPINE,
        {"features": {"area": Feature(int)}},
        "houses.area is of type Float64, and the view declares",
    ),
}


@pytest.mark.parametrize(("spine", "changes", "told"), BAD.values(), ids=BAD.keys())
def test_wrong_frames_are_refused(spine: pl.DataFrame, changes: dict[str, Any], told: str):
    with pytest.raises(SchemaError) as caught:
        view(**changes).join(spine)
    assert told in str(caught.value)


def test_contract_is_held_but_for_what_is_missing():
    with pytest.raises(ContractError, match="houses breaks its contract Sane: 1 of 2 rows are refused"):
        view(contract=Sane).join(SPINE)
    absent = SPINE.with_columns(house=pl.Series(["a", "nobody"]))
    assert view(contract=Sane).join(absent)["area"].to_list() == [1.5, None]
