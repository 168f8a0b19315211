from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rung.access import Grant, Kind, NewToken, Role, Token, Tokens, new_token
from rung.errors import NotAuthenticatedError

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> NewToken:
    return new_token()


@pytest.fixture
def row(made: NewToken) -> Token:
    grants = (Grant(role=Role.ENGINEER, service="housing"),)
    expires = NOW + timedelta(days=1)
    return Token(id=made.id, name="ci", grants=grants, created=NOW, expires=expires, actor="ada", hash=made.hash)


class Rows:
    """The registry's table, and how often it was asked."""

    def __init__(self, row: Token) -> None:
        self.row = row

    def __call__(self, identity: str) -> Token | None:
        return self.row if identity == self.row.id else None


def test_token_tells_whose_it_is(made: NewToken, row: Token):
    actor = Tokens(Rows(row)).actor(made.spelled, NOW)
    assert actor is not None
    assert (actor.name, actor.kind, actor.grants) == ("ci", Kind.TOKEN, row.grants)


def test_secret_is_kept_nowhere(made: NewToken, row: Token):
    secret = made.spelled.rpartition(f"{made.id}_")[2]
    assert len(secret) >= 43
    assert secret not in made.hash
    assert row.hash.startswith("$argon2id$")
    assert secret not in repr(made) + repr(row)
    assert row.hash not in repr(row)


def wrong(made: NewToken) -> dict[str, str]:
    other = "A" if made.spelled[-1] != "A" else "B"
    return {
        "another secret": made.spelled[:-1] + other,
        "another id": made.spelled.replace(made.id, "0" * 16),
        "no secret": f"rung_{made.id}_",
        "the hash": f"rung_{made.id}_{made.hash}",
        "longer": made.spelled + "A",
        "a line more": made.spelled + "\n",
        "nothing": "",
    }


@pytest.mark.parametrize("name", wrong(NewToken(id="", spelled="A", hash="")))
def test_other_tokens_are_wrong(made: NewToken, row: Token, name: str):
    with pytest.raises(NotAuthenticatedError, match="the token is wrong") as caught:
        Tokens(Rows(row)).actor(wrong(made)[name], NOW)
    assert made.spelled[25:] not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"revoked": NOW}, "was revoked"),
        ({"expires": NOW}, "was valid until 2030-01-01 00:00:00 UTC"),
    ],
    ids=["revoked", "expired"],
)
def test_ended_tokens_open_nothing(made: NewToken, row: Token, change: dict, told: str):
    rows = Rows(row)
    tokens = Tokens(rows)
    assert tokens.actor(made.spelled, NOW) is not None
    rows.row = replace(row, **change)
    with pytest.raises(NotAuthenticatedError, match=told):
        tokens.actor(made.spelled, NOW)


def test_ended_token_is_told_to_its_owner_only(made: NewToken, row: Token):
    tokens = Tokens(Rows(replace(row, revoked=NOW)))
    with pytest.raises(NotAuthenticatedError, match="the token is wrong"):
        tokens.actor(wrong(made)["another secret"], NOW)


def test_verified_token_is_remembered_for_a_while(made: NewToken, row: Token):
    now = 0.0
    tokens = Tokens(Rows(row), clock=lambda: now)
    assert tokens.actor(made.spelled, NOW, may_verify=False) is None
    tokens.actor(made.spelled, NOW)
    assert tokens.actor(made.spelled, NOW, may_verify=False) is not None
    now = 301.0
    assert tokens.actor(made.spelled, NOW, may_verify=False) is None


def test_nothing_wrong_is_remembered(made: NewToken, row: Token):
    tokens = Tokens(Rows(row))
    for _ in range(2):
        with pytest.raises(NotAuthenticatedError):
            tokens.actor(wrong(made)["another secret"], NOW)
    assert tokens.actor(wrong(made)["another secret"], NOW, may_verify=False) is None
    assert made.spelled.encode() not in b"".join(tokens._remembered)  # noqa: SLF001  what is remembered
