from __future__ import annotations

import itertools

import pytest

from rung import access
from rung.access import EVERYWHERE, LEAST, Action, Grant, Role, allowed, from_role, role_in

MAY = {
    Role.GATEWAY: {Action.ROUTE},
    Role.VIEWER: {Action.READ},
    Role.ENGINEER: {Action.READ, Action.DEPLOY, Action.PROMOTE},
    Role.APPROVER: {Action.READ, Action.DEPLOY, Action.PROMOTE, Action.APPROVE},
    Role.ADMIN: set(Action),
}


@pytest.mark.parametrize(("role", "action"), list(itertools.product(Role, Action)))
def test_roles_may_what_the_design_says(role: Role, action: Action):
    grants = [Grant(role=role, service="housing")]
    assert allowed(grants, action, "housing") is (action in MAY[role])
    assert not allowed(grants, action, "sentiment")
    assert not allowed(grants, action, EVERYWHERE)


@pytest.mark.parametrize("action", Action)
def test_every_action_has_its_role(action: Action):
    assert action in LEAST
    assert allowed([Grant(role=Role.ADMIN)], action, "housing")
    assert not allowed([], action, "housing")


def test_table_cannot_be_changed():
    with pytest.raises(TypeError):
        LEAST[Action.APPROVE] = Role.VIEWER


def test_highest_role_counts():
    grants = [Grant(role=Role.VIEWER), Grant(role=Role.APPROVER, service="housing")]
    assert role_in(grants, "housing") is Role.APPROVER
    assert role_in(grants, "sentiment") is Role.VIEWER
    assert role_in(grants, EVERYWHERE) is Role.VIEWER
    assert role_in([], "housing") is None


def test_roles_from_one_on_are_in_order():
    assert from_role(Role.ENGINEER) == (Role.ENGINEER, Role.APPROVER, Role.ADMIN)


def test_exports_are_there():
    assert all(hasattr(access, name) for name in access.__all__)
