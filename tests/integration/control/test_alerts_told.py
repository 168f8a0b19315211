"""From what is wrong to who is told: the real API, registry and outbox, and a receiver that checks what it gets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import tiny_service
from platform_api import grant, platform_api
from waiting import until
from webhooks import Receiver, receiver

from rung.alerting import verify
from rung.control.alerts.channels import channels_for, open_channel
from rung.control.alerts.desk import examine_channels
from rung.control.alerts.outbox import Outbox
from rung.control.alerts.owners import owners_of_alert
from rung.errors import UnavailableError
from rung.lifecycle import State
from rung.registry import Alert, Step, open_registry
from rung.settings import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

SECRET = "a-secret-that-has-enough-bytes"  # noqa: S105
SETTINGS = """
[alerts]
disk_free_gib = 100000000
[alerts.channels.pager]
url_file = "pager.url"
secret_file = "pager.secret"
least = "info"
[alerts.channels.away]
url = "http://127.0.0.1:9/nobody"
[people.ada.channels.phone]
url_file = "pager.url"
[people.grace]
also = ["engineering@example.org"]
[people.grace.channels.phone]
url_file = "pager.url"
"""


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def api(tmp_path: Path, hooks: Receiver) -> Iterator[Api]:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pager.url").write_text(f"{hooks.url}\n")
    (root / "pager.secret").write_text(SECRET)
    with platform_api(root, SETTINGS) as found:
        yield found
        found.platform.loop.watch.close()


def drift(registry: Any, *, service: str = "housing", minor: int = 2, channels: tuple[str, ...] = ("pager",)) -> Alert:
    now = datetime.now(UTC)
    alert = Alert(
        id=0,
        service=service,
        major=1,
        minor=minor,
        kind="drift",
        subject="instance.rooms",
        against="training",
        severity="warning",
        because="rooms moved",
        owner="ada",
        suspects=("houses@4 is newer",),
        next="rung monitor housing.v1.m2",
        data={"scope": "day"},
        opened=now,
        seen=now,
        times=1,
    )
    (kept,) = registry.keep_steps([Step(what="opened", alert=alert, channels=channels)])
    return kept


def test_alert_reaches_the_receiver_signed(api: Api, hooks: Receiver):
    alert = drift(api.platform.registry)
    api.platform.loop.watch.outbox.look()
    (delivery,) = until(lambda: [one for one in api.platform.registry.deliveries() if one.sent])
    (event,), (headers,), (body,) = hooks.events, hooks.headers, hooks.bodies
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == event["id"] == delivery.id
    assert verify(body, headers, secret=SECRET, now=datetime.now(UTC))
    assert not verify(body, headers, secret=f"{SECRET}!", now=datetime.now(UTC))
    assert not verify(body, headers, secret=SECRET, now=datetime.now(UTC) + timedelta(minutes=6))
    told = {name: event[name] for name in ("specversion", "type", "source", "subject", "datacontenttype")}
    assert told == {
        "specversion": "1.0",
        "type": "rung.alert.opened",
        "source": "/rung/shop",
        "subject": "housing.v1.m2",
        "datacontenttype": "application/json",
    }
    assert event["data"]["alert"]["id"] == alert.id
    assert event["data"]["alert"]["suspects"] == ["houses@4 is newer"]


def test_dead_and_slow_channels_keep_no_other_one_waiting(api: Api, hooks: Receiver):
    hooks.hold.clear()
    registry, outbox = api.platform.registry, api.platform.loop.watch.outbox
    drift(registry, channels=("pager", "away"))
    outbox.look()
    until(lambda: registry.undelivered("away")[0])
    assert registry.undelivered("away") == (1, "its receiver does not answer (ConnectError)")
    assert [one.attempts for one in registry.waiting_deliveries() if one.channel == "pager"] == [0]
    hooks.hold.set()
    until(lambda: [one for one in registry.deliveries() if one.sent])


def test_what_was_refused_is_tried_again_with_the_same_id(api: Api, hooks: Receiver):
    hooks.status = 503
    registry, outbox = api.platform.registry, api.platform.loop.watch.outbox
    drift(registry)
    outbox.look()
    (failed,) = until(lambda: [one for one in registry.waiting_deliveries() if one.attempts])
    assert failed.error.startswith("its receiver answered 503")
    assert failed.due - datetime.now(UTC) > timedelta(seconds=5)
    hooks.status = 204
    registry.keep_delivery(failed.id, error="time passes", again=datetime.now(UTC))
    until(lambda: outbox.look() or [one for one in registry.deliveries() if one.sent])
    first, second = hooks.headers
    assert first["webhook-id"] == second["webhook-id"] == failed.id


def test_receiver_that_is_gone_is_left_alone(api: Api, hooks: Receiver):
    hooks.status = 410
    registry = api.platform.registry
    drift(registry)
    api.platform.loop.watch.outbox.look()
    until(lambda: [one for one in registry.deliveries() if one.given_up])
    assert registry.waiting_deliveries() == []


SENDER = """
import sys, time
from pathlib import Path
from rung.control.alerts.channels import open_channel
from rung.control.alerts.desk import examine_channels
from rung.control.alerts.outbox import Outbox
from rung.errors import UnavailableError
from rung.control.place import Place
from rung.registry import open_registry
from rung.workspace import find
place = Place(workspace=find(Path(sys.argv[1])))
with open_registry(place.workspace.state) as registry:
    Outbox(place=place, registry=registry, settings=place.workspace.settings()).look()
    time.sleep(600)
"""


def test_sender_that_is_killed_loses_nothing(api: Api, hooks: Receiver):
    hooks.hold.clear()
    registry, root = api.platform.registry, api.platform.place.workspace.root
    drift(registry)
    with subprocess.Popen([sys.executable, "-c", SENDER, str(root)]) as sender:
        try:
            until(lambda: hooks.bodies)
        finally:
            os.kill(sender.pid, signal.SIGKILL)
    hooks.hold.set()
    assert [one.attempts for one in registry.waiting_deliveries()] == [0]
    outbox = Outbox(place=api.platform.place, registry=registry, settings=api.platform.place.workspace.settings())
    outbox.look()
    until(lambda: [one for one in registry.deliveries() if one.sent])
    outbox.close()
    assert len({headers["webhook-id"] for headers in hooks.headers}) == 1
    assert len(set(hooks.bodies)) == 1


def test_apprise_tells_people(api: Api, hooks: Receiver):
    registry = api.platform.registry
    drift(registry)
    (delivery,) = registry.waiting_deliveries()
    url = hooks.url.replace("http://", "json://")
    channel = open_channel("mail", Channel(kind="apprise", url=url), api.platform.place.workspace.root, {})
    channel.send(delivery)
    (told,) = hooks.events
    assert told["title"] == "warning: drift of instance.rooms, housing.v1.m2"
    assert "suspect: houses@4 is newer" in told["message"]
    hooks.status = 500
    with pytest.raises(UnavailableError, match="Apprise could not tell it"):
        channel.send(delivery)
    unknown = open_channel(
        "mail", Channel(kind="apprise", url="nobody://s3cret"), api.platform.place.workspace.root, {}
    )
    with pytest.raises(UnavailableError, match="Apprise knows no such URL"):
        unknown.send(delivery)


def test_platform_without_room_opens_one_alert(api: Api, hooks: Receiver):
    watch = api.platform.loop.watch
    watch.look_at_health()
    watch.look_at_health()
    (alert,) = [one for one in api.ask("GET", "/alerts").json() if one["kind"] == "disk"]
    assert (alert["about"], alert["severity"], alert["times"]) == ("*", "critical", 2)
    assert "rung gc" in alert["next"]
    told = [one for one in api.platform.registry.deliveries() if one.alert == alert["id"]]
    assert sorted(one.channel for one in told) == ["away", "pager"]  # nobody answers for the platform
    assert api.ask("GET", "/status").json()["alerts"][0]["kind"] == "disk"
    page = api.ask("GET", "/metrics").text
    assert 'rung_alerts_open{service="*",kind="disk",severity="critical"} 1' in page


def test_people_say_what_they_may(api: Api):
    alert, path = drift(api.platform.registry), "/alerts/{}/{}"
    viewer = api.token("vi", grant("viewer"))
    engineer = api.token("eve", grant("engineer", "housing"))
    other = api.token("oscar", grant("engineer", "reviews"))
    word = {"because": "we look into it"}
    acknowledge = path.format(alert.id, "acknowledgement")
    assert [api.ask("POST", acknowledge, token, json=word).status_code for token in (viewer, other)] == [403, 403]
    assert api.ask("GET", "/alerts", other).json() == []
    assert api.ask("POST", acknowledge, engineer, json={"because": ""}).status_code == 422
    said = api.ask("POST", acknowledge, engineer, json=word).json()["said"]
    assert [(one["what"], one["actor"], one["because"]) for one in said] == [
        ("acknowledged", "token:eve", "we look into it")
    ]
    silenced = api.ask("POST", path.format(alert.id, "silence"), engineer, json={**word, "for_s": 3600}).json()
    assert silenced["silenced_until"] is not None
    closed = api.ask("POST", path.format(alert.id, "closing"), engineer, json=word).json()
    assert closed["ending"] == "closed by token:eve: we look into it"
    again = api.ask("POST", path.format(alert.id, "closing"), engineer, json=word)
    assert (again.status_code, again.json()["hint"]) == (409, "`rung alerts` lists open ones")
    assert api.ask("GET", "/alerts", viewer).json() == []
    assert len(api.ask("GET", "/alerts?closed=true", viewer).json()) == 1
    assert api.ask("POST", path.format(999, "closing"), json=word).status_code == 404


def test_channels_are_told_without_their_urls(api: Api, hooks: Receiver):
    assert api.ask("POST", "/alerts/test", json={"channels": ["fax"]}).status_code == 404
    made = api.ask("POST", "/alerts/test", json={}).json()["deliveries"]
    assert [one["channel"] for one in made] == ["ada.phone", "away", "grace.phone", "pager"]
    api.platform.loop.watch.outbox.look()
    until(lambda: hooks.bodies)
    until(lambda: api.platform.registry.undelivered("away")[0])
    assert hooks.events[0]["type"] == "rung.alert.test"
    shown = api.ask("GET", "/alerts/channels")
    found = {one["name"]: one for one in shown.json()["channels"]}
    assert found["pager"]["signed"]
    assert (found["away"]["undelivered"], found["away"]["where"]) == (1, "http://127.0.0.1")
    for secret in (hooks.url, "s3cret-path", SECRET):
        assert secret not in shown.text
        assert secret not in json.dumps(made)


def test_owner_by_the_specification_is_told_in_place_of_who_trained(api: Api, hooks: Receiver):
    registry, place = api.platform.registry, api.platform.place
    name = registry.create_revision("tiny", 1, actor="ada", commit=None, dirty=False)
    tiny_service.write(place.source(name))
    alert = drift(registry, service="tiny", minor=name.minor, channels=())
    owners = owners_of_alert(alert, place=place, registry=registry)
    assert owners == ("engineering@example.org", "product@example.org")
    assert channels_for(place.workspace.settings(), alert, owners) == ("pager", "away", "grace.phone")


def test_word_that_an_alert_was_closed_reaches_its_owner(api: Api, hooks: Receiver):
    registry = api.platform.registry
    name = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    alert = drift(registry, channels=(), minor=name.minor)
    api.platform.alerts.say(alert.id, "closed", because="it is right", actor="bob")
    api.platform.loop.watch.outbox.look()
    until(lambda: [one for one in registry.deliveries() if one.channel == "ada.phone" and one.sent])
    assert {event["data"]["alert"]["ending"] for event in hooks.events} == {"closed by bob: it is right"}


def test_doctor_names_a_channel_that_does_not_work(api: Api):
    registry, place = api.platform.registry, api.platform.place
    (place.workspace.root / "pager.url").unlink()
    drift(registry, channels=("away",))
    api.platform.loop.watch.outbox.look()
    until(lambda: registry.undelivered("away")[0])
    _, away, _, pager = examine_channels(place, registry)
    assert (away.is_well, away.told) == (
        False,
        "1 notification was not told: its receiver does not answer (ConnectError)",
    )
    assert (pager.subject, pager.is_well) == ("channel pager", False)
    assert "pager.url of the channel pager cannot be read" in pager.told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a connection that httpx2 does not get
def test_alert_of_a_server_that_does_not_answer_has_an_owner(api: Api):
    registry, watch = api.platform.registry, api.platform.loop.watch
    name = registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        registry.move(name, state, because="for a test", actor="ada")
    attempt = registry.begin_promotion(name, actor="bob")
    promotion = next(one for one in registry.promotions() if one.id == attempt)
    registry.crown(promotion, because="it is better", warm_until=datetime.now(UTC))
    health = watch.pulse.feel()
    assert [one.name for one in health.unready] == [name, None]
    watch.pulse._away[name] = datetime.now(UTC) - timedelta(minutes=5)  # noqa: SLF001  as if time had passed
    watch.look_at_health()
    (alert,) = registry.alerts("housing")
    assert (alert.kind, alert.severity) == ("unready", "critical")
    assert alert.owner == "ada, who trained it; bob, who had it promoted"
    assert {one.channel for one in registry.deliveries()} == {"pager", "away", "ada.phone"}
    assert "incumbent, it is better" in alert.suspects[0]
    with open_registry(api.platform.place.workspace.state) as other:
        assert other.alerts("housing") == [alert]
