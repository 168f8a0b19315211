"""A promotion: gate after gate, then an A/B test; one decision at a time, from facts alone.

Every gate ends in a verdict with its reason. Only a pass leads on: a failure and an inconclusive end both tear the
candidate down, and the incumbent keeps all traffic meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from rung.lifecycle._state import State

_BEFORE_TRAFFIC = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentFacts:
    """An A/B test that runs."""

    id: str
    started: datetime
    deadline: timedelta
    verdict: Verdict | None
    """What the evidence says at this look; None while it does not decide."""
    progress: str
    """One sentence on how far it is."""
    due_share: float | None = None
    """Share that the ramp gives the challenger next, when its time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFacts:
    """Approval that the service's policy asks for."""

    asked: str
    """Who must approve, as a phrase."""
    progress: str
    """One sentence on who did so far."""
    deadline: timedelta
    """From when it began to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionFacts:
    """All that a decision needs."""

    revision: str
    state: State
    verdicts: Sequence[Verdict]
    running: Gate | None
    """The gate whose job runs now."""
    gate_since: datetime | None
    """When that gate began."""
    gate_deadline: timedelta
    incumbent: str | None
    """Of the major, other than the candidate."""
    experiment: ExperimentFacts | None
    server_down_since: datetime | None
    """Since when the candidate does not answer; None when it does."""
    server_patience: timedelta
    """How long it may be down."""
    shadow_deadline: timedelta | None = None
    """How long production may be mirrored to it before the A/B test; None: not at all."""
    approval: ApprovalFacts | None = None
    """Who must approve it before it gets any traffic; None: nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGate:
    """Begin the job of a gate."""

    gate: Gate
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitApproval:
    """Wait for people."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartShadow:
    """Mirror production to the candidate."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExperiment:
    """Give the challenger its share of production."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """Give the challenger a larger share."""

    share: float
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crown:
    """Make the candidate the incumbent; the old one retires."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Tear the candidate down."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing to do yet; look again."""

    because: str


Decision = StartGate | AwaitApproval | StartShadow | StartExperiment | Grow | Crown | Reject | Wait


def decide(facts: PromotionFacts, now: datetime) -> Decision:
    """Say what happens next to a candidate that is being promoted."""
    rejected = next((verdict for verdict in facts.verdicts if verdict.kind is not VerdictKind.PASS), None)
    if rejected is not None:
        return Reject(because=f"{rejected.gate} gate: {rejected.because}")
    down = facts.server_down_since
    if down is not None and now - down > facts.server_patience:
        return Reject(because=f"it has not answered for {_seconds(now - down)}")
    passed = {verdict.gate for verdict in facts.verdicts}
    waiting = next((gate for gate in _BEFORE_TRAFFIC if gate not in passed), None)
    if waiting is not None:
        return _through_gates(facts, waiting, now)
    if facts.approval is not None and Gate.APPROVAL not in passed:
        return _through_approval(facts, facts.approval, now)
    return _after_gates(facts, now)


def _through_gates(facts: PromotionFacts, gate: Gate, now: datetime) -> Decision:
    if facts.running is not gate or facts.gate_since is None:
        return StartGate(gate=gate, because=f"the {gate} gate is next")
    if now - facts.gate_since > facts.gate_deadline:
        return Reject(because=f"the {gate} gate did not end within {_seconds(facts.gate_deadline)}")
    return Wait(because=f"the {gate} gate runs for {_seconds(now - facts.gate_since)}")


def _through_approval(facts: PromotionFacts, approval: ApprovalFacts, now: datetime) -> Decision:
    if facts.running is not Gate.APPROVAL or facts.gate_since is None:
        return AwaitApproval(because=f"it passed what needs no production traffic; now it waits for {approval.asked}")
    if now - facts.gate_since > approval.deadline:
        return Reject(because=f"approval gate: not approved within {_seconds(approval.deadline)}; {approval.progress}")
    return Wait(because=f"it waits for {approval.asked}; {approval.progress}")


def _after_gates(facts: PromotionFacts, now: datetime) -> Decision:
    if facts.experiment is not None:
        return _through_experiment(facts, facts.experiment, now)
    if facts.incumbent is None:
        return Crown(because="it passed all gates, and its major had no incumbent")
    if facts.shadow_deadline is not None and all(verdict.gate is not Gate.SHADOW for verdict in facts.verdicts):
        return _through_shadow(facts, facts.shadow_deadline, now)
    return StartExperiment(because=f"it passed all gates; {facts.incumbent} is the incumbent to beat")


def _through_shadow(facts: PromotionFacts, deadline: timedelta, now: datetime) -> Decision:
    if facts.running is not Gate.SHADOW or facts.gate_since is None:
        return StartShadow(because=f"production of {facts.incumbent} is mirrored to it")
    if now - facts.gate_since > deadline:
        return Reject(because=f"too few production requests were mirrored to it within {_seconds(deadline)}")
    return Wait(because=f"production is mirrored to it for {_seconds(now - facts.gate_since)}")


def _through_experiment(facts: PromotionFacts, experiment: ExperimentFacts, now: datetime) -> Decision:
    if facts.incumbent is None:
        return Reject(because="the incumbent went away during the A/B test, so there is nothing to be better than")
    if experiment.verdict is not None:
        if experiment.verdict.kind is VerdictKind.PASS:
            return Crown(because=experiment.verdict.because)
        return Reject(because=f"A/B test: {experiment.verdict.because}")
    if now - experiment.started > experiment.deadline:
        return Reject(
            because=f"A/B test: inconclusive at the deadline of {_seconds(experiment.deadline)}; {experiment.progress}"
        )
    if experiment.due_share is not None:
        return Grow(share=experiment.due_share, because="nothing spoke against its smaller share")
    return Wait(because=experiment.progress)


def _seconds(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds:.0f} s" if seconds < 600 else str(duration).partition(".")[0]  # noqa: PLR2004  ten minutes
