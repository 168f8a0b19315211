"""Alerts and what is told of them, as the registry keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError as Refused

from rung.errors import ConflictError, NotFoundError
from rung.registry import Alert, Registry, Step
from rung.schema import RevisionName

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def alert(**changes: Any) -> Alert:
    return Alert(
        **{
            "id": 0,
            "service": "housing",
            "major": 1,
            "minor": 2,
            "kind": "drift",
            "subject": "instance.rooms",
            "against": "training",
            "severity": "warning",
            "because": "rooms moved",
            "owner": "ada",
            "suspects": ("houses@4 is newer",),
            "next": "rung monitor housing.v1.m2",
            "data": {"size": 0.4, "scope": "day"},
            "opened": NOW,
            "seen": NOW,
            "times": 1,
            **changes,
        }
    )


def opened(registry: Registry, **changes: Any) -> Alert:
    (kept,) = registry.keep_steps([Step(what="opened", alert=alert(**changes), channels=("mail",))])
    return kept


def test_alert_is_kept_with_its_event_and_what_is_told(registry: Registry):
    kept = opened(registry)
    assert registry.alerts("housing") == [kept]
    assert registry.alerts("reviews") == []
    assert registry.alert(kept.id).revision == RevisionName(service="housing", major=1, minor=2)
    assert (registry.events()[-1].kind, registry.events()[-1].subject) == ("alert", "housing.v1.m2")
    (waiting,) = registry.waiting_deliveries()
    assert (waiting.channel, waiting.what, waiting.body["alert"]["id"]) == ("mail", "opened", kept.id)


def test_no_two_open_alerts_are_of_the_same_thing(registry: Registry):
    opened(registry)
    with pytest.raises(Refused):
        opened(registry)
    assert len(registry.waiting_deliveries()) == 1
    assert len(registry.events()) == 1


def test_alert_of_the_platform_belongs_to_no_revision(registry: Registry):
    kept = opened(registry, service="*", major=0, minor=None, kind="disk", subject="free")
    assert (kept.revision, kept.about) == (None, "*")
    assert registry.alerts("*") == [kept]


def test_what_nobody_is_told_leaves_no_event(registry: Registry):
    kept = opened(registry)
    registry.keep_steps([Step(what="seen", alert=replace(kept, times=2), channels=("mail",))])
    assert registry.alert(kept.id).times == 2
    assert len(registry.events()) == len(registry.waiting_deliveries()) == 1


def test_closed_alert_is_shown_among_all(registry: Registry):
    kept = opened(registry)
    over = replace(kept, closed=NOW, ending="not seen since then")
    registry.keep_steps([Step(what="closed", alert=over, channels=("mail",))])
    assert registry.alerts() == registry.followed_alerts() == []
    assert [one.ending for one in registry.alerts(open_only=False)] == ["not seen since then"]
    assert opened(registry).id != kept.id


def test_what_a_person_closed_is_followed(registry: Registry):
    kept = opened(registry)
    said = registry.say(kept.id, "closed", actor="bob", because="we know it", channels=["mail"])
    assert said.ending == "closed by bob: we know it"
    assert registry.alerts() == []
    assert registry.followed_alerts() == [said]
    registry.keep_steps([Step(what="seen", alert=replace(said, times=2))])
    registry.keep_steps([Step(what="released", alert=replace(said, held=False))])
    assert registry.followed_alerts() == []


def test_look_does_not_undo_what_a_person_said_meanwhile(registry: Registry):
    kept = opened(registry)
    registry.say(kept.id, "acknowledged", actor="bob", because="on it")
    registry.keep_steps([Step(what="seen", alert=replace(kept, times=2))])
    assert [word["what"] for word in registry.alert(kept.id).said] == ["acknowledged"]
    registry.say(kept.id, "closed", actor="bob", because="mended")
    assert registry.keep_steps([Step(what="worse", alert=replace(kept, severity="critical"), channels=("mail",))]) == []
    assert registry.alert(kept.id).severity == "warning"


def test_silence_keeps_quiet_and_outlives_its_alert(registry: Registry):
    kept, until = opened(registry), datetime.now(UTC) + timedelta(hours=1)
    silent = registry.say(kept.id, "silenced", actor="bob", because="a holiday", until=until)
    registry.keep_steps([Step(what="worse", alert=replace(silent, severity="critical"), channels=("mail",))])
    registry.keep_steps([Step(what="closed", alert=replace(silent, closed=NOW, ending="over"), channels=("mail",))])
    assert opened(registry).silenced_until == until
    assert [one.what for one in registry.waiting_deliveries()] == ["opened"]


def test_who_says_what_is_on_record(registry: Registry):
    kept = opened(registry)
    registry.say(kept.id, "acknowledged", actor="bob", because="on it")
    event = registry.events()[-1]
    assert (event.kind, event.actor, event.because) == ("alert_acknowledged", "bob", "on it")
    registry.say(kept.id, "closed", actor="bob", because="mended")
    with pytest.raises(ConflictError, match="closed by bob: mended"):
        registry.say(kept.id, "acknowledged", actor="eve", because="too late")
    with pytest.raises(NotFoundError, match="no alert 999"):
        registry.say(999, "closed", actor="eve", because="what?")


def test_delivery_is_tried_until_it_is_taken_or_given_up(registry: Registry):
    first, second = registry.tell_test(["mail", "slack"], because="a test", actor="ada")
    registry.keep_delivery(first, error="it is away", again=NOW)
    found = {one.id: one for one in registry.waiting_deliveries()}
    assert (found[first].attempts, found[first].error, found[first].due) == (1, "it is away", NOW)
    assert registry.undelivered("mail") == (1, "it is away")
    registry.keep_delivery(first)
    registry.keep_delivery(second, error="it is gone")
    assert registry.waiting_deliveries() == []
    assert (registry.undelivered("mail"), registry.undelivered("slack")) == ((0, None), (1, "it is gone"))
    later = datetime.now(UTC) + timedelta(days=1)
    assert registry.forget_deliveries(older_than=timedelta(hours=1), now=later) == 2
    assert registry.deliveries() == []
