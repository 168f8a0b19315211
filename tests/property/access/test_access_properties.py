"""Whatever is granted and said: more rights never allow less, and nobody is a majority of one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rung.access import Action, Grant, Role, allowed, from_role, identities, role_in
from rung.lifecycle import (
    Approval,
    ApprovalFacts,
    ApprovalRule,
    Crown,
    Gate,
    PromotionFacts,
    StartExperiment,
    StartShadow,
    State,
    Verdict,
    VerdictKind,
    Wait,
    count_approvals,
    decide,
    judge_approvals,
)

BEFORE = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)
SINCE = datetime(2030, 1, 1, tzinfo=UTC)
services = st.sampled_from(["housing", "sentiment", "*"])
roles, actions = st.sampled_from(Role), st.sampled_from(Action)
grants = st.lists(st.builds(Grant, role=roles, service=services), max_size=4)

names = st.sampled_from(["ada", "bob", "eve", "Ada", "ada@example.org"])
kinds = st.sampled_from(["", "token:", "login:"])
actors = st.builds(lambda kind, name: kind + name, kinds, names)
said = st.builds(
    Approval,
    actor=actors,
    role=roles.map(str),
    approves=st.booleans(),
    because=st.just("it is so"),
    time=st.integers(0, 20).map(lambda days: SINCE + timedelta(days=days)),
)
rules = st.builds(
    ApprovalRule,
    needed=st.integers(1, 3),
    roles=st.sampled_from([Role.APPROVER, Role.ADMIN]).map(lambda role: tuple(map(str, from_role(role)))),
    barred=st.lists(actors, min_size=1, max_size=2).map(tuple),
    deadline=st.integers(1, 15).map(lambda days: timedelta(days=days)),
)


def judged(rule: ApprovalRule, given: list[Approval]) -> VerdictKind | None:
    verdict = judge_approvals(rule, given, since=SINCE, identities=identities)
    return None if verdict is None else verdict.kind


@given(held=grants, more=grants, action=actions, service=services)
def test_more_grants_allow_no_less(held: list[Grant], more: list[Grant], action: Action, service: str):
    assert allowed(held + more, action, service) >= allowed(held, action, service)


@given(role=roles, action=actions, service=services, where=services)
def test_higher_roles_allow_no_less(role: Role, action: Action, service: str, where: str):
    for higher in from_role(role):
        least = allowed([Grant(role=role, service=where)], action, service)
        assert allowed([Grant(role=higher, service=where)], action, service) >= least


@given(held=grants, action=actions, service=services)
def test_only_a_role_of_the_service_allows(held: list[Grant], action: Action, service: str):
    here = [grant for grant in held if grant.service in {"*", service}]
    assert allowed(held, action, service) == any(allowed([one], action, service) for one in here)


@given(held=grants, service=services)
def test_nobody_is_less_than_their_highest_role(held: list[Grant], service: str):
    here = {grant.role for grant in held if grant.service in {"*", service}}
    role = role_in(held, service)
    assert (role in here) if here else (role is None)
    assert not any(other.is_at_least(role) for other in here - {role} if role)


@given(rule=rules, opinions=st.lists(said, max_size=8), data=st.data())
def test_nobody_approves_alone_what_is_theirs(rule: ApprovalRule, opinions: list[Approval], data: st.DataObject):
    own = [one for one in opinions if any(identities(one.actor) & identities(barred) for barred in rule.barred)]
    again = data.draw(st.permutations(own))
    assert judged(rule, again) is not VerdictKind.PASS
    assert count_approvals(rule, again, identities=identities) == []


@given(rule=rules, opinions=st.lists(said, max_size=8), data=st.data())
def test_one_person_counts_once(rule: ApprovalRule, opinions: list[Approval], data: st.DataObject):
    counted = count_approvals(rule, data.draw(st.permutations(opinions + opinions)), identities=identities)
    for number, one in enumerate(counted):
        assert not any(identities(one.actor) & identities(other.actor) for other in counted[:number])


@given(rule=rules, opinions=st.lists(said, max_size=8))
def test_enough_others_and_no_rejection_pass(rule: ApprovalRule, opinions: list[Approval]):
    kind = judged(rule, opinions)
    in_time = [one for one in opinions if one.role in rule.roles and one.time <= SINCE + rule.deadline]
    if any(not one.approves for one in in_time):
        assert kind is VerdictKind.FAIL
    else:
        enough = len(count_approvals(rule, in_time, identities=identities)) >= rule.needed
        assert kind is (VerdictKind.PASS if enough else None)


@given(rule=rules, opinions=st.lists(said, max_size=8), late=st.lists(said, max_size=4))
def test_what_is_late_changes_nothing(rule: ApprovalRule, opinions: list[Approval], late: list[Approval]):
    end = SINCE + rule.deadline
    after = [one for one in late if one.time > end]
    assert judged(rule, opinions + after) == judged(rule, opinions)


@given(rule=rules, opinions=st.lists(said, max_size=8))
def test_roles_that_do_not_suffice_say_nothing(rule: ApprovalRule, opinions: list[Approval]):
    low = [one for one in opinions if one.role not in rule.roles]
    assert judged(rule, low) is None


verdicts = st.lists(
    st.builds(Verdict, gate=st.sampled_from(Gate), kind=st.sampled_from(VerdictKind), because=st.just("it says so")),
    max_size=7,
    unique_by=lambda one: one.gate,
)
facts = st.builds(
    PromotionFacts,
    revision=st.just("housing.v1.m2"),
    state=st.sampled_from(State),
    verdicts=st.just([Verdict(gate=gate, kind=VerdictKind.PASS, because="it is so") for gate in BEFORE]) | verdicts,
    running=st.none() | st.sampled_from(Gate),
    gate_since=st.none() | st.integers(0, 20).map(lambda days: SINCE + timedelta(days=days)),
    gate_deadline=st.just(timedelta(days=30)),
    incumbent=st.none() | st.just("housing.v1.m1"),
    experiment=st.none(),
    server_down_since=st.none(),
    server_patience=st.just(timedelta(minutes=1)),
    shadow_deadline=st.none() | st.just(timedelta(days=1)),
    approval=st.just(ApprovalFacts(asked="1 person", progress="0 of 1 approved", deadline=timedelta(days=7))),
)


@given(some=facts)
def test_nothing_unapproved_gets_traffic(some: PromotionFacts):
    approved = any(one.gate is Gate.APPROVAL and one.kind is VerdictKind.PASS for one in some.verdicts)
    decision = decide(some, SINCE + timedelta(days=10))
    assert approved or not isinstance(decision, Crown | StartExperiment | StartShadow)


@given(some=facts)
def test_waiting_for_people_ends(some: PromotionFacts):
    now = SINCE + timedelta(days=10)
    if some.running is Gate.APPROVAL and some.gate_since is not None and now - some.gate_since > timedelta(days=7):
        assert not isinstance(decide(some, now), Wait)
