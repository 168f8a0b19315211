"""What is said of an alert: suspects, messages, events, signatures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rung.alerting import Circumstances, cloud_event, message, signature, suspects, verify
from rung.errors import CallError
from rung.registry import Delivery, Event

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  the example of Standard Webhooks
ALERT = {
    "id": 12,
    "about": "housing.v1.m2",
    "kind": "drift",
    "subject": "instance.rooms",
    "severity": "warning",
    "because": "rooms moved",
    "suspects": ["houses@4 is newer"],
    "owner": "ada",
    "next": "rung monitor housing.v1.m2",
    "opened": "2026-11-22T11:00:00+00:00",
    "closed": None,
    "ending": None,
}


def delivery(what: str = "opened", **changes: Any) -> Delivery:
    body = {"what": what, "because": "a test"} if what == "test" else {"what": what, "alert": {**ALERT, **changes}}
    return Delivery(
        id="msg_1",
        alert=12,
        channel="mail",
        what=what,
        body=body,
        made=NOW,
        due=NOW,
        attempts=0,
        error="",
        sent=None,
        given_up=None,
    )


def changed(kind: str = "incumbent", ago: timedelta = timedelta(hours=2)) -> Event:
    return Event(id=1, time=NOW - ago, kind=kind, subject="housing.v1.m2", actor="rung", because="it is better")


FOUND = Circumstances(
    since=NOW - timedelta(days=1),
    changes=(changed(), changed("note"), changed("incumbent", timedelta(days=3))),
    data=("trained on houses@1",),
    moved=("rooms below 5",),
)


def test_what_is_asked_is_suspected_where_it_moved():
    assert suspects("drift", FOUND) == (
        "trained on houses@1",
        "rooms below 5",
        "housing.v1.m2, 2026-11-22 10:00 UTC: incumbent, it is better",
    )


def test_what_was_deployed_is_suspected_where_answers_are_worse():
    assert suspects("errors", FOUND)[0].startswith("housing.v1.m2, 2026-11-22 10:00 UTC")


def test_that_nothing_changed_is_said():
    (told,) = suspects("latency", Circumstances(since=NOW))
    assert told == "nothing was deployed, promoted or split since 2026-11-22 12:00 UTC"


@pytest.mark.parametrize("kind", ["disk", "certificate", "freshness", "idle"])
def test_what_explains_itself_has_no_suspects(kind: str):
    assert suspects(kind, FOUND) == ()


def test_people_are_told_what_to_do():
    told = message(delivery())
    assert told.title == "warning: drift of instance.rooms, housing.v1.m2"
    assert told.text.splitlines() == [
        "rooms moved",
        "suspect: houses@4 is newer",
        "owner: ada",
        "next: rung monitor housing.v1.m2",
        "alert 12, open since 2026-11-22 11:00 UTC",
    ]


def test_what_is_over_needs_nothing_to_be_done():
    told = message(delivery("closed", closed="2026-11-22T12:00:00+00:00", ending="not seen since then"))
    assert told.title.startswith("over: warning")
    assert "suspect" not in told.text
    assert "next" not in told.text


def test_test_says_that_nothing_is_wrong():
    assert "Nothing is wrong" in message(delivery("test")).text


def test_alert_of_the_platform_is_named_so():
    assert message(delivery(about="*")).title.endswith(", the platform")


def test_event_has_what_cloud_events_require():
    event = json.loads(cloud_event(delivery("worse"), source="/rung/shop"))
    assert {name: event[name] for name in ("specversion", "id", "source", "type")} == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "/rung/shop",
        "type": "rung.alert.worse",
    }
    assert datetime.fromisoformat(event["time"]) == NOW
    assert event["data"]["alert"]["suspects"] == ["houses@4 is newer"]


def test_signature_is_that_of_standard_webhooks():
    moment = datetime.fromtimestamp(1_614_265_330, UTC)
    headers = signature(b'{"test": 2432232314}', identity="msg_p5jXN8AQM9LWM0D4loKWxJek", moment=moment, secret=SECRET)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize(
    "change",
    [{"webhook-id": "msg_2"}, {"webhook-timestamp": "1"}, {"webhook-signature": "v1,x"}, {"webhook-timestamp": "soon"}],
)
def test_changed_webhook_is_not_believed(change: dict[str, str]):
    headers = signature(b"{}", identity="msg_1", moment=NOW, secret=SECRET)
    assert verify(b"{}", headers, secret=SECRET, now=NOW)
    assert not verify(b"{}", headers | change, secret=SECRET, now=NOW)


def test_one_of_several_signatures_suffices():
    headers = signature(b"{}", identity="msg_1", moment=NOW, secret=SECRET)
    both = headers | {"webhook-signature": f"v1,c29tZXRoaW5n {headers['webhook-signature']}"}
    assert verify(b"{}", both, secret=SECRET, now=NOW)


@pytest.mark.parametrize("secret", ["short", "whsec_c2hvcnQ=", "whsec_*"])
def test_short_secrets_are_refused(secret: str):
    with pytest.raises(CallError, match="fewer than 24 bytes"):
        signature(b"{}", identity="msg_1", moment=NOW, secret=secret)
