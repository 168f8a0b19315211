"""Promotions: facts from jobs, servers and the lake; one decision; its effect. The same again after any crash."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.control._deploy import Deployments, write_plan
from rung.control.servers import clean_environment, revision_environment, thread_limits
from rung.errors import ConflictError, RungError
from rung.lifecycle import (
    Crown,
    ExperimentFacts,
    Gate,
    PromotionFacts,
    Reject,
    StartExperiment,
    StartGate,
    State,
    Verdict,
    VerdictKind,
    Wait,
    check_move,
    decide,
    judge_data,
    judge_experiment,
    judge_load,
    judge_regression,
    was_disturbed,
)
from rung.schema import ABTest, RevisionName, parse_specification
from rung.serving import Bundle, read_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from rung.lake import ArmSums, Lake
    from rung.lifecycle import Decision
    from rung.registry import Experiment, Promotion, Revision

_log = structlog.get_logger("rung.control")

GATE_DEADLINE = timedelta(minutes=20)
SERVER_PATIENCE = timedelta(seconds=60)
_LOOK_EVERY_S = 1.0
_LOADS = ("load", "load-2", "load-3")  # a load test that a busy machine disturbed is repeated, twice at most
_KILLED = (None, 137, 143)  # exit codes of a job that somebody killed: it is run again, within the gate's deadline


@dataclass(slots=True)
class Promotions:
    """Drives all attempts that are under way."""

    deployments: Deployments
    lake: Lake
    gateway_url: str
    keep_warm: timedelta
    _down_since: dict[RevisionName, datetime] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds of the last look, by experiment."""

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
        self._stop_jobs(promotion)
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
            experiment=self._experiment(promotion),
            server_down_since=self._down(name, now),
            server_patience=SERVER_PATIENCE,
        )

    def _down(self, name: RevisionName, now: datetime) -> datetime | None:
        ready, _ = self.deployments.servers.is_ready(str(name))
        if ready:
            self._down_since.pop(name, None)
            return None
        return self._down_since.setdefault(name, now)

    # --- gates ---

    def _collect_verdict(self, promotion: Promotion) -> None:
        """Start or read the job of the gate that is under way, and keep its verdict."""
        if promotion.gate is None or any(verdict.gate == promotion.gate for verdict in promotion.verdicts):
            return
        verdict = self._run_gate(promotion, Gate(promotion.gate))
        if verdict is not None:
            self.deployments.registry.add_verdict(promotion, verdict)

    def _run_gate(self, promotion: Promotion, gate: Gate) -> Verdict | None:
        name = promotion.revision
        url = self._url(name)
        match gate:
            case Gate.REGRESSION:
                ended = self._run(promotion, gate, self._test_command(name, "regression", "--url", url))
                return self._verdict(gate, ended, lambda found: judge_regression(found["tests"]))
            case Gate.DATA:
                reference = self._reference(name)
                known = ",".join(self._bundle(reference).data_tests)
                asked = ("--url", url, "--reference", self._url(reference), "--reference-tests", known)
                ended = self._run(promotion, gate, self._test_command(name, "data", *asked))
                return self._verdict(
                    gate, ended, lambda found: judge_data(found["tests"], reference=str(reference), rows=found["rows"])
                )
            case Gate.LOAD:
                return self._load(promotion, url)
            case Gate.EXPERIMENT:
                return None

    def _load(self, promotion: Promotion, url: str) -> Verdict | None:
        """Draw the requests in the revision's environment, then send them from the load tester's own."""
        drawn = self._run(promotion, "requests", self._test_command(promotion.revision, "requests"))
        if drawn is None or isinstance(drawn, str):
            return self._verdict(Gate.LOAD, drawn, lambda _: None)
        plan = self._job(promotion, "requests").result_file.with_name("plan.json")
        if not plan.is_file():
            write_plan(plan, drawn["plan"])
        place = self.deployments.place
        argv = (
            *(sys.executable, "-m", "rung.testing.load", "--plan", str(plan), "--url", url),
            *("--environments", str(place.environments)),
        )
        command = _Command(argv, place.workspace.root, clean_environment(os.environ))
        for kind in _LOADS[:-1]:
            ended = self._run(promotion, kind, command)
            verdict = self._verdict(Gate.LOAD, ended, lambda found: judge_load(found, drawn["limits"]))
            if verdict is None or verdict.kind is VerdictKind.PASS or not isinstance(ended, dict):
                return verdict
            if not was_disturbed(ended):
                return verdict
        ended = self._run(promotion, _LOADS[-1], command)
        return self._verdict(Gate.LOAD, ended, lambda found: judge_load(found, drawn["limits"]))

    def _run(self, promotion: Promotion, kind: str, command: _Command) -> dict[str, Any] | str | None:
        """Give what a job found, as text why it found nothing, or None while it runs."""
        job = self._job(promotion, kind)
        state = job.state()
        if isinstance(state, Ended) and state.exit_code in _KILLED:
            job.clear()
            state = "absent"
        if state == "absent":
            argv = (*command.argv, "--result", str(job.result_file))
            job.start(local.Command(argv=argv, folder=command.folder, environment=command.environment))
            return None
        if not isinstance(state, Ended):
            return None
        found = job.result()
        if state.exit_code != 0 or found is None:
            lines = [line for line in job.log_tail(5) if line.strip()]
            return f"its job ended with exit code {state.exit_code}: {lines[-1] if lines else 'it wrote nothing'}"
        return found

    def _verdict(self, gate: Gate, ended: dict[str, Any] | str | None, judge: Any) -> Verdict | None:
        if ended is None:
            return None
        if isinstance(ended, str):
            return Verdict(gate=gate, kind=VerdictKind.FAIL, because=ended)
        verdict: Verdict | None = judge(ended)
        return verdict

    def _test_command(self, name: RevisionName, kind: str, *more: str) -> _Command:
        place = self.deployments.place
        python = self.deployments.environment(name).python
        argv = (str(python), "-m", "rung.testing.gate", kind, "--service", name.service, *more)
        return _Command(argv, place.source(name), {**revision_environment(place, name), **thread_limits(1)})

    def _job(self, promotion: Promotion, kind: str) -> Job:
        return self.deployments.job(promotion.revision, f"promotion-{promotion.id}/{kind}")

    def _stop_jobs(self, promotion: Promotion) -> None:
        for kind in (Gate.REGRESSION, Gate.DATA, "requests", *_LOADS):
            self._job(promotion, kind).stop(grace_s=1.0)

    # --- the A/B test ---

    def _experiment(self, promotion: Promotion) -> ExperimentFacts | None:
        experiment = next(
            (found for found in self.deployments.registry.experiments() if found.promotion == promotion.id), None
        )
        if experiment is None:
            return None
        test = ABTest.model_validate(experiment.design)
        try:
            verdict, progress = self._look(promotion, experiment, test)
        except RungError as error:
            verdict, progress = None, f"its evidence cannot be read now: {error}"
        return ExperimentFacts(
            id=experiment.id, started=experiment.started, deadline=test.deadline, verdict=verdict, progress=progress
        )

    def _look(self, promotion: Promotion, experiment: Experiment, test: ABTest) -> tuple[Verdict | None, str]:
        known = next((verdict for verdict in promotion.verdicts if verdict.gate is Gate.EXPERIMENT), None)
        if known is not None:
            return known, known.because
        if time.monotonic() - self._looked.get(experiment.id, -_LOOK_EVERY_S) < _LOOK_EVERY_S:
            return None, str((experiment.look or {}).get("progress", "it has just begun"))
        self.lake.ship()
        sums = {metric.name: self._sums(experiment, metric.name) for metric in test.metrics}
        assert test.decision is not None  # noqa: S101  checked when the promotion began
        deciding = sums[test.decision.name]
        verdict, progress, figures = judge_experiment(
            test=test,
            challenger=deciding["challenger"].arm(test.decision.kind),
            incumbent=deciding["incumbent"].arm(test.decision.kind),
            exposed={arm: deciding[arm].exposed for arm in ("challenger", "incumbent")},
            guardrails={
                rail.name: (sums[rail.name]["challenger"].arm(rail.kind), sums[rail.name]["incumbent"].arm(rail.kind))
                for rail in test.guardrails
            },
        )
        registry = self.deployments.registry
        registry.keep_look(experiment.id, {**figures, "progress": progress})
        if verdict is not None:
            registry.add_verdict(promotion, verdict)
        self._looked[experiment.id] = time.monotonic()
        return verdict, progress

    def _sums(self, experiment: Experiment, metric: str) -> dict[str, ArmSums]:
        return self.lake.arms(experiment.id, metric=metric, since=experiment.started)

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

    def _url(self, name: RevisionName) -> str:
        return f"{self.gateway_url}/{name.service}/v{name.major}/m{name.minor}"

    def _fresh(self, promotion: Promotion) -> Promotion:
        active = self.deployments.registry.promotions(promotion.revision.service, active_only=True)
        return next((found for found in active if found.id == promotion.id), promotion)


@dataclass(frozen=True, slots=True)
class _Command:
    """A job's program, before its result file is known."""

    argv: tuple[str, ...]
    folder: Path
    environment: dict[str, str]


def _read(path: Path, name: RevisionName) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        raise ConflictError(
            f"{name} has no {path.parent.name}/{path.name}", hint="write it, commit, and deploy the next revision"
        ) from None
