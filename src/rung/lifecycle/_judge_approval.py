"""The approval gate: enough people who may, and none of those who made or asked for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What somebody said about an attempt."""

    actor: str
    role: str
    """That they had in the service when they said it."""
    approves: bool
    """Or rejects."""
    because: str
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Who must approve an attempt, and until when."""

    needed: int
    """Different people."""
    roles: tuple[str, ...]
    """One of these each, the least first."""
    barred: tuple[str, ...]
    """Actors who may not: who deployed the revision, and who asked for its promotion."""
    deadline: timedelta
    """From when it began to wait."""

    @property
    def asked(self) -> str:
        """Say who is asked."""
        return f"{self.needed} {'person' if self.needed == 1 else 'people'} who may ({' or '.join(self.roles)})"


def judge_approvals(
    rule: ApprovalRule,
    given: Sequence[Approval],
    *,
    since: datetime,
    identities: Callable[[str], frozenset[str]],
) -> Verdict | None:
    """Judge what people said so far; None while it does not suffice.

    A rejection ends it, whoever of those who may said it. What was said too late does not count.

    Args:
        rule: Who must approve.
        given: What they said, in order.
        since: When it began to wait.
        identities: What an actor is known by; two who share one of these are the same person.
    """
    valid = [one for one in given if one.role in rule.roles and one.time <= since + rule.deadline]
    rejected = next((one for one in valid if not one.approves), None)
    if rejected is not None:
        return _verdict(VerdictKind.FAIL, f"rejected by {rejected.actor}: {rejected.because}", valid)
    counted = count_approvals(rule, valid, identities=identities)
    if len(counted) < rule.needed:
        return None
    told = "; ".join(f"{one.actor} ({one.role}): {one.because}" for one in counted)
    return _verdict(VerdictKind.PASS, f"approved by {told}", valid)


def count_approvals(
    rule: ApprovalRule, given: Sequence[Approval], *, identities: Callable[[str], frozenset[str]]
) -> list[Approval]:
    """Give the approvals that count: one of each person, none of those who are barred."""
    seen = frozenset[str]().union(*map(identities, rule.barred))
    counted = []
    for one in given:
        if one.role in rule.roles:
            known = identities(one.actor)
            if one.approves and not known & seen:
                counted.append(one)
            seen |= known
    return counted


def _verdict(kind: VerdictKind, because: str, given: Sequence[Approval]) -> Verdict:
    said = [
        {
            "actor": one.actor,
            "role": one.role,
            "approves": one.approves,
            "because": one.because,
            "time": one.time.isoformat(),
        }
        for one in given
    ]
    return Verdict(gate=Gate.APPROVAL, kind=kind, because=because, evidence={"given": said})
