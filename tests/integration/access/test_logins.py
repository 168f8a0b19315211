"""ID tokens, right ones and forged ones, against a provider that runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from login_provider import CLIENT, Key, LoginProvider, login_provider

from rung.access import Grant, Kind, Logins, Role
from rung.errors import NotAuthenticatedError, UnavailableError
from rung.settings import Login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[LoginProvider]:
    with login_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: LoginProvider) -> LoginProvider:
    running.keys, running.asked, running.is_down = [Key("one")], 0, False
    return running


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def logins(provider: LoginProvider, clock: Clock | None = None) -> Logins:
    login = Login(issuer=provider.issuer, audience=CLIENT, roles={"ml": "engineer", "risk": "approver"})
    return Logins(login, clock=clock or Clock())


def test_login_tells_who_somebody_is(provider: LoginProvider):
    actor = logins(provider).actor(provider.token(groups=["ml", "others", 7]))
    assert (actor.name, actor.kind) == ("ada@example.org", Kind.LOGIN)
    assert actor.grants == (Grant(role=Role.ENGINEER),)


@pytest.mark.parametrize(
    ("groups", "roles"),
    [(None, []), ([], []), ("risk", ["approver"]), (["ml", "risk"], ["engineer", "approver"]), ({"ml": 1}, [])],
    ids=str,
)
def test_groups_give_the_roles(provider: LoginProvider, groups: Any, roles: list[str]):
    assert [grant.role for grant in logins(provider).actor(provider.token(groups=groups)).grants] == roles


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"email_verified": False}, "ada-17"),
        ({"email_verified": "true"}, "ada-17"),
        ({"email": None}, "ada-17"),
        ({"email": "ada\n@example.org"}, "ada-17"),
        ({"preferred_username": "admin"}, "ada@example.org"),
    ],
    ids=str,
)
def test_only_proven_names_are_believed(provider: LoginProvider, changes: dict[str, Any], name: str):
    assert logins(provider).actor(provider.token(**changes)).name == name


WRONG: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "made for another client": {"aud": [CLIENT, "another"], "azp": "another"},
    "another issuer": {"iss": "https://elsewhere.example.org"},
    "no issuer": {"iss": None},
    "for ever": {"exp": None},
    "no subject": {"sub": None},
    "a subject of two lines": {"sub": "a\nb", "email": None},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_wrong_claims_are_refused(provider: LoginProvider, changes: dict[str, Any]):
    with pytest.raises(NotAuthenticatedError, match="the login is not valid"):
        logins(provider).actor(provider.token(**changes))


@pytest.mark.parametrize(("claim", "seconds"), [("exp", -60), ("nbf", 600), ("iat", 86_400)])
def test_tokens_of_another_time_are_refused(provider: LoginProvider, claim: str, seconds: int):
    with pytest.raises(NotAuthenticatedError, match="the login is not valid"):
        logins(provider).actor(provider.token(**{claim: int(time.time()) + seconds}))


def test_clocks_may_differ_a_little(provider: LoginProvider):
    assert logins(provider).actor(provider.token(exp=int(time.time()) - 10)).name == "ada@example.org"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def spelled(part: dict[str, Any]) -> str:
    return encoded(json.dumps(part).encode())


def body(provider: LoginProvider) -> str:
    """Give claims that the provider never signed."""
    return spelled(provider.claims(groups=["risk"]))


def unsigned(provider: LoginProvider, algorithm: str) -> str:
    return f"{spelled({'alg': algorithm, 'typ': 'JWT', 'kid': 'one'})}.{body(provider)}."


def signed_with_the_public_key(provider: LoginProvider) -> str:
    signed = f"{spelled({'alg': 'HS256', 'typ': 'JWT', 'kid': 'one'})}.{body(provider)}"
    return f"{signed}.{encoded(hmac.new(provider.keys[0].public_pem, signed.encode(), hashlib.sha256).digest())}"


def signed(provider: LoginProvider, key: Key, **headers: Any) -> str:
    return jwt.encode(provider.claims(), key.private, algorithm=key.algorithm, headers=headers)


def with_head(provider: LoginProvider, head: str) -> str:
    return ".".join([head, *provider.token().split(".")[1:]])


FORGED: dict[str, Callable[[LoginProvider], str]] = {
    "changed claims": lambda one: ".".join([one.token().split(".")[0], body(one), one.token().split(".")[2]]),
    "no signature": lambda one: one.token().rpartition(".")[0] + ".",
    "alg none": lambda one: unsigned(one, "none"),
    "alg None": lambda one: unsigned(one, "None"),
    "the public key as a secret": signed_with_the_public_key,
    "another's key under its name": lambda one: signed(one, Key("one"), kid="one"),
    "an unknown key": lambda one: signed(one, Key("unheard"), kid="unheard"),
    "no name of a key": lambda one: signed(one, one.keys[0]),
    "a key in the header": lambda one: signed(one, OWN, kid="own", jwk=OWN.shown),
    "another algorithm": lambda one: signed(one, Key("one", "ES256"), kid="one"),
    "a header that is nested deeply": lambda one: with_head(
        one, encoded(b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}")
    ),
    "no JSON": lambda one: with_head(one, "a"),
}
OWN = Key("own")


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_forged_logins_are_refused(provider: LoginProvider, forged: Callable[[LoginProvider], str]):
    with pytest.raises(NotAuthenticatedError, match="the login is not valid"):
        logins(provider).actor(forged(provider))


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
def test_other_signatures_are_right_too(provider: LoginProvider, algorithm: str):
    provider.keys = [Key("two", algorithm)]
    assert logins(provider).actor(provider.token()).name == "ada@example.org"


def test_keys_are_remembered(provider: LoginProvider):
    known = logins(provider)
    for _ in range(5):
        known.actor(provider.token())
    assert provider.asked == 1


def test_new_key_is_found_at_once(provider: LoginProvider):
    known = logins(provider)
    known.actor(provider.token())
    provider.keys.insert(0, Key("two"))
    assert known.actor(provider.token()).name == "ada@example.org"
    assert provider.asked == 2


def test_removed_key_opens_nothing_once_it_is_known(provider: LoginProvider):
    known, old = logins(provider), provider.token()
    known.actor(old)
    provider.keys = [Key("two")]
    known.actor(provider.token())
    with pytest.raises(NotAuthenticatedError, match="no such key"):
        known.actor(old)


def test_unknown_keys_do_not_flood_the_provider(provider: LoginProvider):
    clock = Clock()
    known = logins(provider, clock)
    for _ in range(20):
        with pytest.raises(NotAuthenticatedError, match="no such key"):
            known.actor(FORGED["an unknown key"](provider))
    assert provider.asked == 2
    clock.now += 11
    with pytest.raises(NotAuthenticatedError):
        known.actor(FORGED["an unknown key"](provider))
    assert provider.asked == 3


def test_provider_that_is_away_is_told_apart(provider: LoginProvider):
    clock = Clock()
    known = logins(provider, clock)
    provider.is_down = True
    for _ in range(2):
        with pytest.raises(UnavailableError, match="does not answer"):
            known.actor(provider.token())
    provider.is_down = False
    with pytest.raises(UnavailableError):
        known.actor(provider.token())
    clock.now += 11
    assert known.actor(provider.token()).name == "ada@example.org"


def test_provider_without_encryption_is_not_asked():
    login = Login(issuer="http://login.example.org", audience=CLIENT)
    with pytest.raises(UnavailableError, match="is not asked without TLS"):
        Logins(login).actor(jwt.encode({}, "k" * 32, headers={"kid": "one"}))


def test_other_issuer_is_not_believed(provider: LoginProvider):
    login = Login(issuer=provider.issuer + "/", audience=CLIENT)
    with pytest.raises(UnavailableError, match=r"not of 'http://127\.0\.0\.1"):
        Logins(login).actor(provider.token())
