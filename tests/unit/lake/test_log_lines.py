from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rung.errors import CallError
from rung.lake import AppendLog, outcome_line, prediction_line

if TYPE_CHECKING:
    from pathlib import Path

PREDICTION = {
    "id": "p1",
    "revision": "housing.v1.m2",
    "time": 1,
    "status": 200,
    "duration_ms": 0.1234,
    "kind": "exact",
    "instances": b"[1]",
}


@given(st.text(), st.text(), st.binary())
def test_any_text_stays_one_json_line(unit: str, identifier: str, body: bytes):
    line = prediction_line(**(PREDICTION | {"unit": unit, "id": identifier, "instances": body}))
    assert line.count(b"\n") == 1
    found = json.loads(line)
    assert found["unit"] == unit.encode(errors="replace").decode()
    assert found["instances"] == body.decode(errors="replace")


def test_a_prediction_line_holds_every_field():
    found = json.loads(prediction_line(**PREDICTION, arm="challenger", propensity=0.5, error=b"{}"))
    assert found == {
        "id": "p1",
        "time": 1,
        "revision": "housing.v1.m2",
        "route": "predict",
        "unit": None,
        "experiment": None,
        "arm": "challenger",
        "propensity": 0.5,
        "kind": "exact",
        "status": 200,
        "duration_ms": 0.123,
        "instances": "[1]",
        "parameters": None,
        "predictions": None,
        "error": "{}",
    }


def test_an_outcome_line_holds_every_field():
    line = outcome_line(service="s", metric="m", value=2, received=5, prediction_id="p", time=4, id="k")
    assert json.loads(line) == {
        "id": "k",
        "service": "s",
        "metric": "m",
        "value": 2.0,
        "unit": None,
        "prediction_id": "p",
        "time": 4,
        "received": 5,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_outcome_is_a_finite_number(value: float):
    with pytest.raises(CallError, match="finite"):
        outcome_line(service="s", metric="m", value=value, received=1, unit="u")


def test_an_outcome_is_about_something():
    with pytest.raises(CallError, match="unit or a prediction_id"):
        outcome_line(service="s", metric="m", value=1, received=1)


def test_a_stream_is_an_identifier(tmp_path: Path):
    with pytest.raises(CallError, match="stream"):
        AppendLog(tmp_path, "a-b")
