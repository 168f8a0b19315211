from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from rung.data import Dataset
from rung.errors import UnavailableError
from rung.features import FakeSource, Feature, FeatureView, Reader, Recorded, Served, ViewOf

VIEW = FeatureView(
    name="houses",
    entity="house",
    source=Dataset("houses"),
    time="known",
    features={
        "area": Feature(float),
        "built": Feature(date, default=date(1900, 1, 1)),
        "sold": Feature(datetime, default=None),
    },
)
HOUSES = {
    "a": {"area": 1.5, "built": date(2001, 2, 3), "sold": datetime(2020, 1, 1, 12, tzinfo=UTC)},
    "b": {"area": 2.5, "built": None, "sold": None},
}


def logged(*calls: list[Any], start: int = 0, count: int = 2, together: int = 2) -> tuple[list[Any], bytes]:
    """What a handler got in each of its fetches, and how that was logged."""
    notes: list[Any] = []
    reader = Reader(ViewOf(VIEW, FakeSource(VIEW, HOUSES)), notes)
    got = [reader.of(entities).rows() for entities in calls]
    return got, Served(notes=notes, start=start, count=count, together=together).to_json() or b"null"


def test_handler_gets_what_it_got():
    got, text = logged(["a", "b"])
    again = Recorded(text).reader(VIEW).of(["a", "b"], at=[None, None])
    assert again.rows() == got[0]
    assert again["sold"] == [datetime(2020, 1, 1, 12, tzinfo=UTC), None]


def test_fetches_come_in_their_order():
    got, text = logged(["a", "b"], ["b", "a"])
    reader = Recorded(text).reader(VIEW)
    assert [reader.of(["a", "b"]).rows(), reader.of(["b", "a"]).rows()] == got


def test_request_that_shared_a_call_gets_its_part():
    _, text = logged(["a", "b", "b"], start=1, count=2, together=3)
    assert Recorded(text).reader(VIEW).of(["b", "b"])["area"] == [2.5, 2.5]


def test_entity_that_was_fetched_once_for_all_is_found():
    _, text = logged(["a"], count=2, together=2)
    assert Recorded(text).reader(VIEW).of(["a", "a"])["area"] == [1.5, 1.5]


def test_nothing_else_is_there():
    reader = Recorded(logged(["a", "b"])[1]).reader(VIEW)
    with pytest.raises(UnavailableError, match="houses of 'c' was not fetched for this prediction then"):
        reader.of(["c"])
    with pytest.raises(UnavailableError, match="was not fetched"):
        Recorded("null").reader(VIEW).of(["a"])
