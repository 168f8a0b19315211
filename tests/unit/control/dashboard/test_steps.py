"""A promotion as steps, from an attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rung.control.dashboard.pages.promotion import steps_of
from rung.lifecycle import Gate, State, Verdict, VerdictKind
from rung.registry import Promotion
from rung.schema import RevisionName

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def attempt(*passed: Gate, failed: Gate | None = None, gate: Gate | None = None, **more: Any) -> Promotion:
    verdicts = [Verdict(gate=one, kind=VerdictKind.PASS, because="it holds") for one in passed]
    if failed is not None:
        verdicts.append(Verdict(gate=failed, kind=VerdictKind.FAIL, because="it is worse"))
    known = {"ended": None, "outcome": None, "because": None, **more}
    return Promotion(
        id=1,
        revision=RevisionName.parse("a.v1.m2"),
        actor="ada",
        started=NOW,
        gate=gate,
        gate_since=NOW,
        verdicts=tuple(verdicts),
        **known,
    )


def told(found: Promotion, state: State = State.TESTING, *, has_incumbent: bool = True) -> dict[str, str]:
    return {step.gate: step.state for step in steps_of(found, state, has_incumbent=has_incumbent)}


def test_gates_before_traffic_come_in_their_order():
    found = told(attempt(Gate.REGRESSION, gate=Gate.DATA))
    assert list(found) == ["regression", "data", "replay", "load", "experiment"]
    assert list(found.values()) == ["pass", "running", "not reached", "not reached", "not reached"]


def test_gate_that_is_due_is_next():
    assert told(attempt(Gate.REGRESSION, gate=Gate.REGRESSION))["data"] == "next"


def test_failure_ends_it():
    found = told(attempt(Gate.REGRESSION, failed=Gate.DATA, gate=Gate.DATA, ended=NOW, outcome="rejected"))
    assert list(found.values()) == ["pass", "fail", "not reached", "not reached", "not reached"]


def test_first_revision_of_a_major_needs_no_test():
    assert "experiment" not in told(attempt(gate=Gate.REGRESSION), has_incumbent=False)


@pytest.mark.parametrize("policy", [None, {"promotion": "approve"}])
def test_approval_is_a_step_where_the_policy_asks_for_it(policy: dict[str, Any] | None):
    assert ("approval" in told(attempt(gate=Gate.REGRESSION, policy=policy))) is (policy is not None)


def test_test_runs_while_it_is_experimenting():
    passed = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)
    assert told(attempt(*passed, gate=Gate.LOAD), State.EXPERIMENTING)["experiment"] == "running"
