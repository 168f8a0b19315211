from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from rung.data import Dataset
from rung.errors import CallError
from rung.features import Feature, FeatureView
from rung.features._entry import Entry, instant, key_of, pick

ENTRY = Entry(versions=[3], is_whole=True, rows=[[30, "c"], [20, "b"], [10, "a"]])
CUT = Entry(versions=[3], is_whole=False, rows=[[30, "c"], [20, "b"]])


@pytest.mark.parametrize(
    ("entry", "at", "ttl_us", "expected"),
    [
        pytest.param(ENTRY, 9, None, None, id="before the first row"),
        pytest.param(ENTRY, 10, None, "a", id="at a row"),
        pytest.param(ENTRY, 19, None, "a", id="between two"),
        pytest.param(ENTRY, 99, None, "c", id="after the last"),
        pytest.param(ENTRY, 35, 5, "c", id="as old as the ttl"),
        pytest.param(ENTRY, 36, 5, None, id="older than the ttl"),
        pytest.param(CUT, 19, None, None, id="before what is kept"),
        pytest.param(None, 19, None, None, id="no entry"),
        pytest.param(Entry(versions=[3], is_whole=True, rows=[]), 19, None, None, id="removed"),
        pytest.param(Entry(versions=[], is_whole=True, rows=[[None, "x"]]), 19, 1, "x", id="known at any instant"),
    ],
)
def test_newest_row_at_or_before_counts(entry: Entry | None, at: int, ttl_us: int | None, expected: str | None):
    found = pick(entry, at, ttl_us=ttl_us)
    assert (found.row and found.row[1]) == expected
    assert bool(found.because) is (expected is None)


@pytest.mark.parametrize("number", [0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3])
def test_floats_come_back_with_their_bits(number: float):
    again = Entry.from_text(Entry(versions=[1], is_whole=True, rows=[[1, number]]).to_text())
    assert again.rows[0][1].hex() == number.hex()


def view(*entity: str) -> FeatureView:
    return FeatureView(name="v", entity=entity, source=Dataset("d"), time="t", features={"f": Feature(int)})


@pytest.mark.parametrize(
    ("names", "entity", "key"),
    [
        pytest.param(["a"], 7, "[7]", id="number"),
        pytest.param(["a"], "7", '["7"]', id="text"),
        pytest.param(["a"], None, None, id="null"),
        pytest.param(["a", "b"], ("x", 7), '["x",7]', id="two"),
        pytest.param(["a", "b"], {"b": 7, "a": "x"}, '["x",7]', id="by name"),
        pytest.param(["a", "b"], ["x", None], None, id="half null"),
    ],
)
def test_entities_have_keys(names: list[str], entity: Any, key: str | None):
    assert key_of(view(*names), entity) == key


@pytest.mark.parametrize(
    ("names", "entity"),
    [
        pytest.param(["a"], 7.0, id="fraction"),
        pytest.param(["a"], True, id="truth value"),
        pytest.param(["a", "b"], "xy", id="text for two"),
        pytest.param(["a", "b"], ["x"], id="too few"),
    ],
)
def test_what_names_no_entity_is_refused(names: list[str], entity: Any):
    with pytest.raises(CallError):
        key_of(view(*names), entity)


def test_instants_need_a_zone():
    assert instant(date(1970, 1, 2), where="at") == 86_400_000_000
    assert instant(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), where="at") == 1_000_000
    with pytest.raises(CallError, match="has no time zone"):
        instant(datetime(2026, 1, 1), where="at")  # noqa: DTZ001
    with pytest.raises(CallError, match="is no instant"):
        instant("2026-01-01", where="at")  # type: ignore[arg-type]
