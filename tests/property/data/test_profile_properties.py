"""Statistics of any frame: what can be counted is counted exactly, in one part or in many, and is JSON without nan."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rung.data.profile import Profile, _measure, add, compare, lines, page, profile

MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001  columns may be without a zone
KINDS: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.Int64(), st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)),
    (pl.UInt64(), st.integers(0, 2**64 - 1)),
    (pl.Int128(), st.integers(-(2**127), 2**127 - 1)),
    (pl.Float64(), st.floats() | st.sampled_from([0.0, -0.0, 1.5])),
    (pl.Float32(), st.floats(width=32)),
    (pl.Decimal(20, 4), st.decimals(-1000, 1000, places=4)),
    (pl.Boolean(), st.booleans()),
    (pl.String(), st.text(max_size=4) | st.sampled_from(["a", "b", " ", "x" * 200])),
    (pl.Categorical(), st.sampled_from(["a", "b"])),
    (pl.Date(), st.dates()),
    (pl.Datetime("us", "UTC"), st.datetimes()),
    (pl.Datetime("ns"), st.integers(-5, 5).map(lambda hours: MOMENT + timedelta(hours=hours))),
    (pl.Duration("ms"), st.timedeltas(timedelta(-9), timedelta(9))),
    (pl.Time(), st.times()),
    (pl.List(pl.Int64()), st.lists(st.integers(0, 3), max_size=3)),
    (pl.Struct({"a": pl.Int64()}), st.fixed_dictionaries({"a": st.integers(0, 3)})),
    (pl.Binary(), st.binary(max_size=3)),
    (pl.Null(), st.none()),
]
NAMES = st.text(max_size=5) | st.sampled_from(["a.b", "len", "value", "hash", "<b>", "a\nb", "*", "^a.*$"])


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    height = draw(st.integers(0, 30))
    columns = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        kind, values = draw(st.sampled_from(KINDS))
        cells = draw(st.lists(values | st.none(), min_size=height, max_size=height))
        columns[name] = pl.Series(cells, dtype=kind)
    return pl.DataFrame(columns)


settled = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settled
@given(frames())
def test_everything_is_json_and_comes_back(frame: pl.DataFrame):
    found = profile(frame)
    assert Profile.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found
    assert profile(frame) == found
    assert compare(found, found) == []
    assert len(lines(found)) == frame.width
    assert page(found, title="t", before=found, changes=compare(found, found)).endswith("</html>\n")


@settled
@given(frames())
def test_counts_are_what_they_count(frame: pl.DataFrame):
    found = profile(frame)
    assert found.rows == frame.height
    for name, column in found.columns.items():
        values = frame.get_column(name).alias("values").drop_nulls()
        assert column.nulls == frame.get_column(name).alias("values").null_count()
        if column.kind == "text" and column.distinct is not None:
            assert column.distinct.count == values.cast(pl.String).n_unique()
        if column.values is not None and column.values.is_complete:
            assert sum(count for _, count in column.values.common) == values.len()
        if column.kind == "number" and column.numbers is not None:
            numbers = column.numbers
            finite = [float(value) for value in values.to_list() if math.isfinite(value)]
            assert numbers.finite == len(finite) == sum(one.count for one in numbers.bins)
            assert numbers.nan + numbers.infinite + numbers.finite == values.len()
            assert numbers.zeros == finite.count(0.0)
            assert numbers.negative == sum(value < 0 for value in finite)
            if finite:
                assert (float(numbers.low), float(numbers.high)) == (min(finite), max(finite))


@settled
@given(frames(), st.integers(1, 12))
def test_parts_add_up_to_the_whole(frame: pl.DataFrame, rows: int):
    whole = profile(frame)
    parts = [profile(part) for part in frame.iter_slices(rows)] or [whole]
    found = add(parts)
    assert found.rows == whole.rows
    for name, column in whole.columns.items():
        other = found.columns[name]
        assert (other.kind, other.nulls, other.blank, other.values) == (
            column.kind,
            column.nulls,
            column.blank,
            column.values,
        )
        if column.numbers is None or other.numbers is None:
            assert column.numbers == other.numbers
            continue
        for what in ("finite", "nan", "infinite", "zeros", "negative", "low", "high"):
            assert getattr(other.numbers, what) == getattr(column.numbers, what)
        assert sum(one.count for one in other.numbers.bins) == column.numbers.finite


@settled
@given(frames(), st.integers(1, 12))
def test_parts_of_one_pass_add_up_too(frame: pl.DataFrame, rows: int):
    with mock.patch.multiple(_measure, _CELLS=0, _LEAST_ROWS=rows):  # parts of so many rows
        found = profile(frame.lazy(), key=frame.columns[:1])
    whole = profile(frame, key=frame.columns[:1])
    assert (found.rows, found.repeated) == (whole.rows, whole.repeated)
    assert {name: column.nulls for name, column in found.columns.items()} == {
        name: column.nulls for name, column in whole.columns.items()
    }


def test_dates_beyond_those_of_python_are_told_as_numbers():
    found = profile(pl.DataFrame({"day": pl.Series([10**7], dtype=pl.Int32).cast(pl.Date)}))
    assert lines(found)[0][4] == "10,000,000"
    assert found.columns["day"].kind == "date"
