"""A control plane that others can reach: TLS or nothing, and a CLI elsewhere with a token or a login."""

from __future__ import annotations

import json
import os
import ssl
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import certificates
import httpx2
import pytest
from live_platform import LivePlatform, live_platform
from login_provider import CLIENT, LoginProvider, login_provider

from rung.control._encryption import trust_exactly
from rung.control.api.door import _is_near

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRONG = {"RUNG_TOKEN": "rung_x"}
HOST = "127.0.0.2"
"""Not what Rung takes for loopback, and yet on this machine."""


@pytest.fixture(scope="module")
def provider() -> Iterator[LoginProvider]:
    with login_provider() as running:
        yield running


@pytest.fixture(scope="module")
def platform(provider: LoginProvider) -> Iterator[LivePlatform]:
    with live_platform() as platform:
        certificates.write(platform.root / "chain.pem", platform.root / "key.pem", addresses=("127.0.0.1", HOST))
        settings = platform.root / "rung.toml"
        settings.write_text(
            f'{settings.read_text()}\n[listen]\ncontrol = "{HOST}"\ncertificate = "chain.pem"\nkey = "key.pem"\n'
            f'[login]\nissuer = "{provider.issuer}"\naudience = "{CLIENT}"\nroles = {{ ml = "engineer" }}\n'
        )
        platform.rung("up", "--detach")
        yield platform


def elsewhere(platform: LivePlatform, *words: str, expect: int = 0, **variables: str) -> Any:
    """Type a command in a folder that is no workspace, as a user with a home of their own; give its JSON."""
    ended = subprocess.run(
        [sys.executable, "-m", "rung.cli", "--control", platform.address.url, *words, "--json"],
        cwd=platform.folder,
        env={**platform.environment, "XDG_CONFIG_HOME": str(platform.folder / "config"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == expect, ended.stdout + ended.stderr
    return json.loads(ended.stdout)


def trusted(platform: LivePlatform) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(platform.root / "chain.pem")}


def token(platform: LivePlatform, name: str, role: str) -> str:
    made: str = platform.ask("token", "create", name, "--role", role)["token"]
    return made


def test_owner_needs_nothing_more(platform: LivePlatform):
    assert platform.address.url.startswith(f"https://{HOST}:")
    assert platform.ask("status")["services"] == []
    assert stat.S_IMODE(platform.place.address_file.stat().st_mode) == 0o600


def test_token_opens_it_from_elsewhere(platform: LivePlatform):
    secret = token(platform, "ci", "viewer")
    assert elsewhere(platform, "status", RUNG_TOKEN=secret, **trusted(platform))["services"] == []
    file = platform.folder / "token"
    file.write_text(f"{secret}\n")
    audited = elsewhere(platform, "audit", RUNG_TOKEN_FILE=str(file), **trusted(platform))
    assert next(event["kind"] for event in audited if event["actor"] != "rung") == "token"
    error = elsewhere(platform, "token", "list", expect=2, RUNG_TOKEN=secret, **trusted(platform))["error"]
    assert error["code"] == "not_allowed"


def test_certificate_must_be_trusted(platform: LivePlatform):
    error = elsewhere(platform, "status", expect=3, **WRONG)["error"]
    assert "certificate verify failed" in error["message"].lower()
    assert "SSL_CERT_FILE" in error["hint"]


def test_missing_token_is_told(platform: LivePlatform):
    error = elsewhere(platform, "status", expect=2, **trusted(platform))["error"]
    assert error["code"] == "not_authenticated"
    assert f"rung login {platform.address.url}" in error["hint"]


def test_nobody_speaks_without_encryption(platform: LivePlatform):
    with pytest.raises(httpx2.TransportError):
        httpx2.get(platform.address.url.replace("https:", "http:") + "/healthz", verify=False)
    old = trust_exactly(platform.root / "chain.pem")
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(platform.address.url + "/healthz", verify=old)


def test_another_certificate_is_not_trusted_at_home(platform: LivePlatform, tmp_path: Path):
    certificates.write(tmp_path / "chain.pem", tmp_path / "key.pem", addresses=(HOST,))
    with pytest.raises(httpx2.ConnectError, match="certificate verify failed"):
        httpx2.get(platform.address.url + "/healthz", verify=trust_exactly(tmp_path / "chain.pem"))


def test_login_opens_it_from_elsewhere(platform: LivePlatform, provider: LoginProvider):
    provider.answers = [{"error": "authorization_pending"}, {"id_token": provider.token(), "expires_in": 600}]
    me = elsewhere(platform, "login", **trusted(platform))
    assert me == {"actor": "login:ada@example.org", "grants": [{"role": "engineer", "service": "*"}]}
    assert elsewhere(platform, "status", **trusted(platform))["services"] == []
    file = platform.folder / "config" / "rung" / "logins.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_login_is_renewed_before_it_is_over(platform: LivePlatform, provider: LoginProvider):
    soon = {"id_token": provider.token(), "expires_in": 30, "refresh_token": "again"}
    provider.answers = [soon, {"id_token": provider.token(), "expires_in": 600}]
    elsewhere(platform, "login", platform.address.url, **trusted(platform))
    assert provider.renewals[-1] == "again"


@pytest.mark.parametrize("url", ["http://rung.example.org:4700", "rung.example.org", "ftp://127.0.0.1"])
def test_tokens_do_not_travel_in_the_clear(tmp_path: Path, url: str):
    ended = subprocess.run(
        [sys.executable, "-m", "rung.cli", "--control", url, "status"],
        cwd=tmp_path,
        env={**os.environ, **WRONG},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "write https://" in ended.stderr


@pytest.mark.parametrize("token", ["two words", "größe", "a\nb", " "])
def test_strange_tokens_are_not_sent(platform: LivePlatform, token: str):
    error = elsewhere(platform, "status", expect=2, RUNG_TOKEN=token, **trusted(platform))["error"]
    assert error["message"] == "what RUNG_TOKEN gives is no token"


def test_names_may_have_any_letters(platform: LivePlatform):
    made = subprocess.run(
        [sys.executable, "-m", "rung.cli", "token", "create", "letters", "--role", "viewer", "--json"],
        cwd=platform.root,
        env={**platform.environment, "RUNG_USER": "jürgen"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(made.stdout)["actor"] == "jürgen"


@pytest.mark.parametrize("broken", ["chain.pem", "key.pem"])
def test_files_that_do_not_fit_are_refused(tmp_path: Path, broken: str):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    certificates.write(tmp_path / "chain.pem", tmp_path / "key.pem", addresses=(HOST,))
    (tmp_path / broken).write_text("nothing")
    settings = f'[listen]\ncontrol = "{HOST}"\ncertificate = "chain.pem"\nkey = "key.pem"\n'
    (tmp_path / "rung.toml").write_text(f"gateway_port = 0\ncontrol_port = 0\n{settings}")
    ended = subprocess.run(
        [sys.executable, "-m", "rung.control"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 2
    assert "cannot be used" in ended.stderr
    assert not (tmp_path / ".rung" / "control.json").exists()


@pytest.mark.parametrize(
    ("peer", "host", "near"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::", True),
        ("10.0.0.5", "10.0.0.5", True),
        ("10.0.0.6", "10.0.0.5", False),
        ("::ffff:10.0.0.6", "10.0.0.5", False),
        ("", "", False),
        ("testclient", "testserver", False),
    ],
)
def test_owners_token_is_good_at_home_only(peer: str, host: str, near: bool):
    assert _is_near(peer, host) is near
