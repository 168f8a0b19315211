"""Unit tests that write, unlike others: settings are a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from docs_pages import blocks

from rung.errors import WorkspaceError
from rung.settings import Policy, Settings, Team, read

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rung.toml"


def test_settings_have_defaults(path: Path):
    path.touch()
    assert read(path, {}) == Settings()


def test_settings_are_read(path: Path):
    path.write_text('gateway_port = 0\nregistry = "postgresql://db/rung"\n[services.housing]\npromotion = "approve"\n')
    found = read(path, {})
    assert (found.gateway_port, found.registry) == (0, "postgresql://db/rung")
    assert found.policy("housing") == Policy(promotion="approve")
    assert found.policy("sentiment") == Policy()


def test_environment_goes_before_the_file(path: Path):
    path.write_text('registry = "postgresql://one/rung"\n')
    found = read(path, {"RUNG_REGISTRY": "postgresql://me:secret@two/rung", "RUNG_STORAGE": "s3://bucket/rung"})
    assert (found.registry, found.storage) == ("postgresql://me:secret@two/rung", "s3://bucket/rung")


def test_slots_of_the_documentation_are_settings(path: Path):
    [block] = [block for block in blocks("toml") if block.page.name == "tuning.md"]
    path.write_text(block.text)
    found = read(path, {})
    assert found.training.slots == 4
    assert found.teams["pricing"] == Team(services=["housing", "parcels"], slots=2)
    assert found.teams["language"].burst


BAD = {
    "not TOML": (b"gateway_port: 1", "is not TOML", "mend that line"),
    "not text": (b"# gr\xf6sse", "is not TOML", "mend that line"),
    "unknown": (b"port = 1", "sets 'port'", "the settings are: gateway_port, control_port, keep_warm_s"),
    "unknown section": (b"[gateway]", "sets 'gateway'", "the settings are"),
    "unknown of alerts": (b"[alerts]\nquite_s = 5", "sets 'alerts.quite_s'", "the settings are: off, least_drift"),
    "unknown of a channel": (
        b"[alerts.channels.mail]\nto = 'x'",
        "sets 'alerts.channels.mail.to'",
        "the settings are: kind, url, url_file",
    ),
    "unknown of a service's alerts": (
        b"[services.housing.alerts]\nlook_every_s = 60",
        "sets 'services.housing.alerts.look_every_s'",
        "the settings are: off, least_drift",
    ),
    "alert that is no kind": (b"[alerts]\noff = ['rain']", "alerts.off.0 = 'rain'", "'drift'"),
    "unknown of a person": (
        b"[people.anna]\nto = 'x'\n[people.anna.channels.mail]",
        "sets 'people.anna.to'",
        "the settings are: also, channels",
    ),
    "unknown of a person's channel": (
        b"[people.anna.channels.mail]\nto = 'x'",
        "sets 'people.anna.channels.mail.to'",
        "the settings are: kind, url",
    ),
    "person without a channel": (b"[people.anna]\nalso = ['a@example.org']", "people.anna.channels", "required"),
    "two channels of one variable": (
        b"[alerts.channels.anna_mail]\n[people.anna.channels.mail]",
        "",
        "would have the variable RUNG_ALERT_URL_ANNA_MAIL",
    ),
    "channel that is not there": (b"[alerts]\ntell = ['fax']", "", "alerts.tell names 'fax'"),
    "unknown in a section": (b"[listen]\nport = 1", "sets 'listen.port'", "gateway, control, certificate, key"),
    "unknown in a policy": (b"[services.a]\nvotes = 1", "sets 'services.a.votes'", "promotion, approvals"),
    "unknown of a team": (b"[teams.a]\nservices = ['x']\nseats = 1", "sets 'teams.a.seats'", "services, slots, burst"),
    "two teams": (
        b"[teams.a]\nservices = ['x']\n[teams.b]\nservices = ['x']",
        "",
        "x is named twice in teams: a service is in one",
    ),
    "no slots": (b"[training]\nslots = 0", "training.slots = 0", "greater than or equal to 1"),
    "text": (b'gateway_port = "1"', "gateway_port = '1'", "valid integer"),
    "truth value": (b"gateway_port = true", "gateway_port = True", "valid integer"),
    "fraction": (b"keep_warm_s = 1.5", "keep_warm_s = 1.5", "valid integer"),
    "negative": (b"keep_warm_s = -1", "keep_warm_s = -1", "greater than or equal to 0"),
    "no such port": (b"control_port = 65536", "control_port = 65536", "less than or equal to 65535"),
    "another database": (b'registry = "mysql://db/rung"', "registry = 'mysql:", "it begins with postgresql://"),
    "another online store": (b'online_store = "memcached://host"', "online_store = 'memcached:", "redis://"),
    "another store": (b'storage = "https://bucket"', "storage = 'https:", "it is s3://BUCKET"),
    "lineage in the clear": (b'openlineage_url = "http://example.org/x"', "openlineage_url = 'http:", "it is https://"),
    "lineage with a key": (b'openlineage_url = "https://k@x.org/"', "openlineage_url = 'https:", "OPENLINEAGE_API_KEY"),
    "half a certificate": (b'[listen]\nkey = "k"', "listen", "certificate and key are set together"),
    "open without one": (b'[listen]\ngateway = "0.0.0.0"', "listen", "beyond loopback, set certificate and key"),
    "no address": (b'[listen]\ngateway = "example.org"', "listen.gateway = 'example.org'", "it is an IP address"),
    "unknown in a log": (b"[services.a.log]\nkeep = 1", "sets 'services.a.log.keep'", "drop, hash, retention_days"),
    "no field": (b'[services.a.log]\ndrop = ["owner"]', "services.a.log.drop.0 = 'owner'", "should match pattern"),
    "dropped and hashed": (b'[services.a.log]\ndrop = ["unit"]\nhash = ["unit"]', "services.a.log", "name it once"),
    "kept for no time": (b"[services.a.log]\nretention_days = 0", "retention_days = 0", "greater than or equal to 1"),
    "no policy": (b'[services.a]\npromotion = "yes"', "services.a.promotion = 'yes'", "'manual', 'approve' or 'auto'"),
}


@pytest.mark.parametrize(("content", "told", "hint"), BAD.values(), ids=BAD.keys())
def test_bad_settings_are_refused(path: Path, content: bytes, told: str, hint: str):
    path.write_bytes(content)
    with pytest.raises(WorkspaceError) as caught:
        read(path, {})
    assert told in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["registry", "online_store"])
@pytest.mark.parametrize("url", ["me:secret@db/rung", "me@db/rung?password=secret", "me@db/rung?sslpassword=secret"])
def test_password_in_the_file_is_refused(path: Path, name: str, url: str):
    path.write_text(f'{name} = "postgresql://{url}"\n')
    with pytest.raises(WorkspaceError, match=f"has a password in `{name}`") as caught:
        read(path, {})
    assert "secret" not in str(caught.value)


def test_secret_of_the_environment_is_not_told(path: Path):
    path.touch()
    with pytest.raises(WorkspaceError, match=r"RUNG_REGISTRY is not right: .*begins with postgresql") as caught:
        read(path, {"RUNG_REGISTRY": "mysql://me:secret@db/rung"})
    assert "secret" not in str(caught.value)
