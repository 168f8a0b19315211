"""The columns of an output."""

from __future__ import annotations

import polars as pl
import pytest

from rung.batch._order import Order
from rung.batch._output import Table
from rung.batch._rows import Part
from rung.errors import CallError


def part(**columns: list[object]) -> Part:
    rows = pl.DataFrame(columns)
    return Part(number=0, source="a.csv", rows=rows, numbers=list(range(1, rows.height + 1)))


def test_kept_column_gives_way_to_the_prediction():
    table = Table.of(["price", "id"], {"price": pl.Float64()}, revision="s.v1.m1", batch="b")
    some = part(id=["a"], price=[3])
    frame = table.frame(some, table.rows(some, [({"price": 1.5}, None)]))
    told = {"input_price": 3, "id": "a", "row": 1, "price": 1.5, "prediction_id": "b-1", "revision": "s.v1.m1"}
    assert frame.rows(named=True) == [told]


def test_refused_row_leaves_the_others_theirs():
    table = Table.of(["id"], {"y": pl.Float64()}, revision="s.v1.m1", batch="b")
    rows = table.rows(part(id=[7, 8, 9]), [({"y": 1.0}, None), (None, "why"), ({"y": 3.0}, None)])
    assert [(row["id"], row["row"], row["y"]) for row in rows] == [(7, 1, 1.0), (9, 3, 3.0)]


def test_what_no_column_holds_is_json():
    table = Table.of([], {"terms": None}, revision="s.v1.m1", batch="b")
    some = part(x=[1])
    assert table.frame(some, table.rows(some, [({"terms": {"a": 1}}, None)]))["terms"].to_list() == ['{"a": 1}']


def test_prediction_that_is_no_object_is_one_column():
    table = Table.of([], {}, revision="s.v1.m1", batch="b")
    assert table.rows(part(x=[1]), [([1, 2], None)])[0]["prediction"] == [1, 2]


def test_number_that_no_column_holds_is_refused():
    table = Table.of([], {"y": pl.Int64()}, revision="s.v1.m1", batch="b")
    some = part(x=[1])
    with pytest.raises(CallError, match="do not fit into the columns of a table"):
        table.frame(some, table.rows(some, [({"y": 1 << 70}, None)]))


def test_output_tells_its_format():
    assert Order(inputs=["a.csv"], output="s3://shop/b.jsonl").suffix == ".jsonl"
    with pytest.raises(CallError, match="does not tell its format"):
        _ = Order(inputs=["a.csv"], output="b.csv").suffix
