from __future__ import annotations

from typing import Any

import pytest

from rung.cli import _scaling
from rung.cli._scaling import Tried
from rung.infrastructure import Autoscaling
from rung.scaling import TRAFFICS, Replica, Traffic, simulate

SPEC = Autoscaling(minimum=1, maximum=6, target_concurrency=8)
ABLE = Replica(service_time_s=0.1, at_once=16)


def tried(traffic: Traffic, spec: Autoscaling = SPEC, replica: Replica = ABLE) -> Tried:
    return Tried(service="housing", spec=spec, replica=replica, found=simulate(spec, traffic, replica))


@pytest.fixture(scope="module")
def day() -> Tried:
    return tried(TRAFFICS["diurnal"](200, 900))


def test_table_has_what_it_costs(day: Tried):
    [row], header = _scaling.rows(day)
    told = dict(zip(header, row, strict=True))
    assert (told["REFUSED"], told["REPLICAS"], told["AT THE MAXIMUM"]) == ("0", "1 to 3", "1.50")
    assert 0.25 < float(told["REPLICA-HOURS"]) < 1


def test_headline_says_what_a_replica_does(day: Tried):
    assert _scaling.headline(day) == (
        "housing: diurnal traffic of 15 min; a replica answers 16 at once, each in 100 ms, 3 s after it was asked for"
    )


def test_nothing_wrong_is_said(day: Tried):
    assert list(_scaling.advice(day)) == ["\x1b[32mnothing was refused, and the number did not swing\x1b[0m"]


_HASTY = {"service_time_s": 0.1, "at_once": 1, "max_waiting": 1}


@pytest.mark.parametrize(
    ("spec", "replica", "told"),
    [
        ({"maximum": 1}, {}, "nothing scales: minimum and maximum are both 1"),
        ({"maximum": 2}, {**_HASTY, "max_waiting": 50}, "the maximum of 2 was reached for"),
        ({"maximum": 50}, {**_HASTY, "start_s": 1_000}, "some were refused before more replicas were ready"),
        ({}, {"at_once": 2}, "target_concurrency 8 is more than the 2 that a replica answers at once"),
        ({"minimum": 0, "cold_start_s": 2}, {}, "a replica starts in 3 s and cold_start_s is 2"),
    ],
)
def test_better_declarations_are_named(spec: dict[str, Any], replica: dict[str, Any], told: str):
    declared = Autoscaling(**{"minimum": 1, "maximum": 6, **spec})
    found = tried(TRAFFICS["steady"](30, 120), declared, Replica(**{"service_time_s": 0.1, "at_once": 16, **replica}))
    assert any(told in one for one in _scaling.advice(found))


def test_swings_are_named():
    spec = SPEC.model_copy(update={"scale_down_after_s": 1.0})
    rates = ((10.0,) * 50 + (300.0,) * 10) * 10
    found = tried(Traffic(name="waves", rates=rates), spec)
    assert any("the number swings" in one for one in _scaling.advice(found))


def test_first_changes_are_listed_with_their_reasons(day: Tried):
    lines = list(_scaling.changes(day))
    assert len(lines) == len(day.found.changes)
    assert "raised from 1 to 2: " in lines[0]
    many = tried(Traffic(name="waves", rates=((10.0,) * 400 + (400.0,) * 20) * 6))
    assert "more; --json has them all" in list(_scaling.changes(many))[-1]


def test_json_has_few_points_with_the_peaks(day: Tried):
    told = _scaling.to_json(day)
    assert len(told["points"]) == 300
    assert max(point["replicas"] for point in told["points"]) == told["most_replicas"] == 3
    assert (told["service"], told["wrong"], told["share_at_maximum"]) == ("housing", [], 0)


def test_figure_shows_load_replicas_and_line(day: Tried):
    figure = _scaling.figure_of(day)
    assert [panel.title for panel in figure.panels] == ["requests per second", "replicas", "requests that wait"]
    assert figure.panels[1].rules == ()
    full = _scaling.figure_of(tried(TRAFFICS["steady"](900, 120)))
    assert [rule.label for rule in full.panels[1].rules] == ["maximum"]
