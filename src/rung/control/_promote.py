"""Promotions: facts from jobs, servers and the lake; one decision; its effect. The same again after any crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from rung.errors import ConflictError, RungError
from rung.lifecycle import (
    Crown,
    Gate,
    PromotionFacts,
    Reject,
    StartExperiment,
    StartGate,
    State,
    Wait,
    check_move,
    decide,
)
from rung.schema import ABTest, RevisionName, parse_specification
from rung.serving import Bundle, read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from rung.control._deploy import Deployments
    from rung.control._experiments import Experiments
    from rung.control._gates import Gates
    from rung.lifecycle import Decision
    from rung.registry import Promotion, Revision

_log = structlog.get_logger("rung.control")

GATE_DEADLINE = timedelta(minutes=20)
SERVER_PATIENCE = timedelta(seconds=60)


@dataclass(slots=True)
class Promotions:
    """Drives all attempts that are under way."""

    deployments: Deployments
    gates: Gates
    experiments: Experiments
    keep_warm: timedelta
    _down_since: dict[RevisionName, datetime] = field(default_factory=dict)

    def begin(self, name: RevisionName, *, actor: str) -> int:
        """Begin an attempt, when all that it needs is there.

        Raises:
            ConflictError: The revision is the benchmark or no candidate, something that a promotion needs is missing,
                or another attempt of the major is under way.
        """
        registry = self.deployments.registry
        revision = registry.revision(name)
        if name.is_benchmark:
            raise ConflictError(
                f"{name} is the benchmark of {name.major_name} and is never promoted: it is what the others must beat",
                hint="`rung deploy training` makes the next revision",
            )
        check_move(str(name), revision.state, State.TESTING)
        self._check_papers(name)
        self._reference(name)
        return registry.begin_promotion(name, actor=actor)

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
        decision = decide(self._facts(promotion, now), now)
        self._apply(promotion, decision)
        return decision

    def reject(self, promotion: Promotion, *, because: str) -> None:
        """End an attempt: its jobs are stopped, its candidate is torn down."""
        self.gates.stop(promotion)
        self.deployments.registry.reject(promotion, because=because)

    def _apply(self, promotion: Promotion, decision: Decision) -> None:
        registry = self.deployments.registry
        match decision:
            case StartGate(gate=gate, because=because):
                registry.begin_gate(promotion, gate, because=because)
            case StartExperiment():
                incumbent = self._incumbent(promotion.revision)
                if incumbent is not None:
                    registry.begin_experiment(promotion, incumbent, design=self._design(promotion.revision))
            case Crown(because=because):
                warm_until = datetime.now(UTC) + self.keep_warm
                registry.crown(promotion, because=because, warm_until=warm_until)
            case Reject(because=because):
                self.reject(promotion, because=because)
            case Wait():
                pass

    def _facts(self, promotion: Promotion, now: datetime) -> PromotionFacts:
        name = promotion.revision
        revision = self.deployments.registry.revision(name)
        incumbent = self._incumbent(name)
        return PromotionFacts(
            revision=str(name),
            state=revision.state,
            verdicts=promotion.verdicts,
            running=None if promotion.gate is None else Gate(promotion.gate),
            gate_since=promotion.gate_since,
            gate_deadline=GATE_DEADLINE,
            incumbent=None if incumbent is None else str(incumbent),
            experiment=self.experiments.facts(promotion),
            server_down_since=self._down(name, now),
            server_patience=SERVER_PATIENCE,
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
        verdict = self.gates.look(promotion, Gate(promotion.gate), self._reference)
        if verdict is not None:
            self.deployments.registry.add_verdict(promotion, verdict)

    # --- what a promotion needs ---

    def _check_papers(self, name: RevisionName) -> None:
        """Hold what the author owes: business metrics, specification, experiment document."""
        if ABTest.model_validate(self._bundle(name).ab_test).decision is None:
            raise ConflictError(
                f"{name} has no business metric that could decide an A/B test",
                hint="declare one in schema/service.py: no metrics, no promotion",
            )
        folder = self.deployments.place.source(name) / "experiments" / name.service
        specification = folder / "specification.md"
        parse_specification(_read(specification, name), name=str(specification))
        document = folder / "experiments" / f"v{name.major}.m{name.minor}.md"
        if not _read(document, name).strip():
            raise ConflictError(f"{document.name} of {name} is empty", hint="write what was tried and why")

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

    def _incumbent(self, name: RevisionName) -> RevisionName | None:
        revisions: list[Revision] = self.deployments.registry.revisions(name.service, name.major)
        return next((r.name for r in revisions if r.state is State.INCUMBENT and r.name != name), None)

    def _design(self, name: RevisionName) -> dict[str, Any]:
        return self._bundle(name).ab_test

    def _bundle(self, name: RevisionName) -> Bundle:
        return read_bundle(self.deployments.place.workspace.state, str(name))

    def _fresh(self, promotion: Promotion) -> Promotion:
        active = self.deployments.registry.promotions(promotion.revision.service, active_only=True)
        return next((found for found in active if found.id == promotion.id), promotion)


def _read(path: Path, name: RevisionName) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise ConflictError(
            f"{name} has no {path.parent.name}/{path.name}", hint="write it, commit, and deploy the next revision"
        ) from None
