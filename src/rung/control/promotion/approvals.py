"""Approvals: what a service's policy asks of people, and what they said about an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rung.access import Role, from_role, identities, role_in
from rung.errors import ConflictError, NotAllowedError
from rung.lifecycle import ApprovalFacts, ApprovalRule, Gate, count_approvals, judge_approvals

if TYPE_CHECKING:
    from rung.access import Actor
    from rung.lifecycle import Approval, Verdict
    from rung.registry import Promotion, Registry
    from rung.schema import RevisionName


@dataclass(frozen=True, slots=True)
class Approvals:
    """Asks people about attempts whose policy wants it."""

    registry: Registry

    def facts(self, promotion: Promotion) -> ApprovalFacts | None:
        """Tell who must approve an attempt; None when nobody must."""
        rule = self._rule(promotion)
        if rule is None:
            return None
        counted = count_approvals(rule, self.registry.approvals(promotion), identities=identities)
        return ApprovalFacts(asked=rule.asked, progress=_progress(rule, counted), deadline=rule.deadline)

    def look(self, promotion: Promotion) -> Verdict | None:
        """Judge what people said so far; None while it does not suffice."""
        rule = self._rule(promotion)
        if rule is None or promotion.gate_since is None:
            return None
        given = self.registry.approvals(promotion)
        return judge_approvals(rule, given, since=promotion.gate_since, identities=identities)

    def say(self, name: RevisionName, *, approves: bool, because: str, actor: Actor) -> None:
        """Keep that somebody approved the attempt of a revision, or rejected it.

        Raises:
            ConflictError: It does not wait for approval, its deadline is over, or they have said the same before.
            NotAllowedError: Their role does not suffice, or they would approve their own.
        """
        promotion = self._waiting(name)
        rule = self._rule(promotion)
        if rule is None or promotion.gate_since is None:
            raise _not_waiting(name)
        if datetime.now(UTC) > promotion.gate_since + rule.deadline:
            raise ConflictError(f"the deadline of {name} is over", hint="another promotion may be asked for")
        role = role_in(actor.grants, name.service)
        if role is None or role not in rule.roles:
            wanted = " or ".join(rule.roles)
            raise NotAllowedError(
                f"{actor} is {role or 'nobody'} of {name.service}", hint=f"its policy asks for {wanted}"
            )
        if approves:
            self._check_own(promotion, rule, actor)
        self.registry.approve(promotion, actor=str(actor), role=role, approves=approves, because=because)

    def shown(self, promotion: Promotion) -> dict[str, Any] | None:
        """Tell how far the approval of an attempt is, as JSON data; None while it does not wait for it."""
        rule = self._rule(promotion)
        if rule is None or promotion.gate != Gate.APPROVAL or promotion.gate_since is None:
            return None
        given = self.registry.approvals(promotion)
        counted = count_approvals(rule, given, identities=identities)
        return {
            "needed": rule.needed,
            "roles": list(rule.roles),
            "barred": list(rule.barred),
            "until": (promotion.gate_since + rule.deadline).isoformat(),
            "given": [{"actor": one.actor, "role": one.role, "because": one.because} for one in counted],
            "told": f"it waits for {rule.asked}, not {' or '.join(rule.barred)}; {_progress(rule, counted)}",
        }

    def _rule(self, promotion: Promotion) -> ApprovalRule | None:
        """Read the policy that the attempt began with: a later change of the settings does not change it."""
        policy = promotion.policy or {}
        if policy.get("promotion") != "approve":
            return None
        deployed_by = self.registry.revision(promotion.revision).actor
        return ApprovalRule(
            needed=policy["approvals"],
            roles=tuple(map(str, from_role(Role(policy["approvers"])))),
            barred=tuple(dict.fromkeys((deployed_by, promotion.actor))),
            deadline=timedelta(seconds=policy["approval_deadline_s"]),
        )

    def _waiting(self, name: RevisionName) -> Promotion:
        self.registry.revision(name)
        for promotion in self.registry.promotions(name.service, active_only=True):
            if promotion.revision == name and promotion.gate == Gate.APPROVAL:
                return promotion
        raise _not_waiting(name)

    def _check_own(self, promotion: Promotion, rule: ApprovalRule, actor: Actor) -> None:
        known = identities(str(actor))
        own = next((barred for barred in rule.barred if known & identities(barred)), None)
        if own is not None:
            deed = "asked for its promotion" if own == promotion.actor else "deployed it"
            raise NotAllowedError(
                f"{actor} may not approve {promotion.revision}: {own} {deed}", hint="somebody else must approve it"
            )


def _progress(rule: ApprovalRule, counted: list[Approval]) -> str:
    told = f"{len(counted)} of {rule.needed} approved"
    return f"{told} ({', '.join(one.actor for one in counted)})" if counted else told


def _not_waiting(name: RevisionName) -> ConflictError:
    return ConflictError(f"{name} does not wait for approval", hint=f"`rung status {name.service}` shows what does")
