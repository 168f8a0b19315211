"""What looks make of alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rung.alerting import Look, Sighting, course

if TYPE_CHECKING:
    from rung.registry import Alert, Step

BEGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
QUIET_S = 900.0


def sighting(**changes: Any) -> Sighting:
    told = {
        "kind": "drift",
        "subject": "instance.rooms",
        "service": "housing",
        "major": 1,
        "minor": 2,
        "against": "training",
        "because": "rooms moved",
        "scope": "recent",
    }
    return Sighting(**{**told, **changes})


def steps(alerts: list[Alert], *seen: Sighting, minute: int = 0, scope: str = "recent") -> list[Step]:
    look = Look(now=BEGIN + timedelta(minutes=minute), judged={("housing", 1, scope)}, sightings=seen)
    return course(alerts, look, quiet_s=lambda _: QUIET_S)


def first(*seen: Sighting) -> Alert:
    (step,) = steps([], *(seen or (sighting(),)))
    assert step.what == "opened"
    return replace(step.alert, id=1)


def whats(found: list[Step]) -> list[str]:
    return [step.what for step in found]


def test_sighting_opens_one_alert():
    alert = first()
    assert (alert.kind, alert.revision and str(alert.revision), alert.next) == (
        "drift",
        "housing.v1.m2",
        "rung monitor housing.v1.m2",
    )


def test_same_sighting_is_the_same_alert():
    found = steps([first()], sighting(minor=3), minute=5)
    assert whats(found) == ["seen"]
    assert (found[0].alert.times, found[0].alert.minor) == (2, 3)


def test_sightings_of_one_look_are_one_alert():
    found = steps([], sighting(), sighting(minor=3, severity="critical"), sighting(minor=4))
    assert [(step.what, step.alert.minor) for step in found] == [("opened", 3)]


def test_worse_is_told_once():
    alert = first()
    (worse,) = steps([alert], sighting(severity="critical"), minute=5)
    assert worse.what == "worse"
    assert whats(steps([worse.alert], sighting(severity="critical"), minute=10)) == ["seen"]
    assert whats(steps([worse.alert], sighting(severity="warning"), minute=10)) == ["seen"]


def test_alert_closes_after_quiet_looks_and_a_quiet_time():
    alert, told = first(), []
    for minute in (5, 10, 15, 20):
        (step,) = steps([alert], minute=minute)
        alert = step.alert
        told.append(step.what)
        if step.what == "closed":
            break
    assert told == ["quiet", "quiet", "closed"]
    assert alert.ending == "not seen since 2026-11-22 12:00 UTC"


def test_quiet_time_alone_closes_nothing():
    assert whats(steps([first()], minute=600)) == ["quiet"]


def test_what_was_not_judged_stays_as_it_is():
    assert steps([first()], minute=600, scope="day") == []


def test_what_comes_and_goes_is_one_alert():
    alert = first()
    for minute in range(5, 120, 5):
        (step,) = steps([alert], *([sighting()] if minute % 15 == 0 else []), minute=minute)
        assert step.what in {"seen", "quiet"}
        alert = step.alert


def test_long_window_alone_ends_what_it_saw():
    (step,) = steps([first()], sighting(scope="day"), minute=5)
    assert step.alert.data["scope"] == "day"
    (step,) = steps([step.alert], sighting(), minute=10)
    assert step.alert.data["scope"] == "day"
    assert steps([step.alert], minute=600) == []
    assert whats(steps([step.alert], minute=600, scope="day")) == ["quiet"]


def test_what_is_too_small_to_open_keeps_open():
    small = sighting(opens=False, because="it moved a little")
    assert steps([], small) == []
    (step,) = steps([first()], small, minute=5)
    assert (step.what, step.alert.because) == ("seen", "rooms moved")


def held(alert: Alert) -> Alert:
    return replace(alert, closed=BEGIN, ending="closed by bob", held=True)


def test_what_a_person_closed_stays_closed_while_it_goes_on():
    assert whats(steps([held(first())], sighting(), minute=5)) == ["seen"]


def test_what_a_person_closed_opens_again_when_it_gets_worse():
    found = steps([held(first())], sighting(severity="critical"), minute=5)
    assert whats(found) == ["released", "opened"]


def test_what_a_person_closed_opens_again_after_it_was_over():
    alert = held(first())
    for minute in (5, 10, 15):
        (step,) = steps([alert], minute=minute)
        alert = step.alert
    assert (step.what, alert.held) == ("released", False)


def test_owner_and_suspects_are_asked_for_when_it_opens():
    look = Look(now=BEGIN, judged=(), sightings=(sighting(),))
    (step,) = course([], look, quiet_s=lambda _: 0, described=lambda one: {"owner": one.about, "suspects": ("m2",)})
    assert (step.alert.owner, step.alert.suspects) == ("housing.v1.m2", ("m2",))
