"""Deeds of pages need the roles that the API asks for, and are offered when the state allows them."""

from __future__ import annotations

import pytest

from rung.access import Actor, Grant, Kind, Role
from rung.control.api.door import ACTIONS
from rung.control.dashboard._deeds import DEEDS, of_experiment, of_major, of_revision, offer, split_major
from rung.control.dashboard.app import HEADERS
from rung.errors import CallError
from rung.lifecycle import State
from rung.schema import RevisionName

REVISION, TEST = "/revisions/{name}", "/majors/{service}/{major}/experiment"
ROUTES = {
    "train": "/revisions",
    "serve": f"{REVISION}/serving",
    "promote": f"{REVISION}/promotions",
    "approve": f"{REVISION}/approval",
    "reject": f"{REVISION}/rejection",
    "teardown": f"{REVISION}/teardown",
    "revive": f"{REVISION}/revive",
    "shadow": f"{REVISION}/shadow",
    "rollback": "/majors/{service}/{major}/rollback",
    "pause": f"{TEST}/pause",
    "resume": f"{TEST}/resume",
    "abort": f"{TEST}/abort",
    "acknowledge": "/alerts/{identity}/acknowledgement",
    "silence": "/alerts/{identity}/silence",
    "close": "/alerts/{identity}/closing",
}


def test_every_deed_is_a_route_of_the_api():
    assert {name: deed.action for name, deed in DEEDS.items()} == {
        name: ACTIONS["POST", route] for name, route in ROUTES.items()
    }


@pytest.mark.parametrize(
    ("state", "deeds"),
    [
        (State.TRAINING, ()),
        (State.TRAINED, ("serve",)),
        (State.CANDIDATE, ("promote", "shadow", "teardown")),
        (State.TESTING, ("shadow", "teardown")),
        (State.AWAITING_APPROVAL, ("approve", "reject", "shadow", "teardown")),
        (State.EXPERIMENTING, ("teardown",)),
        (State.INCUMBENT, ()),
        (State.RETIRED, ()),
        (State.TORN_DOWN, ("revive",)),
        (State.FAILED, ()),
    ],
    ids=str,
)
def test_state_says_what_can_be_done(state: State, deeds: tuple[str, ...]):
    assert of_revision(state, RevisionName.parse("a.v1.m2")) == deeds


def test_benchmark_is_never_promoted():
    assert of_revision(State.CANDIDATE, RevisionName.parse("a.v1.m0")) == ("teardown",)


def test_what_failed_a_gate_is_not_promoted_again():
    assert of_revision(State.CANDIDATE, RevisionName.parse("a.v1.m2"), has_failed=True) == ("shadow", "teardown")


def test_test_that_is_over_is_left_alone():
    assert of_experiment(is_over=True, is_paused=False) == ()
    assert of_experiment(is_over=False, is_paused=True) == ("resume", "abort")


def test_only_what_is_kept_warm_comes_back():
    assert of_major(is_reigned=True, has_warm=True) == ("rollback",)
    assert of_major(is_reigned=True, has_warm=False) == ()


@pytest.mark.parametrize(("role", "offered"), [(Role.VIEWER, 0), (Role.ENGINEER, 1), (Role.APPROVER, 3)])
def test_deeds_are_offered_to_whom_may_do_them(role: Role, offered: int):
    actor = Actor(name="x", kind=Kind.TOKEN, grants=(Grant(role=role, service="a"),))
    assert len(offer(actor, "a.v1.m2", "approve", "reject", "teardown")) == offered
    assert offer(actor, "b.v1.m2", "approve", "reject", "teardown") == ()


@pytest.mark.parametrize("subject", ["a", "a.v1.m1", "../x.v1", "a.v-1", ""])
def test_only_majors_are_majors(subject: str):
    with pytest.raises(CallError, match="names no major"):
        split_major(subject)


def test_nothing_is_loaded_from_elsewhere_or_runs_within_a_page():
    rules = dict(rule.split(" ", 1) for rule in HEADERS["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert {source for sources in rules.values() for source in sources.split()} <= {"'none'", "'self'"}
