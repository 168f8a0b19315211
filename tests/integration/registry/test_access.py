"""Tokens, approvals and the audit log in a real registry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError

from rung.access import Grant, NewToken, Role, Tokens, new_token
from rung.errors import ConflictError, NotFoundError
from rung.lifecycle import Gate, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.access import Token
    from rung.registry import Promotion, Registry

GRANTS = [Grant(role=Role.ENGINEER, service="housing"), Grant(role=Role.VIEWER)]
SOON = datetime.now(UTC) + timedelta(hours=1)
POLICY = {"promotion": "approve", "approvals": 1, "approvers": "approver", "approval_deadline_s": 60}


@pytest.fixture(scope="module")
def made() -> NewToken:
    return new_token()


@pytest.fixture
def token(registry: Registry, made: NewToken) -> Token:
    return registry.create_token(made, name="ci", grants=GRANTS, expires=SOON, actor="ada", because="for the builds")


@pytest.fixture
def waiting(registry: Registry, candidate: Callable) -> Promotion:
    name = candidate()
    registry.begin_promotion(name, actor="ada", policy=POLICY)
    registry.await_approval(registry.promotions()[0], because="somebody must look at it")
    return registry.promotions()[0]


def test_token_is_kept_without_its_secret(registry: Registry, made: NewToken, token: Token):
    assert registry.tokens() == [token] == [registry.token(made.id)]
    assert (token.name, token.grants, token.actor, token.revoked) == ("ci", tuple(GRANTS), "ada", None)
    assert token.expires == SOON
    told = str([*registry.events(), *registry.audit(limit=9)])
    assert "for the builds" in told
    assert made.spelled[22:] not in told
    assert made.hash not in told


def test_revoked_token_opens_nothing_at_once(registry: Registry, made: NewToken, token: Token):
    tokens = Tokens(registry.token)
    assert tokens.actor(made.spelled, datetime.now(UTC)) is not None
    registry.revoke_token(token.id, actor="eve", because="ci is gone")
    with pytest.raises(Exception, match="was revoked"):
        tokens.actor(made.spelled, datetime.now(UTC))
    with pytest.raises(ConflictError, match="was revoked before"):
        registry.revoke_token(token.id, actor="eve", because="again")
    last = registry.audit(limit=1)[0]
    assert (last.kind, last.actor, last.because, last.subject) == ("token_revoked", "eve", "ci is gone", "*")


def test_one_name_has_one_token(registry: Registry, token: Token):
    order = {"name": "ci", "grants": GRANTS, "expires": SOON, "actor": "ada", "because": "more"}
    with pytest.raises(ConflictError, match="there is a token of ci already"):
        registry.create_token(new_token(), **order)
    registry.revoke_token(token.id, actor="ada", because="renewed")
    assert registry.create_token(new_token(), **order).id != token.id


def test_unknown_token_is_told(registry: Registry):
    assert registry.token("0" * 16) is None
    with pytest.raises(NotFoundError, match="there is no token"):
        registry.revoke_token("0" * 16, actor="ada", because="why not")


def test_attempt_keeps_its_policy(registry: Registry, waiting: Promotion):
    assert waiting.policy == POLICY
    assert (waiting.gate, registry.revision(waiting.revision).state) == (Gate.APPROVAL, State.AWAITING_APPROVAL)
    begun = next(event for event in registry.events() if event.kind == "testing")
    assert begun.data["policy"] == POLICY


def test_opinions_are_kept_in_order(registry: Registry, waiting: Promotion):
    registry.approve(waiting, actor="token:bob", role="approver", approves=True, because="it is good")
    registry.approve(waiting, actor="token:bob", role="approver", approves=False, because="it is not")
    given = registry.approvals(waiting)
    assert [(one.actor, one.role, one.approves, one.because) for one in given] == [
        ("token:bob", "approver", True, "it is good"),
        ("token:bob", "approver", False, "it is not"),
    ]
    last = registry.audit(actor="token:bob", limit=9)
    assert [(event.kind, event.because) for event in last] == [("approved", "it is good"), ("rejected", "it is not")]


def test_nobody_says_the_same_twice(registry: Registry, waiting: Promotion):
    registry.approve(waiting, actor="token:bob", role="approver", approves=True, because="it is good")
    with pytest.raises(ConflictError, match=r"token:bob has approved housing\.v1\.m0 before"):
        registry.approve(waiting, actor="token:bob", role="approver", approves=True, because="it really is")
    assert len(registry.approvals(waiting)) == 1


def test_ended_attempt_takes_no_opinions(registry: Registry, waiting: Promotion):
    registry.reject(waiting, because="too late", actor="ada")
    with pytest.raises(ConflictError, match="does not wait for approval"):
        registry.approve(waiting, actor="token:bob", role="approver", approves=True, because="it is good")
    assert registry.audit(actor="ada", limit=1)[0].kind == State.TORN_DOWN


def test_untried_is_who_had_no_chance(registry: Registry, candidate: Callable, waiting: Promotion):
    fresh, torn_down = candidate(), candidate()
    registry.move(torn_down, State.TORN_DOWN, because="by hand", actor="ada")
    registry.move(torn_down, State.CANDIDATE, because="revived", actor="ada")
    assert registry.is_untried(fresh)
    assert not registry.is_untried(torn_down)
    assert not registry.is_untried(waiting.revision)


def test_audit_gives_the_newest_in_order(registry: Registry, candidate: Callable):
    candidate()
    before = datetime.now(UTC)
    registry.record_event("note", "sentiment", because="one", actor="bob")
    registry.record_event("note", "sentiment.v1", because="two", actor="eve")
    assert [event.because for event in registry.audit(limit=2)] == ["one", "two"]
    assert [event.because for event in registry.audit(since=before, limit=9)] == ["one", "two"]
    assert [event.because for event in registry.audit(actor="bob", limit=9)] == ["one"]
    assert {event.actor for event in registry.audit(service="housing", limit=99)} == {"ada"}


@pytest.mark.parametrize("statement", ["UPDATE approvals SET approves = approves", "DELETE FROM approvals"])
def test_opinions_cannot_be_changed(registry: Registry, waiting: Promotion, statement: str):
    registry.approve(waiting, actor="token:bob", role="approver", approves=True, because="it is good")
    before = registry.approvals(waiting)
    with pytest.raises(DBAPIError, match="are append-only"), registry._engine.begin() as connection:  # noqa: SLF001
        connection.exec_driver_sql(statement)
    assert registry.approvals(waiting) == before
