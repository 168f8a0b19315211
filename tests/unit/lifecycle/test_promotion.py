"""What follows from which facts, with the reason."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rung.lifecycle import (
    ApprovalFacts,
    AwaitApproval,
    Crown,
    Decision,
    ExperimentFacts,
    Gate,
    Grow,
    PromotionFacts,
    Reject,
    StartExperiment,
    StartGate,
    StartShadow,
    State,
    Verdict,
    VerdictKind,
    Wait,
    decide,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
PASS, FAIL, INCONCLUSIVE = VerdictKind.PASS, VerdictKind.FAIL, VerdictKind.INCONCLUSIVE


GATES = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)


def ago(**duration: float) -> datetime:
    return NOW - timedelta(**duration)


def verdicts(*kinds: VerdictKind) -> tuple[Verdict, ...]:
    """Give the first gates these kinds, in their order."""
    return tuple(
        Verdict(gate=gate, kind=kind, because=f"{gate} says so") for gate, kind in zip(GATES, kinds, strict=False)
    )


PASSED = verdicts(*(PASS for _ in GATES))

FACTS = PromotionFacts(
    revision="housing.v1.m2",
    state=State.TESTING,
    verdicts=(),
    running=None,
    gate_since=None,
    gate_deadline=timedelta(minutes=30),
    incumbent="housing.v1.m1",
    experiment=None,
    server_down_since=None,
    server_patience=timedelta(seconds=60),
)
EXPERIMENT = ExperimentFacts(
    id="e", started=ago(days=1), deadline=timedelta(days=14), verdict=None, progress="half way"
)


def running(gate: Gate, since: datetime | None) -> dict[str, Any]:
    return {"running": gate, "gate_since": since}


def in_experiment(**changes: Any) -> dict[str, Any]:
    experiment = dataclasses.replace(EXPERIMENT, **changes)
    return {"verdicts": PASSED, "experiment": experiment, "state": State.EXPERIMENTING}


def found(kind: VerdictKind) -> Verdict:
    return Verdict(gate=Gate.EXPERIMENT, kind=kind, because="the figures say so")


def shadowed(kind: VerdictKind) -> Verdict:
    return Verdict(gate=Gate.SHADOW, kind=kind, because="the pairs say so")


def approved(kind: VerdictKind) -> Verdict:
    return Verdict(gate=Gate.APPROVAL, kind=kind, because="bob says so")


APPROVAL = {
    "verdicts": PASSED,
    "approval": ApprovalFacts(
        asked="2 people who may (approver or admin)", progress="1 of 2 approved (bob)", deadline=timedelta(days=7)
    ),
}

TABLE: dict[str, tuple[dict[str, Any], Decision]] = {
    "just begun": ({}, StartGate(gate=Gate.REGRESSION, because="the regression gate is next")),
    "regression runs": (running(Gate.REGRESSION, ago(seconds=5)), Wait(because="the regression gate runs for 5 s")),
    "regression runs long": (
        running(Gate.REGRESSION, ago(minutes=20)),
        Wait(because="the regression gate runs for 0:20:00"),
    ),
    "regression at its deadline": (
        running(Gate.REGRESSION, ago(minutes=30)),
        Wait(because="the regression gate runs for 0:30:00"),
    ),
    "regression beyond its deadline": (
        running(Gate.REGRESSION, ago(minutes=30, microseconds=1)),
        Reject(because="the regression gate did not end within 0:30:00"),
    ),
    "start of the gate was not kept": (
        running(Gate.REGRESSION, None),
        StartGate(gate=Gate.REGRESSION, because="the regression gate is next"),
    ),
    "regression passed": (
        {"verdicts": verdicts(PASS), **running(Gate.REGRESSION, ago(hours=9))},
        StartGate(gate=Gate.DATA, because="the data gate is next"),
    ),
    "regression failed": (
        {"verdicts": verdicts(FAIL)},
        Reject(because="regression gate: regression says so"),
    ),
    "regression inconclusive": (
        {"verdicts": verdicts(INCONCLUSIVE)},
        Reject(because="regression gate: regression says so"),
    ),
    "data passed": (
        {"verdicts": verdicts(PASS, PASS)},
        StartGate(gate=Gate.REPLAY, because="the replay gate is next"),
    ),
    "replay passed": (
        {"verdicts": verdicts(PASS, PASS, PASS)},
        StartGate(gate=Gate.LOAD, because="the load gate is next"),
    ),
    "data failed": ({"verdicts": verdicts(PASS, FAIL)}, Reject(because="data gate: data says so")),
    "load failed, without incumbent": (
        {"verdicts": verdicts(PASS, PASS, PASS, FAIL), "incumbent": None},
        Reject(because="load gate: load says so"),
    ),
    "load passed before data": (
        {"verdicts": (verdicts(PASS)[0], PASSED[-1])},
        StartGate(gate=Gate.DATA, because="the data gate is next"),
    ),
    "all passed, no incumbent": (
        {"verdicts": PASSED, "incumbent": None},
        Crown(because="it passed all gates, and its major had no incumbent"),
    ),
    "all passed, an incumbent": (
        {"verdicts": PASSED},
        StartExperiment(because="it passed all gates; housing.v1.m1 is the incumbent to beat"),
    ),
    "experiment runs": (in_experiment(), Wait(because="half way")),
    "experiment at its deadline": (in_experiment(started=ago(days=14)), Wait(because="half way")),
    "experiment beyond its deadline": (
        in_experiment(started=ago(days=14, microseconds=1)),
        Reject(because="A/B test: inconclusive at the deadline of 14 days, 0:00:00; half way"),
    ),
    "experiment won": (in_experiment(verdict=found(PASS)), Crown(because="the figures say so")),
    "experiment won at the last look": (
        in_experiment(verdict=found(PASS), started=ago(days=15)),
        Crown(because="the figures say so"),
    ),
    "experiment lost": (in_experiment(verdict=found(FAIL)), Reject(because="A/B test: the figures say so")),
    "experiment invalid": (in_experiment(verdict=found(INCONCLUSIVE)), Reject(because="A/B test: the figures say so")),
    "experiment lost, as kept": (
        in_experiment() | {"verdicts": (*PASSED, found(FAIL))},
        Reject(because="experiment gate: the figures say so"),
    ),
    "a larger share is due": (
        in_experiment(due_share=0.2),
        Grow(share=0.2, because="nothing spoke against its smaller share"),
    ),
    "a larger share is due, but it lost": (
        in_experiment(due_share=0.2, verdict=found(FAIL)),
        Reject(because="A/B test: the figures say so"),
    ),
    "to be approved": (
        APPROVAL,
        AwaitApproval(
            because="it passed what needs no production traffic; now it waits for 2 people who may (approver or admin)"
        ),
    ),
    "to be approved, without incumbent": (
        APPROVAL | {"incumbent": None},
        AwaitApproval(
            because="it passed what needs no production traffic; now it waits for 2 people who may (approver or admin)"
        ),
    ),
    "to be approved, but load failed": (
        APPROVAL | {"verdicts": verdicts(PASS, PASS, PASS, FAIL)},
        Reject(because="load gate: load says so"),
    ),
    "to be approved, but load is next": (
        APPROVAL | {"verdicts": verdicts(PASS, PASS, PASS)},
        StartGate(gate=Gate.LOAD, because="the load gate is next"),
    ),
    "waits for approval": (
        APPROVAL | running(Gate.APPROVAL, ago(days=7)),
        Wait(because="it waits for 2 people who may (approver or admin); 1 of 2 approved (bob)"),
    ),
    "waits for approval for too long": (
        APPROVAL | running(Gate.APPROVAL, ago(days=7, microseconds=1)),
        Reject(because="approval gate: not approved within 7 days, 0:00:00; 1 of 2 approved (bob)"),
    ),
    "approved": (
        APPROVAL | {"verdicts": (*PASSED, approved(PASS)), **running(Gate.APPROVAL, ago(days=9))},
        StartExperiment(because="it passed all gates; housing.v1.m1 is the incumbent to beat"),
    ),
    "approved, to be shadowed": (
        APPROVAL | {"verdicts": (*PASSED, approved(PASS)), "shadow_deadline": timedelta(days=1)},
        StartShadow(because="production of housing.v1.m1 is mirrored to it"),
    ),
    "approved, without incumbent": (
        APPROVAL | {"verdicts": (*PASSED, approved(PASS)), "incumbent": None},
        Crown(because="it passed all gates, and its major had no incumbent"),
    ),
    "rejected": (
        APPROVAL | {"verdicts": (*PASSED, approved(FAIL))},
        Reject(because="approval gate: bob says so"),
    ),
    "to be shadowed": (
        {"verdicts": PASSED, "shadow_deadline": timedelta(days=1)},
        StartShadow(because="production of housing.v1.m1 is mirrored to it"),
    ),
    "nothing to be shadowed": (
        {"verdicts": PASSED, "shadow_deadline": timedelta(days=1), "incumbent": None},
        Crown(because="it passed all gates, and its major had no incumbent"),
    ),
    "shadowed": (
        {"verdicts": PASSED, "shadow_deadline": timedelta(days=1), **running(Gate.SHADOW, ago(minutes=5))},
        Wait(because="production is mirrored to it for 300 s"),
    ),
    "shadowed for too long": (
        {"verdicts": PASSED, "shadow_deadline": timedelta(days=1), **running(Gate.SHADOW, ago(days=2))},
        Reject(because="too few production requests were mirrored to it within 1 day, 0:00:00"),
    ),
    "shadow passed": (
        {"verdicts": (*PASSED, shadowed(PASS)), "shadow_deadline": timedelta(days=1)},
        StartExperiment(because="it passed all gates; housing.v1.m1 is the incumbent to beat"),
    ),
    "shadow failed": (
        {"verdicts": (*PASSED, shadowed(FAIL)), "shadow_deadline": timedelta(days=1)},
        Reject(because="shadow gate: the pairs say so"),
    ),
    "incumbent went away": (
        in_experiment(verdict=found(PASS)) | {"incumbent": None},
        Reject(because="the incumbent went away during the A/B test, so there is nothing to be better than"),
    ),
    "server down for a moment": (
        {"server_down_since": ago(seconds=60)},
        StartGate(gate=Gate.REGRESSION, because="the regression gate is next"),
    ),
    "server down": ({"server_down_since": ago(seconds=61)}, Reject(because="it has not answered for 61 s")),
    "server down, though it won": (
        in_experiment(verdict=found(PASS)) | {"server_down_since": ago(minutes=15)},
        Reject(because="it has not answered for 0:15:00"),
    ),
    "verdict before server down": (
        {"verdicts": verdicts(FAIL), "server_down_since": ago(hours=1)},
        Reject(because="regression gate: regression says so"),
    ),
}


@pytest.mark.parametrize(("changes", "decision"), TABLE.values(), ids=TABLE.keys())
def test_facts_lead_to_one_decision(changes: dict[str, Any], decision: Decision):
    assert decide(dataclasses.replace(FACTS, **changes), NOW) == decision
