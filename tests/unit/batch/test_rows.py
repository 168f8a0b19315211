"""Rows keep their numbers, whatever could not be read between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rung.batch import _rows
from rung.batch._rows import Source, parts
from rung.data.sources import UNREAD

if TYPE_CHECKING:
    import pytest


def source(readable: list[int], unread: list[int]) -> Source:
    return Source(
        name="some.csv",
        digest="",
        rows=pl.LazyFrame({"number": readable}, schema={"number": pl.Int64}),
        height=len(readable),
        unread=pl.DataFrame([(row, "why", "{}") for row in unread], schema=UNREAD, orient="row"),
    )


@given(st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=4))
def test_rows_are_counted_through_all_sources(read: list[list[bool]]):
    sources = [
        source(
            [row for row, is_read in enumerate(one, 1) if is_read],
            [row for row, is_read in enumerate(one, 1) if not is_read],
        )
        for one in read
    ]
    before = [sum(len(earlier) for earlier in read[:index]) for index in range(len(read))]
    expected = [
        offset + row for offset, one in zip(before, read, strict=True) for row, is_read in enumerate(one, 1) if is_read
    ]
    found = list(parts(sources))
    assert [number for part in found for number in part.numbers] == expected
    assert [part.number for part in found] == list(range(len(found)))


def test_parts_have_all_rows_in_order(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_rows, "PART_ROWS", 7)
    found = list(parts([source(list(range(1, 31)), []), source([1, 2], [])]))
    assert [part.rows.height for part in found] == [7, 7, 7, 7, 2, 2]
    assert [value for part in found for value in part.rows["number"]] == [*range(1, 31), 1, 2]
