"""When a service is trained anew by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rung.lifecycle import (
    Cause,
    Origin,
    Rest,
    Retrain,
    RetrainingFacts,
    RetrainingRule,
    Trigger,
    decide_retraining,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RULE = RetrainingRule(cool_down=timedelta(hours=6), at_most=2)
DATA = Cause(trigger=Trigger.DATA, name="houses@4", because="houses@4 is newer than houses@3")
ALERT = Cause(trigger=Trigger.ALERT, name="alert 7", because="within_10_percent fell")


def done(age: timedelta, *causes: str, trigger: Trigger = Trigger.DATA) -> tuple[datetime, Origin]:
    origin = Origin(of="housing.v1.m2", code="housing.v1.m2", trigger=trigger, causes=causes, because="")
    return NOW - age, origin


def facts(*causes: Cause, earlier: tuple = (), busy: str | None = None) -> RetrainingFacts:
    return RetrainingFacts(incumbent="housing.v1.m2", causes=causes, earlier=earlier, busy=busy)


def decided(found: RetrainingFacts) -> Retrain | Rest:
    return decide_retraining(found, RULE, NOW)


def test_nothing_new_is_no_reason():
    assert decided(facts()) == Rest(because="nothing asks for another training than that of housing.v1.m2")


def test_all_causes_are_answered_at_once():
    found = decided(facts(ALERT, DATA))
    assert found == Retrain(
        trigger=Trigger.ALERT,
        causes=("alert 7", "houses@4"),
        because="within_10_percent fell; houses@4 is newer than houses@3",
    )


def test_the_same_cause_is_never_answered_twice():
    long_ago = done(timedelta(days=400), "houses@4")
    assert isinstance(decided(facts(DATA, earlier=(long_ago,))), Rest)
    assert decided(facts(ALERT, DATA, earlier=(long_ago,))).causes == ("alert 7",)


@pytest.mark.parametrize(
    ("earlier", "hindrance", "told"),
    [
        pytest.param((done(timedelta(hours=2), "x"),), "cool-down", "2 h ago, and they are 6 h apart", id="cool-down"),
        pytest.param(
            (done(timedelta(minutes=90), trigger=Trigger.ASKED),),
            "cool-down",
            "1.5 h ago, and they are 6 h apart",
            id="asked for",
        ),
        pytest.param(
            (done(timedelta(days=9), "x"), done(timedelta(days=29), "y")),
            "budget",
            "2 began by themselves within 30 days, and 2 are allowed",
            id="budget",
        ),
    ],
)
def test_what_keeps_it_from_looping(earlier: tuple, hindrance: str, told: str):
    found = decided(facts(DATA, earlier=earlier))
    assert isinstance(found, Rest)
    assert found.hindrance == hindrance
    assert told in found.because


def test_budget_counts_neither_what_people_asked_for_nor_what_is_long_ago():
    earlier = (
        done(timedelta(days=2), trigger=Trigger.ASKED),
        done(timedelta(days=31), "x"),
        done(timedelta(days=3), "y"),
    )
    assert isinstance(decided(facts(DATA, earlier=earlier)), Retrain)


def test_a_promotion_under_way_is_waited_for():
    found = decided(facts(DATA, busy="a promotion of housing.v1 is under way"))
    assert found == Rest(
        because="houses@4 is newer than houses@3; but a promotion of housing.v1 is under way", hindrance="busy"
    )


def test_the_same_data_would_give_the_same_model():
    told = "its training would read the same data again: houses@3 is the newest"
    found = decide_retraining(RetrainingFacts(incumbent="x", causes=[ALERT], earlier=(), same_data=told), RULE, NOW)
    assert found == Rest(because=f"within_10_percent fell; but {told}", hindrance="same data")


def test_an_origin_survives_json():
    origin = done(timedelta(0), "houses@4", "alert 7")[1]
    assert Origin.from_json(origin.to_json()) == origin
