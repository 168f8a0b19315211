from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rung.lake import OUTCOMES, PREDICTIONS, outcome_line, prediction_line
from rung.lake._lines import KINDS, key, parse
from rung.lake._privacy import Privacy
from rung.lake._redact import Redaction

if TYPE_CHECKING:
    import polars as pl

SECRET = b"k" * 32
REDACTION = Redaction(
    {
        "housing": Privacy(drop=("instance.owner", "parameters"), hash=("unit",), key=SECRET),
        "sales": Privacy(drop=("unit",)),
    }
)


def predictions(revision: str, instances: bytes = b'[{"owner":"Ann","area":1.0}]') -> pl.DataFrame:
    line = prediction_line(
        id="p1",
        revision=revision,
        time=1,
        status=200,
        duration_ms=1,
        kind="production",
        instances=instances,
        parameters=b'{"note":"x"}',
        predictions=b"[1.0]",
        unit="customer-7",
        features=b'[{"rows":[[["Ann"],1,1,null,[2.0]]]}]',
    )
    return parse(line, KINDS[PREDICTIONS], lambda fields: REDACTION.fields(PREDICTIONS, fields))[0]


def test_what_is_dropped_is_in_no_row():
    row = predictions("housing.v1.m2").row(0, named=True)
    assert json.loads(row["instances"]) == [{"area": 1.0}]
    assert row["parameters"] is None or json.loads(row["parameters"]) is None
    assert row["predictions"] == "[1.0]"


def test_features_go_with_the_instance_that_they_are_of():
    assert predictions("housing.v1.m2")["features"].to_list() == [None]
    assert "Ann" in predictions("sales.v1.m2")["features"].item()


def test_hashed_unit_is_known_by_its_hash_alone():
    row = predictions("housing.v1.m2").row(0, named=True)
    assert row["unit"].startswith("hmac:")
    assert row["unit_key"] == key(row["unit"]) != key("customer-7")


def test_outcomes_find_hashed_units():
    line = outcome_line(service="housing", metric="sold", value=1, received=5, unit="customer-7")
    rows, _ = parse(line, KINDS[OUTCOMES], lambda fields: REDACTION.fields(OUTCOMES, fields))
    assert rows["unit_key"].to_list() == predictions("housing.v1.m2")["unit_key"].to_list()


def test_dropped_unit_leaves_no_key():
    row = predictions("sales.v1.m1").row(0, named=True)
    assert (row["unit"], row["unit_key"]) == (None, None)
    assert row["instances"] == '[{"owner":"Ann","area":1.0}]'


def test_other_services_keep_all():
    row = predictions("other.v1.m0").row(0, named=True)
    assert (row["unit"], row["parameters"]) == ("customer-7", '{"note":"x"}')


@pytest.mark.parametrize("body", [b'[{"owner":"Ann"', b"[" * 100_000, b"\xff"], ids=["half", "deep", "no text"])
def test_body_in_which_nothing_can_be_told_apart_is_dropped(body: bytes):
    assert predictions("housing.v1.m2", body)["instances"].to_list() == [None]


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (b'{"id":1,"revision":"other.v1.m0","instances":', True),
        (b'{"id":1,"revision":"housing.v1.m0","instances":', False),
        (b'{"service":"sales","unit":"Ann"', False),
        (b'{"service":"other","unit":"Ann"', True),
        (b'instances":"Ann', False),
        (b'{"revision":"other.v1.m0"}{"revision":"housing.v1.m0"', False),
    ],
)
def test_line_that_is_no_row_is_kept_where_it_may_be(line: bytes, is_kept: bool):
    assert REDACTION.line(line) == (line if is_kept else b"")
    assert Redaction().line(line) == line
