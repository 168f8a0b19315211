"""Which columns moved: alarms, sizes and sentences, from statistics."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from rung.monitoring import Drift, Limits, drifts, segments, statistics
from rung.monitoring._drift import findings_of
from rung.monitoring._integrity import integrity
from rung.stats import FalseAlarms

RANDOM = np.random.default_rng(1)


def houses(count: int, *, shift: float = 0.0, garage: float = 0.5, missing: float = 0.1) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "instance.area": RANDOM.normal(shift, size=count),
            "instance.rooms": RANDOM.poisson(6, size=count),
            "instance.garage": np.where(RANDOM.random(count) < garage, "none", "attached"),
            "instance.depth": [None if RANDOM.random() < missing else RANDOM.random() for _ in range(count)],
            "prediction.price": RANDOM.lognormal(size=count),
        }
    )


REFERENCE = statistics(houses(4_000))


def found(rows: pl.DataFrame, **limits: float) -> dict[str, Drift]:
    now = statistics(rows)
    judged = drifts({"training": (REFERENCE, 4_000)}, (now, rows.height), limits=Limits(**limits))
    return {one.column: one for one in judged}


def test_quiet_columns_raise_no_alarm():
    assert not [one for one in found(houses(1_000)).values() if one.is_alarm]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        pytest.param({"shift": 0.5}, "instance.area", id="numbers"),
        pytest.param({"garage": 0.8}, "instance.garage", id="values"),
        pytest.param({"missing": 0.5}, "instance.depth missing", id="missing"),
    ],
)
def test_column_that_moved_is_the_alarm(changes: dict[str, float], column: str):
    raised = [name for name, one in found(houses(1_000, **changes)).items() if one.is_alarm]
    assert raised == [column]


def test_small_moves_of_many_rows_are_told_and_raise_no_alarm():
    one = found(houses(60_000, shift=0.08))["instance.area"]
    assert (one.has_moved, one.is_alarm) == (True, False)
    assert 0.02 < one.size < 0.1


def test_fewer_requests_than_rows_are_less_evidence():
    now = statistics(houses(1_000, shift=0.3))
    loose = Limits(false_alarms=FalseAlarms(a_year=100))
    areas = [
        next(
            one
            for one in drifts({"training": (REFERENCE, 4_000)}, (now, requests), limits=loose)
            if one.column == "instance.area"
        )
        for requests in (1_000, 20)
    ]
    assert [one.is_alarm for one in areas] == [True, False]
    assert areas[0].size == areas[1].size


def test_days_go_on_without_drift():
    days = [
        pl.DataFrame({"instance.day": [date(1996, 1, 1) + timedelta(days=n + k) for n in range(300)]}) for k in (0, 400)
    ]
    before, now = (statistics(rows) for rows in days)
    assert drifts({"training": (before, 300)}, (now, 300)) == []


def test_findings_say_what_moved():
    now = statistics(houses(1_000, shift=0.5))
    judged = drifts({"training": (REFERENCE, 4_000)}, (now, 1_000))
    told = {one.subject: one for one in findings_of(judged, {"training": REFERENCE}, now)}["instance.area"]
    assert told.is_alarm
    assert told.p is not None
    assert told.p < 1e-9
    assert "instance.area moved much" in told.because
    assert "its median rose" in told.because
    assert told.to_json()["data"]["psi"] > 0.1


def test_columns_that_are_gone_or_new_values_are_told():
    now = statistics(houses(500, garage=1.0).drop("instance.rooms").with_columns(**{"instance.garage": pl.lit("barn")}))
    told = integrity(REFERENCE, now, against="training")
    assert [one.subject for one in told if one.is_alarm] == ["instance.rooms"]
    assert "instance.garage has values that it never had: 'barn' (100 %)" in [one.because for one in told]


def test_numbers_far_beyond_their_range_are_an_alarm():
    metres = houses(500).with_columns(pl.col("instance.area") + 30)
    told = {one.subject: one for one in integrity(REFERENCE, statistics(metres), against="training")}
    assert told["instance.area"].is_alarm
    assert "it lay from" in told["instance.area"].because
    few = houses(500).with_columns(
        pl.when(pl.int_range(pl.len()) < 5).then(30).otherwise("instance.area").alias("instance.area")
    )
    told = {one.subject: one for one in integrity(REFERENCE, statistics(few), against="training")}
    assert not told["instance.area"].is_alarm


@pytest.mark.parametrize(("days", "is_old"), [(20, False), (300, False), (900, True)])
def test_training_goes_out_of_date(days: int, is_old: bool):
    start = date(1993, 1, 1)
    trained, later = (
        statistics(pl.DataFrame({"instance.day": [start + timedelta(days=first + n) for n in range(count)]}))
        for first, count in ((0, 4 * 365), (4 * 365 + days, 30))
    )
    found = {name: integrity(trained, later, against=name) for name in ("training", "before")}
    assert [[one.is_alarm for one in told] for told in found.values()] == [[is_old], [False]]
    assert ("out of date" in found["training"][0].because) == is_old


def test_segments_that_moved_most_come_first():
    now = statistics(houses(2_000, shift=1.0, garage=0.7))
    moved = segments(REFERENCE, now, independent=(4_000, 2_000))
    assert moved[0].name.startswith("area ")
    assert {one.name: round(one.now, 1) for one in moved}["garage is none"] == 0.7
    assert not [one for one in moved if one.column == "instance.rooms"]


def test_quiet_segments_are_not_named():
    assert segments(REFERENCE, statistics(houses(2_000)), independent=(4_000, 2_000)) == []
