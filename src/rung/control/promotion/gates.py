"""The gates before traffic: each one's job in the candidate's own environment, and its figures judged.

A job that was killed is run again, and so is one that failed while the gateway went away, or the server of the revision
that it compares with: that says nothing of the candidate. What a gate found is judged by `lifecycle`, never here.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.compute.threads import thread_limits
from rung.control.deployment.deployments import write_plan
from rung.control.machines import is_here
from rung.control.promotion.papers import read_ab_test, read_specification
from rung.control.promotion.recorded import read_plan, replay_plan, with_mapped
from rung.control.servers import GATEWAY, clean_environment, revision_environment
from rung.errors import GatewayError
from rung.lake._privacy import privacy_of
from rung.lifecycle import (
    DataFacts,
    Gate,
    RegressionFacts,
    ReplayLimits,
    Verdict,
    VerdictKind,
    compare_tests,
    judge_contracts,
    judge_data,
    judge_load,
    judge_regression,
    judge_replay,
    skip_replay,
    was_disturbed,
)
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rung.control.deployment.deployments import Deployments
    from rung.control.place import Place
    from rung.control.promotion.contracts import Contracts
    from rung.gateway import Gateway
    from rung.lake import Lake
    from rung.registry import Promotion, Registry
    from rung.schema import RevisionName
    from rung.serving import Bundle

REPEATED: Final = "gate_repeated"
"""The event of a gate that is run again, because what failed was not the candidate."""
_LOADS = ("load", "load-2", "load-3")  # a load test that a busy machine disturbed is repeated, twice at most
_CONTRACTS = "contracts"
_ASKING: Final[Mapping[Gate, Sequence[str]]] = {
    Gate.REGRESSION: (Gate.REGRESSION, _CONTRACTS),
    Gate.DATA: (Gate.DATA,),
    Gate.LOAD: _LOADS,
}
"""The jobs of a gate that ask the candidate through the gateway."""
_SEEN_WITHIN_S = 60.0  # by the gateway: until then a server that comes up again has its time
_KILLED = (None, 137, 143)  # exit codes of a job that somebody killed: it is run again, within the gate's deadline


@dataclass(frozen=True, slots=True)
class Gates:
    """Runs the jobs of all gates."""

    deployments: Deployments
    gateway: Gateway
    lake: Lake
    contracts: Contracts
    _unseen: dict[int, float] = field(default_factory=dict)
    """Since when the gateway does not find the candidate of an attempt healthy (monotonic seconds)."""

    def look(
        self, promotion: Promotion, gate: Gate, reference_of: Callable[[RevisionName], RevisionName]
    ) -> Verdict | None:
        """Start or read the job of a gate; None while it runs.

        Args:
            promotion: The attempt.
            gate: Which.
            reference_of: Gives the revision to compare with.
        """
        name = promotion.revision
        match gate:
            case Gate.REGRESSION:
                return self._undisturbed(promotion, gate, lambda: self._regression(promotion, reference_of(name)))
            case Gate.DATA:
                reference = reference_of(name)
                return self._undisturbed(promotion, gate, lambda: self._data(promotion, reference), reference)
            case Gate.REPLAY:
                return self._replay(promotion)
            case Gate.LOAD:
                return self._undisturbed(promotion, gate, lambda: self._load(promotion, self._url(name)))
            case Gate.APPROVAL | Gate.SHADOW | Gate.EXPERIMENT:
                return None

    def _undisturbed(
        self, promotion: Promotion, gate: Gate, look: Callable[[], Verdict | None], *others: RevisionName
    ) -> Verdict | None:
        """Look at a gate that asks the gateway; run it again when that went away.

        Args:
            promotion: The attempt.
            gate: Which.
            look: Starts or reads its jobs.
            others: Revisions that it asks beside the candidate; their servers are not the candidate's fault either.
        """
        verdict = look()
        if verdict is None or verdict.kind is VerdictKind.PASS:
            return verdict
        jobs = [self._job(promotion, kind) for kind in _ASKING[gate]]
        away = self._was_away(jobs, GATEWAY, *map(str, others))
        if away is None:
            return verdict
        if all(job.state() == "absent" or isinstance(job.state(), Ended) for job in jobs):
            told = f"{away} went away during its {gate} test, which is run again; it had found: {verdict.because}"
            self.deployments.registry.record_event(REPEATED, str(promotion.revision), because=told, actor="rung")
            for job in jobs:
                job.clear()
        return None

    def _is_seen(self, promotion: Promotion) -> bool:
        """Tell whether the gateway passes requests to the candidate; one that it never would is tested all the same."""
        if self.deployments.servers.running(GATEWAY) is None:
            return False
        now = time.monotonic()
        try:
            if self.gateway.healthy(str(promotion.revision)):
                self._unseen.pop(promotion.id, None)
                return True
        except GatewayError:  # it has only just begun
            return False
        return now - self._unseen.setdefault(promotion.id, now) > _SEEN_WITHIN_S

    def _was_away(self, jobs: Sequence[Job], *names: str) -> str | None:
        """Name one of these processes that does not run, or began anew while one of the jobs ran."""
        begun = [process for job in jobs if (process := job.process()) is not None]
        handles = self.deployments.registry.processes()
        for name in names:
            if name not in handles or not is_here(handles[name]):
                continue
            running = self.deployments.servers.running(name)
            if running is None or any(one.boot != running.boot or one.started < running.started for one in begun):
                return "the gateway" if name == GATEWAY else f"the server of {name}"
        return None

    def _regression(self, promotion: Promotion, reference: RevisionName) -> Verdict | None:
        """Run the author's regression tests, and beside them hold the contracts of consumers."""
        name = promotion.revision
        command = self._test_command(name, "regression", "--url", self._url(name))
        ended, held = self._run(promotion, Gate.REGRESSION, command), self._held(promotion)
        if held is None or isinstance(held, str):
            return self._verdict(Gate.REGRESSION, held, lambda _: None)

        def judge(found: dict[str, Any]) -> Verdict:
            ours, theirs = self._bundles(name, reference)
            facts = RegressionFacts(
                candidate=str(name),
                reference=str(reference),
                changes=compare_tests(ours.regression_tests, theirs.regression_tests, ours.removed_tests),
                contracts=judge_contracts(self.contracts.declared(name, held["contracts"])),
            )
            return judge_regression(found["tests"], facts)

        return self._verdict(Gate.REGRESSION, ended, judge)

    def _held(self, promotion: Promotion) -> dict[str, Any] | str | None:
        """Hold the contracts that there are when the gate begins, in a job of the platform's environment."""
        plan = self._input(promotion, _CONTRACTS, "plan.json")
        if not plan.is_file():
            write_plan(plan, self.contracts.plan(promotion.revision))
        if not read_plan(plan)["contracts"]:
            return {"contracts": []}
        argv = (
            *(sys.executable, "-m", "rung.testing.contracts", "--plan", str(plan)),
            *("--url", self._url(promotion.revision)),
        )
        folder = self.deployments.place.workspace.root
        return self._run(promotion, _CONTRACTS, _Command(argv, folder, clean_environment(os.environ)))

    def _data(self, promotion: Promotion, reference: RevisionName) -> Verdict | None:
        """Score the data tests on both revisions, and judge them by what both are known to have been trained on."""
        name = promotion.revision
        ours, theirs = self._bundles(name, reference)
        changes = compare_tests(ours.data_tests, theirs.data_tests, ours.removed_tests)
        asked = ("--url", self._url(name), "--reference", str(reference), "--reference-url", self._url(reference))
        tests = ("--reference-tests", ",".join(sorted(changes.compared)))
        ended = self._run(promotion, Gate.DATA, self._test_command(name, "data", *asked, *tests))

        def judge(found: dict[str, Any]) -> Verdict:
            facts = DataFacts(
                candidate=str(name),
                reference=str(reference),
                rows=found["rows"],
                changes=changes,
                training_rows=found["training_rows"],
                seen_by_reference=found["seen_by_reference"],
                history=self._promoted(name),
                groups=found.get("groups", ()),
            )
            return judge_data(found["tests"], facts)

        return self._verdict(Gate.DATA, ended, judge)

    def _bundles(self, *names: RevisionName) -> list[Bundle]:
        return [read_bundle(self.deployments.place.workspace.state, str(name)) for name in names]

    def _promoted(self, name: RevisionName) -> list[tuple[str, Mapping[str, Any]]]:
        """Give the revisions of a major that were promoted, in order, with what the data gate had found."""
        attempts = self.deployments.registry.promotions(name.service)
        promoted = [one for one in attempts if one.outcome == "promoted" and one.revision.major == name.major]
        return [
            (str(one.revision), verdict.evidence)
            for one in sorted(promoted, key=lambda one: (one.ended is None, one.ended, one.id))
            for verdict in one.verdicts
            if verdict.gate is Gate.DATA
        ]

    def _replay(self, promotion: Promotion) -> Verdict | None:
        """Send recorded requests to the candidate's own server, past the gateway."""
        plan = self._replay_plan(promotion)
        if plan is None or isinstance(plan, Verdict):
            return plan
        name, place = promotion.revision, self.deployments.place
        argv = (
            *(sys.executable, "-m", "rung.testing.replay", "--plan", str(plan)),
            *("--endpoint", self.deployments.servers.endpoint_of(str(name))),
        )
        environment = {**clean_environment(os.environ), **self.deployments.servers.variables}
        command = _Command(argv, place.workspace.root, environment)
        level = read_specification(place, name).service_level
        limits = ReplayLimits(
            error_rate=level.error_rate,
            latency_p99_ms=level.latency_p99_ms,
            agreement=read_ab_test(place, name).replay_agreement,
        )
        ended = self._run(promotion, Gate.REPLAY, command)
        return self._verdict(Gate.REPLAY, ended, lambda found: judge_replay(found, limits))

    def _replay_plan(self, promotion: Promotion) -> Path | Verdict | None:
        """Give the file of what is replayed; None while it is made, and a verdict when there is nothing to replay."""
        name = promotion.revision
        plan, recorded = (self._input(promotion, Gate.REPLAY, f"{kind}.json") for kind in ("plan", "recorded"))
        if plan.is_file():
            return plan
        if not recorded.is_file():
            requests = self._recorded(name)
            if isinstance(requests, str):
                return skip_replay(requests)
            write_plan(recorded, requests)
        requests = read_plan(recorded)
        if requests["is_same_major"]:
            write_plan(plan, requests)
            return plan
        mapping = self._test_command(name, "replay-mapping", "--requests", str(recorded))
        mapped = self._run(promotion, "replay-mapping", mapping)
        if not isinstance(mapped, dict):
            return self._verdict(Gate.REPLAY, mapped, lambda _: None)
        if not mapped["declared"]:
            return skip_replay(
                f"no mapping declared: requests of {requests['major']} are not replayed, because schema/service.py has"
                " no upgrade_request"
            )
        write_plan(plan, with_mapped(requests, mapped))
        return plan

    def _recorded(self, name: RevisionName) -> dict[str, Any] | str:
        """Read recorded requests of a major, or of the one before while it has none; the reason when there are none."""
        wanted = read_ab_test(self.deployments.place, name).replay
        if not wanted:
            return "its service asks for no replay (replay=0)"
        privacy = privacy_of(self.deployments.place.workspace, name.service)
        if privacy is not None and (not privacy.keeps_requests or privacy.touches("prediction")):
            return f"requests and answers are not kept whole: [services.{name.service}.log] of rung.toml"
        self.lake.ship()
        majors = {one.name.major for one in self.deployments.registry.revisions(name.service)}
        before = sorted(major for major in majors if major < name.major)[-1:]
        for major in (name.major, *before):
            rows = self.lake.recent(name.service, major, wanted, sample=True)
            if rows:
                return replay_plan(rows, major=f"{name.service}.v{major}", is_same_major=major == name.major)
        return "there are no recorded requests yet"

    def _load(self, promotion: Promotion, url: str) -> Verdict | None:
        """Draw the requests in the revision's environment, then send them from the load tester's own."""
        drawn = self._run(promotion, "requests", self._test_command(promotion.revision, "requests"))
        if drawn is None or isinstance(drawn, str):
            return self._verdict(Gate.LOAD, drawn, lambda _: None)
        plan = self._input(promotion, "requests", "plan.json")
        if not plan.is_file():
            write_plan(plan, drawn["plan"])
        place = self.deployments.place
        argv = (
            *(sys.executable, "-m", "rung.testing.load", "--plan", str(plan), "--url", url),
            *("--environments", str(place.environments)),
        )
        command = _Command(argv, place.workspace.root, clean_environment(os.environ))

        def judge(found: dict[str, Any]) -> Verdict:
            memory = self.deployments.memory(promotion.revision)
            told = None if memory is None else {**memory.to_json(), "told": memory.told}
            return judge_load(found, drawn["limits"], told)

        for kind in _LOADS[:-1]:
            ended = self._run(promotion, kind, command)
            verdict = self._verdict(Gate.LOAD, ended, judge)
            if verdict is None or verdict.kind is VerdictKind.PASS or not isinstance(ended, dict):
                return verdict
            if not was_disturbed(ended):
                return verdict
        return self._verdict(Gate.LOAD, self._run(promotion, _LOADS[-1], command), judge)

    def _run(self, promotion: Promotion, kind: str, command: _Command) -> dict[str, Any] | str | None:
        """Give what a job found, as text why it found nothing, or None while it runs."""
        job = self._job(promotion, kind)
        state = job.state()
        if isinstance(state, Ended) and state.exit_code in _KILLED:
            job.clear()
            state = "absent"
        if state == "absent":
            if kind in chain.from_iterable(_ASKING.values()) and not self._is_seen(promotion):
                return None
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

    def _input(self, promotion: Promotion, kind: str, name: str) -> Path:
        """Name a file that a job reads."""
        return self._job(promotion, kind).result_file.with_name(name)

    def stop(self, promotion: Promotion) -> None:
        """Stop all jobs of an attempt."""
        _stop(self.deployments.place, promotion)

    def _url(self, name: RevisionName) -> str:
        """Give the URL of a revision by the gates' own door: no key and no rate limit stand before it."""
        return f"{self.gateway.door()}/{name.service}/v{name.major}/m{name.minor}"


def stop_jobs(place: Place, registry: Registry) -> None:
    """Stop the jobs of all attempts, as when a platform is stopped; the next control plane runs them again. Blocks."""
    for promotion in registry.promotions(active_only=True):
        _stop(place, promotion)


def _stop(place: Place, promotion: Promotion) -> None:
    for record in (place.revision(promotion.revision) / "jobs" / f"promotion-{promotion.id}").glob("*/job.json"):
        Job(record.parent).stop(grace_s=1.0)


@dataclass(frozen=True, slots=True)
class _Command:
    """A job's program, before its result file is known."""

    argv: tuple[str, ...]
    folder: Path
    environment: dict[str, str]
