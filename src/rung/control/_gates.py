"""The gates before traffic: each one's job in the candidate's own environment, and its figures judged.

A job that was killed is run again; what a gate found is judged by `lifecycle`, never here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.compute import local
from rung.compute.jobs import Ended, Job
from rung.control._deploy import write_plan
from rung.control.servers import clean_environment, revision_environment, thread_limits
from rung.lifecycle import (
    Gate,
    Verdict,
    VerdictKind,
    judge_data,
    judge_load,
    judge_regression,
    was_disturbed,
)
from rung.serving import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rung.control._deploy import Deployments
    from rung.registry import Promotion
    from rung.schema import RevisionName

_LOADS = ("load", "load-2", "load-3")  # a load test that a busy machine disturbed is repeated, twice at most
_KILLED = (None, 137, 143)  # exit codes of a job that somebody killed: it is run again, within the gate's deadline


@dataclass(frozen=True, slots=True)
class Gates:
    """Runs the jobs of all gates."""

    deployments: Deployments
    gateway_url: str

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
        url = self._url(name)
        match gate:
            case Gate.REGRESSION:
                ended = self._run(promotion, gate, self._test_command(name, "regression", "--url", url))
                return self._verdict(gate, ended, lambda found: judge_regression(found["tests"]))
            case Gate.DATA:
                reference = reference_of(name)
                known = ",".join(read_bundle(self.deployments.place.workspace.state, str(reference)).data_tests)
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

    def stop(self, promotion: Promotion) -> None:
        """Stop all jobs of an attempt."""
        for kind in (Gate.REGRESSION, Gate.DATA, "requests", *_LOADS):
            self._job(promotion, kind).stop(grace_s=1.0)

    def _url(self, name: RevisionName) -> str:
        return f"{self.gateway_url}/{name.service}/v{name.major}/m{name.minor}"


@dataclass(frozen=True, slots=True)
class _Command:
    """A job's program, before its result file is known."""

    argv: tuple[str, ...]
    folder: Path
    environment: dict[str, str]
