"""Who must approve, and what counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rung.access import identities
from rung.lifecycle import Approval, ApprovalRule, Gate, Verdict, VerdictKind, count_approvals, judge_approvals

SINCE = datetime(2030, 1, 1, 12, tzinfo=UTC)
RULE = ApprovalRule(needed=2, roles=("approver", "admin"), barred=("ada", "token:carol"), deadline=timedelta(hours=1))


def said(actor: str, *, role: str = "approver", approves: bool = True, minutes: float = 1) -> Approval:
    time = SINCE + timedelta(minutes=minutes)
    return Approval(actor=actor, role=role, approves=approves, because=f"{actor} thinks so", time=time)


def judged(*given: Approval) -> Verdict | None:
    return judge_approvals(RULE, given, since=SINCE, identities=identities)


WAITS = {
    "nobody": (),
    "one of two": (said("token:bob"),),
    "the same twice": (said("token:bob"), said("token:bob")),
    "the same by two ways": (said("token:bob"), said("login:Bob@example.org")),
    "who deployed it": (said("token:bob"), said("ada")),
    "who deployed it, by a token": (said("token:bob"), said("token:ada")),
    "who deployed it, under another name": (said("token:bob"), said("dave")),
    "who asked for it": (said("token:bob"), said("login:carol@example.org")),
    "too low a role": (said("token:bob"), said("token:eve", role="engineer")),
    "too late": (said("token:bob"), said("token:eve", minutes=60.1)),
    "rejected too late": (said("token:bob"), said("token:eve", approves=False, minutes=61)),
    "rejected by too low a role": (said("token:bob"), said("token:eve", approves=False, role="viewer")),
}


@pytest.mark.parametrize("given", WAITS.values(), ids=WAITS.keys())
def test_too_little_keeps_it_waiting(given: tuple[Approval, ...]):
    assert judged(*given) is None


def test_two_others_pass_it():
    verdict = judged(said("token:bob"), said("login:eve@example.org", role="admin", minutes=60))
    assert verdict is not None
    assert (verdict.gate, verdict.kind) == (Gate.APPROVAL, VerdictKind.PASS)
    assert verdict.because == (
        "approved by token:bob (approver): token:bob thinks so; "
        "login:eve@example.org (admin): login:eve@example.org thinks so"
    )
    assert verdict.evidence["given"][0] == {
        "actor": "token:bob",
        "role": "approver",
        "approves": True,
        "because": "token:bob thinks so",
        "time": "2030-01-01T12:01:00+00:00",
    }


@pytest.mark.parametrize(
    "who", ["token:eve", "token:bob", "ada"], ids=["another", "who approved it", "who deployed it"]
)
def test_one_rejection_ends_it(who: str):
    verdict = judged(said("token:bob"), said("token:fred"), said(who, approves=False))
    assert verdict is not None
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.because == f"rejected by {who}: {who} thinks so"


def test_counted_are_those_who_may():
    given = [said("ada"), said("token:bob"), said("token:bob"), said("token:eve", role="engineer")]
    assert [one.actor for one in count_approvals(RULE, given, identities=identities)] == ["token:bob"]


def test_rule_says_who_is_asked():
    assert RULE.asked == "2 people who may (approver or admin)"
    one = ApprovalRule(needed=1, roles=("admin",), barred=(), deadline=timedelta(1))
    assert one.asked == "1 person who may (admin)"
