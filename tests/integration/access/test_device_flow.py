"""`rung login`, from the code to the file that keeps it."""

from __future__ import annotations

import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import jwt
import pytest
from login_provider import CLIENT, LoginProvider, login_provider

from rung.access import begin_login, end_login, find_provider, forget_session, keep_session, read_session, renewed
from rung.errors import NotAuthenticatedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.access import Session

CONTROL = "https://rung.example.org:4700"


@pytest.fixture
def provider() -> Iterator[LoginProvider]:
    with login_provider() as running:
        yield running


def log_in(provider: LoginProvider) -> Session:
    found = find_provider(provider.issuer, CLIENT)
    waits: list[float] = []
    session = end_login(found, begin_login(found), sleep=waits.append)
    assert all(wait > 0 for wait in waits)
    return session


def test_confirmed_code_is_a_login(provider: LoginProvider):
    pending = {"error": "authorization_pending"}
    right = {"id_token": provider.token(), "expires_in": 600}
    provider.answers = [pending, {"error": "slow_down"}, pending, right]
    session = log_in(provider)
    assert jwt.decode(session.token, options={"verify_signature": False})["sub"] == "ada-17"
    assert session.renewal is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "access_denied", "error_description": "ada said no"}, "refused the login .ada said no"),
        ({"error": "expired_token"}, "refused the login .expired_token"),
        ({"access_token": "only this"}, "gave no ID token"),
        ({"error": "authorization_pending"}, "nobody confirmed the login in time"),
    ],
    ids=["denied", "expired", "without an ID token", "never confirmed"],
)
def test_other_answers_are_none(provider: LoginProvider, answer: dict[str, str], told: str):
    provider.answers = [answer]
    with pytest.raises(NotAuthenticatedError, match=told):
        log_in(provider)


def test_unknown_client_is_refused(provider: LoginProvider):
    with pytest.raises(NotAuthenticatedError, match="refused the login"):
        begin_login(find_provider(provider.issuer, "another"))


def test_login_is_renewed(provider: LoginProvider):
    session = log_in(provider)
    assert session.renewal == "again"
    newer = renewed(session)
    assert newer is not None
    assert newer.renewal == "again"
    assert provider.renewals == ["again"]
    provider.answers = [{"error": "invalid_grant"}]
    assert renewed(newer) is None


def test_provider_that_is_away_is_told(provider: LoginProvider):
    provider.is_down = True
    with pytest.raises(UnavailableError, match="does not answer"):
        find_provider(provider.issuer, CLIENT)


def test_login_is_the_owners_alone(provider: LoginProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert read_session(CONTROL) is None
    session = log_in(provider)
    keep_session(CONTROL, session)
    keep_session("https://other.example.org", session)
    assert read_session(CONTROL) == session
    path = tmp_path / "config" / "rung" / "logins.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert forget_session(CONTROL)
    assert not forget_session(CONTROL)
    assert read_session("https://other.example.org") == session


def test_platform_on_loopback_loads_none_of_it():
    told = "import sys, rung.control.__main__; print({'argon2', 'jwt'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"
