"""Promotions: facts from jobs, servers and the lake; one decision; its effect. The same again after any crash."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from rung.control.practice.holds import Holds
from rung.control.practice.practice import Practice
from rung.control.promotion.papers import check_papers, read_ab_test
from rung.control.promotion.plan import plan
from rung.errors import ConflictError, RungError
from rung.lifecycle import (
    AwaitApproval,
    Crown,
    Gate,
    Grow,
    PromotionFacts,
    Reject,
    StartExperiment,
    StartGate,
    StartShadow,
    State,
    Wait,
    check_move,
    decide,
)
from rung.schema import RevisionName, Shadowing

if TYPE_CHECKING:
    from rung.control.deployment.deployments import Deployments
    from rung.control.promotion.approvals import Approvals
    from rung.control.promotion.experiments import Experiments
    from rung.control.promotion.gates import Gates
    from rung.control.promotion.plan import Plan
    from rung.control.promotion.shadows import Shadows
    from rung.lifecycle import Decision
    from rung.registry import Promotion
    from rung.schema import ABTest

_log = structlog.get_logger("rung.control")

GATE_DEADLINE = timedelta(minutes=20)
SERVER_PATIENCE = timedelta(seconds=60)
_PATIENCE_IN_TEST = timedelta(seconds=20)  # with production traffic: the incumbent answers for it meanwhile


@dataclass(slots=True)
class Promotions:
    """Drives all attempts that are under way."""

    deployments: Deployments
    gates: Gates
    shadows: Shadows
    experiments: Experiments
    approvals: Approvals
    keep_warm: timedelta
    holds: Holds = field(init=False)
    _down_since: dict[RevisionName, datetime] = field(default_factory=dict)
    _unread_since: dict[int, datetime] = field(default_factory=dict)
    """By attempt, while its facts cannot be read."""

    def __post_init__(self) -> None:
        place, registry = self.deployments.place, self.deployments.registry
        self.holds = Holds(place, registry, self.experiments.lake)

    @property
    def practice(self) -> Practice:
        """Who signed what, and what the questions answer."""
        return Practice(self.deployments.place, self.deployments.registry)

    def begin(self, name: RevisionName, *, actor: str, ignore_plan: bool = False) -> int:
        """Begin an attempt, when all that it needs is there.

        Args:
            name: The candidate.
            actor: Who begins it.
            ignore_plan: Begin also when the traffic cannot decide the A/B test before its deadline.

        Raises:
            ConflictError: The revision is the benchmark or no candidate, has failed an attempt, or promises less than
                the incumbent; its major is on hold, something that a promotion needs is missing or not signed, another
                attempt of the major is under way, or the A/B test could not end in time.
        """
        registry = self.deployments.registry
        revision = registry.revision(name)
        if name.is_benchmark:
            raise ConflictError(
                f"{name} is the benchmark of {name.major_name} and is never promoted: it is what the others must beat",
                hint="`rung deploy training` makes the next revision",
            )
        if revision.state in {State.CANDIDATE, State.ON_HOLD}:
            self.holds.check(revision)
            revision = registry.revision(name)
        check_move(str(name), revision.state, State.TESTING)
        self._check_untried(name)
        written_for = name if revision.origin is None else RevisionName.parse(revision.origin.code)
        check_papers(self.deployments.place, name, written_for=written_for)
        self.deployments.verify(name, contents=True)
        self._reference(name)
        test, incumbent = self._test(name), self._incumbent(name)
        if incumbent is not None and (broken := test.breaks(self._test(incumbent))):
            raise ConflictError(
                f"{name} is not measured as {incumbent} is: {'; '.join(broken)}",
                hint="business metrics belong to the major: take the change back, or open the next major",
            )
        if incumbent is not None and test.bandit is None and not ignore_plan:
            _check_plan(plan(self.experiments.lake, test, incumbent))
        papers = self.practice.begin(name, actor=actor)
        policy = self.deployments.place.workspace.settings().policy(name.service).model_dump(mode="json")
        return registry.begin_promotion(
            name, actor=actor, joint=test.bandit is not None, policy=policy, papers=papers.to_json()
        )

    def _check_untried(self, name: RevisionName) -> None:
        """Refuse what the evidence was against already."""
        for attempt in self.deployments.registry.promotions_of(name):
            if (verdict := attempt.failure) is not None:
                raise ConflictError(
                    f"{name} has failed the {verdict.gate} gate on {attempt.started:%F}: {verdict.because}",
                    hint="the next attempt takes the next revision: `rung deploy training` recalls unchanged tasks",
                )

    def advance(self, promotion: Promotion) -> Decision:
        """Look at an attempt and do what is to be done now.

        A gate whose job cannot be started or read is asked again at the next look, and ends at its deadline.
        """
        now = datetime.now(UTC)
        try:
            self._collect_verdict(promotion)
        except RungError as error:
            _log.warning("gate_not_read", promotion=promotion.id, gate=promotion.gate, error=str(error))
        promotion = self._fresh(promotion)
        decision = self._decide(promotion, now)
        self._apply(promotion, decision)
        return decision

    def _decide(self, promotion: Promotion, now: datetime) -> Decision:
        """Decide by the facts; an attempt whose facts cannot be read any more ends after as long as a gate may take."""
        try:
            facts = self._facts(promotion, now)
        except (RungError, OSError) as error:
            since = self._unread_since.setdefault(promotion.id, now)
            because = f"what it is judged by cannot be read: {error}"
            return Reject(because=because) if now - since > GATE_DEADLINE else Wait(because=because)
        self._unread_since.pop(promotion.id, None)
        return decide(facts, now)

    def reject(self, promotion: Promotion, *, because: str, actor: str = "rung") -> None:
        """End an attempt: its jobs are stopped, its candidate is torn down."""
        self.gates.stop(promotion)
        self.deployments.registry.reject(promotion, because=because, actor=actor)

    def roll_back(self, service: str, major: int, *, because: str, actor: str) -> RevisionName:
        """Make the last incumbent the incumbent again; the gateway is still to be told.

        Raises:
            ConflictError: There is none that is kept warm, it does not answer, or a promotion is under way.
        """
        registry = self.deployments.registry
        target = registry.rollback_target(service, major)
        ready, reason = self.deployments.servers.is_ready(str(target))
        if not ready:
            raise ConflictError(f"{target} cannot take over: {reason}", hint="wait until its server is up again")
        warm_until = datetime.now(UTC) + self.keep_warm
        return registry.rollback(service, major, because=because, actor=actor, warm_until=warm_until)

    def _apply(self, promotion: Promotion, decision: Decision) -> None:
        registry = self.deployments.registry
        match decision:
            case StartGate(gate=gate, because=because):
                registry.begin_gate(promotion, gate, because=because)
            case AwaitApproval(because=because):
                registry.await_approval(promotion, because=because)
            case StartExperiment():
                incumbent = self._incumbent(promotion.revision)
                if incumbent is not None:
                    test = self._test(promotion.revision)
                    self._tell_plan(promotion.revision, incumbent, test)
                    self.experiments.begin(promotion, incumbent, test)
            case StartShadow(because=because):
                shadow = self._test(promotion.revision).shadow or Shadowing()
                registry.begin_shadowing(promotion, share=shadow.share, because=because)
            case Grow(share=share, because=because):
                self.experiments.grow(promotion, share, because=because)
            case Crown(because=because):
                warm_until = datetime.now(UTC) + self.keep_warm
                registry.crown(promotion, because=because, warm_until=warm_until)
            case Reject(because=because):
                self.reject(promotion, because=because)
            case Wait():
                pass

    def _tell_plan(self, name: RevisionName, incumbent: RevisionName, test: ABTest) -> None:
        """Keep what the test is expected to cost; somebody has said that it may begin."""
        with suppress(ConflictError):
            planned = plan(self.experiments.lake, test, incumbent)
            if planned is not None and test.bandit is None:
                registry = self.deployments.registry
                registry.record_event("plan", str(name), because=planned.told, actor="rung", **planned.to_json())

    def _facts(self, promotion: Promotion, now: datetime) -> PromotionFacts:
        name = promotion.revision
        revision = self.deployments.registry.revision(name)
        incumbent = self._incumbent(name)
        shadow = self._test(name).shadow
        down = self._down(name, now)
        return PromotionFacts(
            revision=str(name),
            state=revision.state,
            verdicts=promotion.verdicts,
            running=None if promotion.gate is None else Gate(promotion.gate),
            gate_since=promotion.gate_since,
            gate_deadline=GATE_DEADLINE,
            incumbent=None if incumbent is None else str(incumbent),
            experiment=self.experiments.facts(promotion, now),
            server_down_since=down,
            server_patience=_PATIENCE_IN_TEST if revision.state is State.EXPERIMENTING else SERVER_PATIENCE,
            shadow_deadline=None if shadow is None else shadow.deadline,
            approval=self.approvals.facts(promotion),
        )

    def _down(self, name: RevisionName, now: datetime) -> datetime | None:
        ready, _ = self.deployments.servers.is_ready(str(name))
        if ready:
            self._down_since.pop(name, None)
            return None
        return self._down_since.setdefault(name, now)

    def _collect_verdict(self, promotion: Promotion) -> None:
        """Start or read the job of the gate that is under way, and keep its verdict."""
        if promotion.gate is None or any(verdict.gate == promotion.gate for verdict in promotion.verdicts):
            return
        gate = Gate(promotion.gate)
        if gate is Gate.SHADOW:
            verdict = self.shadows.look(promotion)
        elif gate is Gate.APPROVAL:
            verdict = self.approvals.look(promotion)
        else:
            verdict = self.gates.look(promotion, gate, self._reference)
        if verdict is not None:
            linked = {**verdict.evidence, "specification": self.practice.digest_of(promotion.revision)}
            self.deployments.registry.add_verdict(promotion, replace(verdict, evidence=linked))

    def _reference(self, name: RevisionName) -> RevisionName:
        """Give the revision to compare with: the incumbent, or the benchmark while there is none."""
        incumbent = self._incumbent(name)
        if incumbent is not None:
            return incumbent
        registry = self.deployments.registry
        for revision in registry.revisions(name.service, name.major):
            if revision.name.is_benchmark and revision.state is State.CANDIDATE:
                return revision.name
        raise ConflictError(
            f"{name.major_name} has neither incumbent nor a benchmark that is served, so there is nothing to beat",
            hint=f"`rung deploy serving {name.major_name}.m0`, or `rung revive` it",
        )

    def incumbent(self, name: RevisionName) -> RevisionName:
        """Give the incumbent of a revision's major.

        Raises:
            ConflictError: There is none beside it.
        """
        found = self._incumbent(name)
        if found is None:
            raise ConflictError(
                f"{name.major_name} has no incumbent whose requests could be mirrored", hint="`rung promote` makes one"
            )
        return found

    def _incumbent(self, name: RevisionName) -> RevisionName | None:
        found = self.deployments.registry.incumbent(name.service, name.major)
        return None if found == name else found

    def _test(self, name: RevisionName) -> ABTest:
        return read_ab_test(self.deployments.place, name)

    def _fresh(self, promotion: Promotion) -> Promotion:
        active = self.deployments.registry.promotions(promotion.revision.service, active_only=True)
        return next((found for found in active if found.id == promotion.id), promotion)


def _check_plan(planned: Plan | None) -> None:
    if planned is not None and planned.is_hopeless:
        raise ConflictError(
            f"the A/B test could not end before its deadline: {planned.told}",
            hint="a larger minimum_effect, share or deadline ends it sooner; `--ignore-plan` begins it all the same",
        )
