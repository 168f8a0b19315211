"""Contracts: what is told of rows that break them, and what only Pydantic can tell."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

import polars as pl
import pytest
from pydantic import (
    AliasChoices,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    create_model,
    field_validator,
    model_validator,
)

from rung.data._contract import check, check_rows, require
from rung.errors import ContractError


class House(BaseModel):
    rooms: int = Field(ge=1, le=20)
    price: float | None = Field(gt=0)
    street: Literal["paved", "gravel"]
    sizes: list[Annotated[int, Field(ge=0)]] = Field(default=[], min_length=1)
    sold: AwareDatetime = datetime(2026, 1, 1, tzinfo=UTC)


GOOD = {"rooms": 3, "price": 1.5, "street": "paved"}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([GOOD | row for row in rows], infer_schema_length=None)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"rooms": 0}, "rooms: must be at least 1, but is 0"),
        ({"rooms": 21}, "rooms: must be at most 20, but is 21"),
        ({"rooms": None}, "rooms: must not be null"),
        ({"rooms": 2.5}, "rooms: must be a whole number, but is 2.5"),
        ({"price": 0.0}, "price: must be above 0, but is 0.0"),
        ({"price": float("nan")}, "price: must be above 0, but is NaN"),
        ({"street": "mud"}, "street: must be one of paved, gravel, but is mud"),
        ({"sizes": []}, "sizes: must have at least 1 item, but is []"),
        ({"sizes": [1, -1]}, "sizes: each item must be at least 0, but is [1, -1]"),
        (
            {"rooms": "3 or 4"},
            "rooms: should be a valid integer, unable to parse string as an integer, but is '3 or 4'",
        ),
    ],
)
def test_refusal_says_what_is_wrong(row: dict[str, Any], told: str):
    assert [str(one) for one in check(frame(row), House).refusals(1)] == [f"row 0: {told}"]


def test_good_rows_come_as_they_were():
    rows = frame({"note": "kept"}, {"rooms": 0, "note": "not kept"})
    checked = check(rows, House)
    assert checked.good.equals(rows.head(1))
    assert (checked.rows, checked.refused, checked.by_row) == (2, 1, "")


def test_row_is_told_once_for_each_column():
    checked = check(frame({"rooms": None, "street": None}, {}, {"rooms": -1}), House)
    assert checked.bad.select("row", "column").rows() == [(0, "rooms"), (0, "street"), (2, "rooms")]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (frame({}).drop("rooms"), "rooms must be there, but is no column"),
        (frame({"sizes": "1"}), "sizes is String, but must be a list"),
        (frame({"sold": datetime(2026, 1, 1)}), "sold is Datetime(time_unit='us', time_zone=None), but must be with"),  # noqa: DTZ001
        (frame({}).head(0).drop("price"), "price must be there"),
    ],
)
def test_what_no_row_can_keep_is_told_at_once(rows: pl.DataFrame, problem: str):
    with pytest.raises(ContractError, match="houses@3 breaks its contract House") as raised:
        require(rows, House, what="houses@3")
    assert problem in raised.value.message


def test_other_columns_may_be_forbidden():
    closed = type("Closed", (House,), {"model_config": ConfigDict(extra="forbid")})
    assert check(frame({}), closed).problems == ()
    assert check(frame({"note": "x"}), closed).problems == (
        "note is not in the contract, which allows no other columns",
    )


def test_required_rows_are_shown():
    require(frame({}, {}), House, what="houses@3")
    rows = frame(*[{}] * 7, *[{"rooms": -number} for number in range(7)])
    with pytest.raises(ContractError) as raised:
        require(rows.lazy(), House, what="houses@3")
    assert "7 of 14 rows are refused; row 7: rooms: must be at least 1, but is 0; row 8: " in raised.value.message
    assert "row 12" not in raised.value.message


class Even(House):
    @field_validator("rooms")
    @classmethod
    def is_even(cls, rooms: int) -> int:
        if rooms % 2:
            raise ValueError("must be even")
        return rooms


class Agreed(House):
    @model_validator(mode="after")
    def agrees(self) -> Self:
        if self.rooms == 13:
            raise ValueError("thirteen is not built")
        return self


class Mended(House):
    @model_validator(mode="before")
    @classmethod
    def mends(cls, row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "rooms": abs(row["rooms"])}


class Renamed(House):
    rooms: int = Field(validation_alias=AliasChoices("rooms", "chambers"))


class Remembering(House):
    def model_post_init(self, _: Any) -> None:
        if self.rooms == 13:
            raise ValueError("thirteen is not built")


@pytest.mark.parametrize(
    ("model", "rows", "refused", "because"),
    [
        (Even, [2, 3, 0], [1, 2], "rooms (Int64) has a rule that is no expression"),
        (Agreed, [2, 13, 0], [1, 2], "it has a validator of whole rows"),
        (Mended, [2, -3, 0], [2], "it has a validator that comes before its fields"),
        (Renamed, [2, -3, 0], [], "it has an alias that is not one name"),
        (Remembering, [2, 13, 0], [1, 2], "it does something of its own with each row"),
    ],
)
def test_authors_validators_are_asked_row_by_row(
    model: type[BaseModel], rows: list[int], refused: list[int], because: str
):
    checked = check(frame(*({"rooms": rooms} for rooms in rows)), model)
    assert checked.bad["row"].to_list() == refused
    assert checked.by_row == because


def test_author_is_told_which_row_as_a_whole():
    assert str(check(frame({"rooms": 13}), Agreed).refusals(1)[0]) == "row 0: thirteen is not built"


def test_model_of_something_else_than_rows_refuses_them():
    assert check(frame({}), RootModel[list[int]]).refused == 1


def test_column_may_be_called_as_a_pattern():
    odd = create_model("Odd", star=(int, Field(alias="*", ge=1)), other=(int, Field(alias="^.*$", ge=0)))
    rows = pl.DataFrame({"*": [1, 0], "a": [-1, -1], "^.*$": [1, 1]})
    assert check(rows, odd).bad["column"].to_list() == ["*"]
    require(rows.lazy().head(1), odd, what="odd@1")


def test_few_rows_are_checked_without_a_frame():
    rows = [GOOD, GOOD | {"rooms": 0}, {"rooms": 1}]
    assert [(one.row, one.column) for one in check_rows(rows, House)] == [(1, "rooms"), (2, "price"), (2, "street")]
    assert check_rows([GOOD], House) == []


def test_many_slices_number_their_rows():
    rows = pl.DataFrame({"rooms": [2] * 25_000}).with_columns(price=1.0, street=pl.lit("paved"))
    rows[20_001, "rooms"] = 13
    assert check(rows, Agreed).bad["row"].to_list() == [20_001]
