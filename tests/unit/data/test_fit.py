"""Values that fit a column's type, and those that would become other values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from rung.data._ingest.fit import columns_for, fitted, misfits, numbers, widest
from rung.data.sources import Staged
from rung.data.sources._staged import unread
from rung.errors import SchemaError

INSTANT = pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("values", "kind", "becomes", "refused"),
    [
        pytest.param(["1", " 2 ", None], pl.Int64(), [1, 2, None], [], id="numbers written as text"),
        pytest.param(["x", "1.5", ""], pl.Int64(), [None] * 3, ["'x'", "'1.5'", "''"], id="text that is no number"),
        pytest.param(["1e3", "x"], pl.Float64(), [1000.0, None], ["'x'"], id="floats written as text"),
        pytest.param(["true", "False", "yes"], pl.Boolean(), [True, False, None], ["'yes'"], id="truths"),
        pytest.param(["2026-01-02", "2.1.2026"], pl.Date(), [date(2026, 1, 2), None], ["'2.1.2026'"], id="days"),
        pytest.param(
            ["2026-01-02T10:00:00+02:00", "2026-01-02 08:00:00.5Z", "2026-01-02 08:00", "2026-01-02", "never"],
            INSTANT,
            [
                datetime(2026, 1, 2, 8, tzinfo=UTC),
                datetime(2026, 1, 2, 8, 0, 0, 500_000, tzinfo=UTC),
                datetime(2026, 1, 2, 8, tzinfo=UTC),
                datetime(2026, 1, 2, tzinfo=UTC),
                None,
            ],
            ["'never'"],
            id="instants",
        ),
        pytest.param(["1.50", "x"], pl.Decimal(10, 2), [Decimal("1.50"), None], ["'x'"], id="decimals"),
        pytest.param(
            [1.0, 2.5, float("nan"), 1e300], pl.Int64(), [1, 2, None, None], ["2.5", "NaN", "1e+300"], id="parts"
        ),
        pytest.param([1, 2**60 + 1], pl.Float64(), [1.0, 2.0**60], ["1152921504606846977"], id="too fine for a float"),
        pytest.param([1, 300], pl.Int8(), [1, None], ["300"], id="too large"),
        pytest.param([Decimal("1.10")], pl.Float64(), [1.1], [], id="a decimal as a float"),
        pytest.param(
            [datetime(2026, 1, 2), datetime(2026, 1, 2, 3)],  # noqa: DTZ001  as files have them
            pl.Date(),
            [date(2026, 1, 2)] * 2,
            ["2026-01-02 03:00:00.000000"],
            id="hours of a day",
        ),
        pytest.param([1, 2], pl.String(), ["1", "2"], [], id="numbers as text"),
        pytest.param([None, None], pl.Int64(), [None, None], [], id="nothing"),
    ],
)
def test_what_does_not_fit_is_told(values: list[Any], kind: pl.DataType, becomes: list[Any], refused: list[str]):
    rows = pl.LazyFrame({"n": pl.Series(values)})

    wrong = misfits(rows, {"n": kind})

    assert fitted(rows, {"n": kind}).collect()["n"].to_list() == becomes
    assert wrong is not None
    assert wrong.collect()["reason"].to_list() == [f"n: {value} is no {kind}" for value in refused]


def test_rows_of_the_same_types_are_not_looked_at():
    assert misfits(pl.LazyFrame({"n": [1]}), {"n": pl.Int64()}) is None


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, pl.Int64()), (1, pl.Boolean()), (1, pl.Date()), ([1], pl.Int64()), ({"a": 1}, pl.String())],
)
def test_a_type_that_means_something_else_is_refused(value: Any, kind: pl.DataType):
    with pytest.raises(SchemaError, match="would have to be of type"):
        fitted(pl.LazyFrame({"n": [value]}), {"n": kind})


def test_a_column_grows_wider_only_where_it_holds_its_values_too():
    before: dict[str, pl.DataType] = {"n": pl.Int32(), "m": pl.Int64(), "day": pl.Date()}
    rows: dict[str, pl.DataType] = {"n": pl.Int64(), "m": pl.String(), "day": pl.Datetime("us"), "new": pl.UInt8()}

    assert columns_for(before, rows) == {
        "n": pl.Int64(),
        "m": pl.Int64(),
        "day": pl.Datetime("us"),
        "new": pl.Int16(),
    }


def test_files_of_different_types_get_the_one_that_holds_all():
    one: dict[str, pl.DataType] = {"n": pl.Int64(), "only": pl.Date()}
    two: dict[str, pl.DataType] = {"n": pl.Float64(), "text": pl.String()}

    assert widest([one, two]) == {"n": pl.Float64(), "only": pl.Date(), "text": pl.String()}
    with pytest.raises(SchemaError, match="the files do not go together"):
        widest([{"n": pl.List(pl.Int64())}, {"n": pl.Date()}])


def test_rows_are_numbered_as_they_were_before_some_could_not_be_read():
    refused = unread([(2, "short", ""), (3, "short", ""), (6, "short", "")])
    staged = Staged(rows=pl.LazyFrame(), height=4, unread=refused)

    assert numbers(staged, pl.Series([0, 1, 2, 3], dtype=pl.UInt32)).to_list() == [1, 4, 5, 7]
