from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.data.feedback._rows import agreed, to_rows
from rung.lake._privacy import Privacy

NOW = datetime(2026, 11, 21, tzinfo=UTC)
FIELDS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.lists(st.integers())


def answers(*requests: tuple[Any, Any, Any]) -> pl.DataFrame:
    """Logged requests of instances, parameters and predictions."""
    return pl.DataFrame(
        [
            {
                "id": f"p{place}",
                "time": NOW,
                "revision": "housing.v1.m1",
                "route": "predict",
                "kind": "production",
                "unit": f"u{place}",
                "experiment": None,
                "arm": None,
                "propensity": None,
                **{
                    name: json.dumps(value)
                    for name, value in zip(("instances", "parameters", "predictions"), request, strict=True)
                },
            }
            for place, request in enumerate(requests)
        ],
        schema_overrides={"experiment": pl.String, "arm": pl.String, "propensity": pl.Float64},
    )


def rows(*requests: tuple[Any, Any, Any], privacy: Privacy | None = None) -> pl.DataFrame:
    return to_rows(answers(*requests), privacy)


def own(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """What of a frame comes from the service."""
    return frame.select(pl.col(name) for name in frame.columns if name.startswith(("ins", "par", "pre"))).to_dict(
        as_series=False
    )


def test_each_instance_is_a_row():
    found = rows(([{"x": 1}, {"x": 2}], {"scale": 0.5}, [{"y": 1.0}, {"y": 2.0}]), ([{"x": 3}], None, [{"y": 3.0}]))
    assert found.select("id", "position").rows() == [("p0", 0), ("p0", 1), ("p1", 0)]
    assert own(found) == {
        "instance.x": [1, 2, 3],
        "parameters.scale": [0.5, 0.5, None],
        "prediction.y": [1.0, 2.0, 3.0],
    }


def test_bare_values_are_one_column():
    assert own(rows((["good", "bad"], None, [0.9, 0.1]))) == {"instance": ["good", "bad"], "prediction": [0.9, 0.1]}


def test_objects_and_lists_inside_are_text():
    found = own(rows(([{"tags": ["a"], "place": {"x": 1}}], None, [None])))
    assert found == {"instance.tags": ['["a"]'], "instance.place": ['{"x": 1}']}


def test_what_is_never_there_is_no_column():
    assert own(rows(([{"x": 1, "y": None}], {}, [{"z": None}]))) == {"instance.x": [1]}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], pl.Int64()),
        ([1, 2.5], pl.Float64()),
        ([True, None], pl.Boolean()),
        ([True, 1], pl.String()),
        (["a", 1], pl.String()),
        ([2**63], pl.String()),
        ([[1], [2]], pl.String()),
    ],
    ids=str,
)
def test_columns_have_the_type_that_holds_all(values: list[Any], kind: pl.DataType):
    found = rows(*(([{"x": value}], None, [1]) for value in values))
    assert found.schema["instance.x"] == kind


def test_dropped_and_hashed_fields_do_not_come():
    privacy = Privacy(drop=("instance.owner", "unit"), hash=("instance.street",), key=b"k")
    found = rows(([{"owner": "Ann", "street": "A", "x": 1}], None, [1.0]), privacy=privacy)
    assert "instance.owner" not in found.columns
    assert found["instance.street"][0].startswith("hmac:")
    assert found["unit"].to_list() == [None]
    assert "Ann" not in str(found.rows())


def test_no_request_is_no_row():
    assert to_rows(answers(([], None, [])).head(0), None).is_empty()
    assert rows(([], None, [])).is_empty()


def test_text_holds_what_no_other_type_does():
    one, other = {"a": pl.Int64(), "b": pl.Int64()}, {"a": pl.Boolean(), "c": pl.String()}
    assert agreed(one, other) == {"a": pl.String(), "b": pl.Int64(), "c": pl.String()}


@given(st.lists(st.lists(st.dictionaries(st.sampled_from("abc"), FIELDS), max_size=3), max_size=6))
def test_no_value_is_lost(requests: list[list[dict[str, Any]]]):
    found = rows(*((instances, None, [0] * len(instances)) for instances in requests)) if requests else None
    flat = [instance for instances in requests for instance in instances]
    if found is None:
        return
    assert found.height == len(flat)
    for row, instance in zip(found.iter_rows(named=True), flat, strict=True):
        for name, value in instance.items():
            kept = row.get(f"instance.{name}")
            assert (kept is None) == (value is None)
            if isinstance(kept, str) and not isinstance(value, str):
                assert json.loads(kept) == value
            elif isinstance(kept, float):
                assert kept == float(value)
            else:
                assert kept == value
