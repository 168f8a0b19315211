"""Roles, actions, and the one table that says which role an action needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVERYWHERE: Final = "*"
"""In place of a service: all of them, and the platform itself."""


class Role(StrEnum):
    """What somebody is to a service; from the viewer on, each may do what those before it may, and an admin all."""

    GATEWAY = "gateway"
    """No person: a gateway elsewhere, which may fetch what it shall route, and nothing else."""
    VIEWER = "viewer"
    ENGINEER = "engineer"
    APPROVER = "approver"
    ADMIN = "admin"

    def is_at_least(self, other: Role) -> bool:
        """Tell whether it may do all that the other may.

        >>> Role.APPROVER.is_at_least(Role.ENGINEER), Role.VIEWER.is_at_least(Role.ENGINEER)
        (True, False)
        >>> Role.ADMIN.is_at_least(Role.GATEWAY), Role.APPROVER.is_at_least(Role.GATEWAY)
        (True, False)
        """
        if self in {other, Role.ADMIN}:
            return True
        return Role.GATEWAY not in {self, other} and _RANKS[self] > _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class Action(StrEnum):
    """What can be asked of the control plane."""

    READ = "read"
    """See status, evidence, logs, predictions and the audit log."""
    DEPLOY = "deploy"
    """Train and serve revisions, revive and tear them down."""
    PROMOTE = "promote"
    """Ask for a promotion, mirror production, steer an A/B test, roll back, register what consumers rely on."""
    APPROVE = "approve"
    """Approve or reject the promotion of somebody else's revision."""
    ROUTE = "route"
    """Fetch what a gateway shall route, and report what it does."""
    ADMINISTER = "administer"
    """Make and revoke tokens, clean up, stop the platform."""


LEAST: Mapping[Action, Role] = MappingProxyType(
    {
        Action.READ: Role.VIEWER,
        Action.DEPLOY: Role.ENGINEER,
        Action.PROMOTE: Role.ENGINEER,
        Action.APPROVE: Role.APPROVER,
        Action.ROUTE: Role.GATEWAY,
        Action.ADMINISTER: Role.ADMIN,
    }
)
"""The least role that each action needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role in one service, or in all."""

    role: Role
    service: str = EVERYWHERE

    def covers(self, service: str) -> bool:
        """Tell whether it holds in a service; what concerns all of them needs a grant for all."""
        return self.service in {EVERYWHERE, service}


def allowed(grants: Iterable[Grant], action: Action, service: str) -> bool:
    """Tell whether somebody with these grants may do something to a service, or with "*" to all.

    >>> allowed([Grant(role=Role.ENGINEER, service="housing")], Action.DEPLOY, "housing")
    True
    >>> allowed([Grant(role=Role.ENGINEER, service="housing")], Action.DEPLOY, "*")
    False
    """
    return any(grant.role.is_at_least(LEAST[action]) for grant in grants if grant.covers(service))


def role_in(grants: Iterable[Grant], service: str) -> Role | None:
    """Give the highest role that somebody has in a service; None when they have none."""
    held = [grant.role for grant in grants if grant.covers(service)]
    return max(held, key=_RANKS.__getitem__, default=None)


def from_role(least: Role) -> tuple[Role, ...]:
    """Give a role and all above it.

    >>> [str(role) for role in from_role(Role.APPROVER)]
    ['approver', 'admin']
    """
    return tuple(role for role in Role if role.is_at_least(least))
