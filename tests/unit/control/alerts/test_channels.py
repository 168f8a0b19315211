"""Where alerts are told, without a word of a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rung.control.alerts.channels import channels_for, open_channel
from rung.errors import WorkspaceError
from rung.registry import Alert
from rung.settings import Channel, Settings

ROOT, NOW = Path("/srv/shop"), datetime(2026, 11, 22, tzinfo=UTC)
SECRET_URL = "https://hooks.example.org/T0/s3cret"  # noqa: S105


def alert(severity: str = "warning", service: str = "housing") -> Alert:
    return Alert(
        id=1,
        service=service,
        major=1,
        minor=2,
        kind="drift",
        subject="rooms",
        against="training",
        severity=severity,
        because="rooms moved",
        owner="",
        suspects=(),
        next="",
        data={},
        opened=NOW,
        seen=NOW,
        times=1,
    )


def settings(**more: Any) -> Settings:
    channels = {"mail": {"kind": "apprise", "least": "critical"}, "pager": {"least": "info"}}
    return Settings.model_validate({"alerts": {"channels": channels}, **more})


def test_channels_take_what_is_bad_enough():
    assert channels_for(settings(), alert()) == ("pager",)
    assert channels_for(settings(), alert("critical")) == ("mail", "pager")


def test_service_names_its_channels():
    own = settings(services={"housing": {"alerts": {"tell": ["mail"]}}})
    assert channels_for(own, alert("critical")) == ("mail",)
    assert channels_for(own, alert("critical", "reviews")) == ("mail", "pager")


ANNA = {
    "also": ["Anna@example.org", "token:anna"],
    "channels": {"mail": {"kind": "apprise"}, "sms": {"least": "critical"}},
}
BOB = {"channels": {"mail": {}}}


@pytest.mark.parametrize(
    ("owners", "told"),
    [
        ([], ()),
        (["nobody@example.org"], ()),
        (["bob"], ("bob.mail",)),
        (["anna@example.org", "token:anna"], ("anna.mail",)),
        (["token:anna", "bob"], ("anna.mail", "bob.mail")),
    ],
    ids=["nobody answers", "a stranger", "by the name", "twice the same", "two people"],
)
def test_owners_are_told_beside_the_channels_of_all(owners: list[str], told: tuple[str, ...]):
    found = settings(people={"anna": ANNA, "bob": BOB})
    assert channels_for(found, alert(), owners) == ("pager", *told)


def test_channels_of_people_take_what_is_bad_enough_and_no_rule_of_a_service_keeps_them_out():
    found = settings(people={"anna": ANNA}, services={"housing": {"alerts": {"tell": []}}})
    assert channels_for(found, alert("critical"), ["token:anna"]) == ("anna.mail", "anna.sms")


def test_channel_of_a_person_has_its_own_variables():
    environment = {"RUNG_ALERT_URL_ANNA_MAIL": SECRET_URL}
    assert open_channel("anna.mail", Channel(), ROOT, environment).url == SECRET_URL
    with pytest.raises(WorkspaceError, match=r"anna.mail has no URL") as refused:
        open_channel("anna.mail", Channel(), ROOT, {})
    assert "RUNG_ALERT_URL_ANNA_MAIL" in refused.value.hint


def test_channel_that_is_not_there_is_refused():
    with pytest.raises(ValidationError, match="names 'fax', and there is no channel of that name"):
        settings(services={"housing": {"alerts": {"tell": ["fax"]}}})


def test_rules_of_a_service_take_the_place_of_those_of_all():
    found = settings(services={"housing": {"alerts": {"error_rate": 0.01}}})
    assert (found.rules("housing").error_rate, found.rules("reviews").error_rate) == (0.01, 0.05)
    assert found.rules("housing").quiet_s == found.alerts.quiet_s


def test_environment_goes_before_settings():
    declared = Channel(url="https://other.example.org")
    environment = {"RUNG_ALERT_URL_ON_CALL": SECRET_URL, "RUNG_ALERT_SECRET_ON_CALL": "x" * 24}
    channel = open_channel("on_call", declared, ROOT, environment)
    assert (channel.url, channel.secret, channel.source) == (SECRET_URL, "x" * 24, "/rung/shop")


def test_nothing_shows_a_url_or_a_secret():
    channel = open_channel("pager", Channel(url=SECRET_URL), ROOT, {"RUNG_ALERT_SECRET_PAGER": "y" * 24})
    assert channel.where == "https://hooks.example.org"
    assert "s3cret" not in repr(channel)
    assert "y" * 24 not in repr(channel)
    slack = open_channel("slack", Channel(kind="apprise", url="slack://T0/s3cret"), ROOT, {})
    assert slack.where == "slack://..."


@pytest.mark.parametrize("url", ["http://hooks.example.org/s3cret", "ftp://127.0.0.1/s3cret", "s3cret"])
def test_webhook_in_the_clear_is_refused_without_its_url(url: str):
    with pytest.raises(WorkspaceError, match="is not https://") as refused:
        open_channel("pager", Channel(url=url), ROOT, {})
    assert "s3cret" not in str(refused.value)


def test_channel_without_a_url_says_where_to_put_one():
    with pytest.raises(WorkspaceError, match=r"has no URL.*RUNG_ALERT_URL_PAGER"):
        open_channel("pager", Channel(), ROOT, {})


def test_file_that_is_not_there_is_named():
    with pytest.raises(WorkspaceError, match=r"pager.url of the channel pager cannot be read"):
        open_channel("pager", Channel(url_file="pager.url"), ROOT, {})


@pytest.mark.parametrize(
    "wrong",
    [{"url": "https://a", "url_file": "b"}, {"url": "https://me:s3cret@a"}, {"kind": "apprise", "secret_file": "x"}],
)
def test_settings_that_contradict_themselves_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError) as refused:
        Channel.model_validate(wrong)
    assert "[type=" in str(refused.value)
