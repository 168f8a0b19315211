"""Statistics of rows: what they say of each kind of column, of parts, of many columns, and as JSON."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest import mock

import polars as pl
import pytest

from rung.data.profile import Profile, _measure, add, profile
from rung.data.profile._distinct import Distinct, added, estimate
from rung.errors import NotFoundError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable


def column(values: list[object], dtype: pl.DataType | None = None):
    return profile(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)})).columns["x"]


def test_numbers_are_measured():
    found = column([1.0, 2.0, 3.0, 4.0, -5.0, 0.0, None, math.nan, math.inf, -math.inf])
    numbers = found.numbers
    assert (found.kind, found.nulls, found.distinct.count) == ("number", 1, 9)
    assert (numbers.finite, numbers.nan, numbers.infinite, numbers.zeros, numbers.negative) == (6, 1, 2, 1, 1)
    assert (numbers.low, numbers.high, numbers.median) == (-5.0, 4.0, 1.5)
    assert numbers.mean == pytest.approx(5 / 6)
    assert numbers.deviation == pytest.approx(3.1885211)
    assert [(one.low, one.high, one.count) for one in numbers.bins] == [
        (value, value, 1) for value in (-5.0, 0.0, 1.0, 2.0, 3.0, 4.0)
    ]


def test_quantiles_are_those_of_polars():
    values = pl.Series("x", [random.Random(1).lognormvariate(0, 1) for _ in range(1000)])
    found = profile(values.to_frame()).columns["x"].numbers
    wanted = [values.quantile(share, "linear") for share in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)]
    assert found.quantiles == pytest.approx(wanted)
    assert found.is_exact


def test_huge_whole_numbers_stay_exact():
    found = column([2**70, -(2**70), 2**70 + 1], pl.Int128())
    assert (found.numbers.low, found.numbers.high) == (-(2**70), 2**70 + 1)
    assert found.distinct.count == 3


def test_sums_that_are_no_float_are_none():
    assert column([1.7e308, 1.7e308]).numbers.mean is None


def test_texts_are_counted_by_frequency():
    found = column(["b", "a", "b", " ", "", None, "x" * 300, "x" * 299])
    assert found.values.common[0] == ("b", 2)
    assert found.values.is_complete
    assert (found.blank, found.nulls, found.distinct.count) == (2, 1, 6)
    assert (found.numbers.low, found.numbers.high) == (0, 300)
    long = [value for value, _ in found.values.common if value.startswith("x")]
    assert len(set(long)) == 2
    assert max(map(len, long)) == 110


def test_what_occurs_once_among_many_is_not_kept():
    found = column([*map(str, range(1000)), "often", "often"])
    assert found.values.common == (("often", 2),)
    assert not found.values.is_complete
    assert found.distinct.count == 1001


def test_moments_count_in_seconds():
    moment = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    found = column([moment], pl.Datetime("us", "UTC"))
    assert found.kind == "moment"
    assert found.numbers.low == moment.timestamp() == found.numbers.median


@pytest.mark.parametrize(
    ("values", "dtype", "kind"),
    [
        ([True, False, True], pl.Boolean(), "truth"),
        ([[1, 2], []], pl.List(pl.Int64()), "list"),
        ([{"a": 1}], pl.Struct({"a": pl.Int64()}), "other"),
        ([b"abc"], pl.Binary(), "binary"),
        ([None, None], pl.Null(), "other"),
        ([None, None], pl.Int64(), "number"),
    ],
)
def test_every_type_has_a_kind(values: list[object], dtype: pl.DataType, kind: str):
    assert column(values, dtype).kind == kind


def test_truths_are_counted():
    assert column([True, False, True, None]).values.common == (("true", 2), ("false", 1))


def test_repeated_keys_are_counted():
    rows = pl.DataFrame({"a": [1, 1, 2, 1], "b": ["x", "y", "x", "x"]})
    assert profile(rows, key=["a", "b"]).repeated == 1
    assert profile(rows, key=["a"]).repeated == 2
    assert profile(rows).repeated is None
    with pytest.raises(NotFoundError, match="key c is no column"):
        profile(rows, key=["c"])


def test_correlations_leave_out_what_is_not_there():
    rows = pl.DataFrame({"a": [1.0, 2, 3, 4, None], "b": [2.0, 4, 6, 8, 9], "c": [1, 1, 1, 1, 1], "d": ["x"] * 5})
    (pair,) = profile(rows).correlations
    assert (pair.one, pair.other, pair.r) == ("a", "b", pytest.approx(1.0))


@pytest.mark.parametrize("rows", [pl.DataFrame(), pl.DataFrame({"a": []}), pl.DataFrame({"a": [1]})])
def test_few_rows_are_measured(rows: pl.DataFrame):
    found = profile(rows)
    assert (found.rows, len(found.columns)) == rows.shape
    assert Profile.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_two_thousand_columns_are_measured():
    found = profile(pl.DataFrame({f"column {number}": [number + 1.0, 0.5] for number in range(2000)}))
    assert len(found.columns) == 2000
    assert len(found.correlations) == 30 * 29 / 2


def test_newer_statistics_are_refused():
    with pytest.raises(SchemaError, match="version 2"):
        Profile.from_json({**profile(pl.DataFrame()).to_json(), "version": 2})


def big(rows: int, seed: int) -> pl.DataFrame:
    draw = random.Random(seed)
    return pl.DataFrame(
        {
            "x": [draw.gauss(10, 3) for _ in range(rows)],
            "y": range(rows),
            "name": [f"n{draw.randrange(300)}" for _ in range(rows)],
            "kind": [draw.choice("abc") for _ in range(rows)],
        }
    ).with_columns(z=pl.col("x") * 2 + pl.col("y"))


def test_many_parts_say_what_one_says():
    rows = big(20_000, 1)
    whole, told = profile(rows), []
    with mock.patch.multiple(_measure, _CELLS=0, _LEAST_ROWS=3_000):
        found = profile(rows.lazy(), progress=told.append)
    assert told == [3_000, 6_000, 9_000, 12_000, 15_000, 18_000, 20_000]
    one, other = whole.columns["x"].numbers, found.columns["x"].numbers
    assert (other.low, other.high, other.finite) == (one.low, one.high, one.finite)
    assert (other.mean, other.deviation) == (pytest.approx(one.mean), pytest.approx(one.deviation))
    assert other.quantiles == pytest.approx(one.quantiles, abs=0.05)
    assert not other.is_exact
    assert len(other.bins) < 200
    assert found.columns["kind"].values == whole.columns["kind"].values
    assert found.columns["name"].distinct == whole.columns["name"].distinct
    assert not found.columns["y"].distinct.is_exact
    assert found.columns["y"].distinct.count == pytest.approx(20_000, rel=0.06)
    assert dict(found.columns["name"].values.common).items() <= dict(rows["name"].value_counts().iter_rows()).items()
    for pair, same in zip(whole.correlations, found.correlations, strict=True):
        assert same.r == pytest.approx(pair.r, abs=1e-6)


def test_kept_parts_add_up():
    parts = [profile(big(5_000, seed)) for seed in range(4)]
    found = add([Profile.from_json(part.to_json()) for part in parts])
    whole = profile(pl.concat([big(5_000, seed) for seed in range(4)]))
    assert found.rows == 20_000
    assert found.columns["x"].numbers.mean == pytest.approx(whole.columns["x"].numbers.mean)
    assert found.columns["x"].numbers.quantiles == pytest.approx(whole.columns["x"].numbers.quantiles, abs=0.3)
    assert found.columns["kind"].values == whole.columns["kind"].values


def test_column_that_came_later_was_null_before():
    found = add([profile(pl.DataFrame({"a": [1, 2]})), profile(pl.DataFrame({"a": [3], "b": ["x"]}))])
    assert (found.columns["b"].nulls, found.columns["b"].kind) == (2, "text")


def test_kinds_that_differ_are_not_added():
    with pytest.raises(SchemaError, match="'a' holds Int64 here and String there"):
        add([profile(pl.DataFrame({"a": [1]})), profile(pl.DataFrame({"a": ["x"]}))])


@pytest.mark.parametrize("count", [10, 5_000, 200_000])
@pytest.mark.parametrize("values", [pl.int_range, lambda count: pl.format("id-{}", pl.int_range(count))])
def test_estimates_are_near(count: int, values: Callable[[int], pl.Expr]):
    found = profile(pl.select(x=values(count))).columns["x"].distinct
    assert found.count == count
    assert estimate(found.registers) == pytest.approx(count, rel=0.06)


def test_registers_of_other_hashes_are_not_added():
    one = Distinct(count=5, is_exact=True, registers=bytes(4096), hashed="one")
    other = Distinct(count=7, is_exact=True, registers=bytes(4096), hashed="other")
    assert added(one, other, exact=None) == Distinct(count=7, is_exact=False, registers=b"", hashed="")
