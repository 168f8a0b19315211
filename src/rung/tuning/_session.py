"""`rung tune`: proposes trials, runs them side by side, goes on where it was stopped, and judges the winner.

Trial k is proposed once all trials up to k - N have ended, N being `parallel`, and by those alone. The defaults go
first, alone: they fill the cache for the others, and when they fail there is nothing to tune.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, Protocol

from rung.compute.installed import installed_environment
from rung.errors import CallError, ConflictError, TaskError
from rung.testing import goal_of, import_part, load_service_tests
from rung.training import Experiment, mirror_soon
from rung.training import _kept as kept
from rung.training._experiment import read_settings
from rung.training._memo import package_digest
from rung.tuning._evidence import Pair
from rung.tuning._kit import Kit
from rung.tuning._propose import propose_patch
from rung.tuning._runs import Ended, Runs, Started
from rung.tuning._space import SEED, declared
from rung.tuning._storage import names
from rung.tuning._study import Spec, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from rung.compute.protocol import Compute, Handle
    from rung.testing import ServiceTests
    from rung.training import RunRecord
    from rung.tuning._pruning import Pruner
    from rung.tuning._study import Tried
    from rung.workspace import Workspace

__all__ = ["Listener", "Order", "Session"]

_STOPPED = "it was stopped"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


class Listener(Protocol):
    """Is told what happens."""

    def __call__(self, study: Study, *, ended: Tried | None, running: int) -> None:
        """Tell that a trial ended, or with None that something else has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for; None stands for what the study has, or for the usual."""

    service: str
    study: str | None = None
    metric: str | None = None
    seed: int | None = None
    parallel: int | None = None  # trials side by side
    compute: Literal["local", "ray"] | None = None  # where trials run
    pruner: Pruner | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    seeds: int | None = None  # further ones by which the winner is judged

    def named(self, known: Collection[str]) -> Order:
        """Give the study a name that is free, where none was said.

        Raises:
            CallError: The name that was said cannot be one.
        """
        if self.study is None:
            free = (f"{self.service}-{number}" for number in count(1))
            return replace(self, study=next(name for name in free if name not in known))
        if not _NAME.fullmatch(self.study):
            raise CallError(
                f"{self.study!r} is no name of a study", hint="letters, digits, - and _ make one, 60 at the most"
            )
        return self

    def spec(self, workspace: Workspace, experiment: Any, tests: ServiceTests, *, parallel: int) -> Spec:
        """Make the study that is asked for.

        Raises:
            CallError: Nothing can be tuned, a setting does not fit, or the metric is not known.
        """
        model = experiment.hyperparameters
        space = declared(model, fixed=self.settings)
        base = getattr(read_settings(model, self.settings), SEED, None)
        metric, goal = _metric(tests, self.metric)
        return Spec(
            name=self.study or "",
            service=self.service,
            metric=metric,
            goal=goal,
            seed=self.seed or 0,
            parallel=parallel,
            compute=self.compute or "local",
            pruner=self.pruner or "median",
            settings=dict(self.settings),
            space=space,
            base_seed=base,
            seeds=0 if base is None else 5 if self.seeds is None else self.seeds,
            code=package_digest(workspace.experiments / self.service),
            environment=installed_environment().digest,
        )

    def check(self, spec: Spec, workspace: Workspace) -> None:
        """Hold a study that is to go on against what is asked for.

        Raises:
            ConflictError: It is another service's, was begun with something else, or with other code.
        """
        asked = {
            "service": self.service,
            "metric": self.metric,
            "seed": self.seed,
            "parallel": self.parallel,
            "compute": self.compute,
            "pruner": self.pruner,
            "settings": dict(self.settings) or None,
            "seeds": self.seeds,
        }
        for name, value in asked.items():
            if value is not None and value != getattr(spec, name):
                raise ConflictError(
                    f"{spec.name} was begun with {name} {getattr(spec, name)!r}, not {value!r}",
                    hint="leave it away to go on, or begin another study under another name",
                )
        if package_digest(workspace.experiments / self.service) != spec.code:
            raise ConflictError(
                f"the code of {self.service} has changed since {spec.name} began",
                hint="trials of other code cannot be compared: begin another study under another name",
            )
        if installed_environment().digest != spec.environment:
            raise ConflictError(f"other packages are installed than when {spec.name} began", hint="begin another study")


@dataclass(slots=True, kw_only=True)
class Session:
    """One process that goes on with a study."""

    study: Study
    experiment: Experiment
    runs: Runs
    tell: Listener
    _running: dict[str, Started] = field(default_factory=dict)
    """By run."""
    _numbers: dict[str, int] = field(default_factory=dict)
    """Of the trials that run; what judges the winner has none."""

    @classmethod
    def open(
        cls, workspace: Workspace, order: Order, *, compute: Callable[[str], Compute], processors: int, tell: Listener
    ) -> Session:
        """Begin the study that is asked for, or go on with it.

        Args:
            workspace: Where the service is.
            order: What is asked for.
            compute: Gives what trials run on, `local` or `ray`.
            processors: Of this machine.
            tell: Is told what happens.

        Raises:
            CallError: It cannot be made.
            ConflictError: It cannot go on.
        """
        kept.require(workspace)
        tests = load_service_tests(workspace, order.service)
        experiment = _experiment(tests)
        known = Study.open(workspace, order.study) if order.study in names(workspace) else None
        if known is not None:
            order.check(known.spec, workspace)
        spec = known.spec if known else order.spec(workspace, experiment, tests, parallel=order.parallel or processors)
        place, hardware = compute(spec.compute), tests.infrastructure.training
        kit = None
        if spec.compute == "ray":
            kit = Kit.make(workspace, order.service, spec.name, is_new=known is None)
        runs = Runs(
            workspace=workspace,
            service=order.service,
            study=spec.name,
            compute=place,
            hardware=hardware,
            threads=hardware.vcpus if spec.compute == "ray" else max(1, processors // spec.parallel),
            kit=kit,
        )
        study = known or Study.create(workspace, spec)
        return cls(study=study, experiment=experiment, runs=runs, tell=tell)

    def run(self, trials: int, *, until: float | None = None) -> None:
        """Run trials until there are so many, then judge the winner; what is stopped is kept, and can go on.

        Args:
            trials: Of the study, those of before included.
            until: No trial begins after this instant of the monotonic clock.

        Raises:
            TaskError: The defaults fail.
        """
        try:
            self._adopt()
            self._fill(trials, until)
            while self._running:
                if self._look():
                    self._fill(trials, until)
            self._judge()
            mirror_soon(self.runs.workspace)
        except BaseException:
            self._stop()
            raise
        finally:
            self.runs.close()

    # --- trials ---

    def _adopt(self) -> None:
        """Find the trials of an earlier process again; those that were cut off run once more."""
        trials = self.study.trials()
        if trials and trials[0].state != "running":
            self.runs.share(trials[0].run)
        for one in trials:
            if one.state != "running":
                continue
            found = None if one.handle is None else self.runs.adopt(self._as_started(one))
            if found is None:
                self._start(one)
                continue
            started = found.started if isinstance(found, Ended) else found
            self._running[started.run], self._numbers[started.run] = started, one.number
            if isinstance(found, Ended):
                self._end(found)

    def _as_started(self, one: Tried) -> Started:
        settings = self._settings(one.values)
        return Started(run=one.run, name=self._name(one.number), settings=settings, handle=one.handle or {})

    def _fill(self, trials: int, until: float | None) -> None:
        """Begin what may begin."""
        while len(self._running) < self.study.spec.parallel:
            known = self.study.trials()
            is_late = until is not None and time.monotonic() > until
            if len(known) >= trials or is_late or not self.study.may_propose(known):
                return
            self._start(self.study.propose(known))

    def _start(self, one: Tried) -> None:
        spec = self.study.spec
        limits = self.study.limits(one.number, self.study.trials())
        order = {"goal": spec.goal, "limits": sorted(limits.items())}

        def record(run: str, handle: Handle) -> None:
            self.study.begin(one.number, run, handle)

        started = self.runs.start(self._name(one.number), self._settings(one.values), order, record)
        self._running[started.run], self._numbers[started.run] = started, one.number
        self.tell(self.study, ended=None, running=len(self._running))

    def _look(self) -> list[Ended]:
        found = self.runs.ended(list(self._running.values()))
        for ended in found:
            self._end(ended)
        return found

    def _end(self, ended: Ended) -> None:
        del self._running[ended.started.run]
        number = self._numbers.pop(ended.started.run, None)
        if number is None:
            return
        if number == 0:
            self.runs.share(ended.record.id)
        told = self.study.end(number, ended.record)
        self.tell(self.study, ended=told, running=len(self._running))
        if number == 0 and told.state == "failed":
            raise TaskError(
                f"the defaults of {self.study.spec.service} fail: {told.because}",
                hint=f"`rung runs show {told.run}` tells more; mend them first",
            )

    def _stop(self) -> None:
        """End what runs; its trials run again when the study goes on."""
        for number in self._numbers.values():
            self.study.forget(number)
        self.runs.stop(list(self._running.values()), because=_STOPPED)

    # --- the winner ---

    def _judge(self) -> None:
        """Train winner and defaults again with further seeds, and write the winner as a change of the defaults."""
        winner = self.study.winner()
        if not winner or self.study.evidence is not None:
            return
        self.study.keep_proposal(propose_patch(self.runs.workspace, self.experiment.hyperparameters, winner))
        settings = {"defaults": self._settings({}), "winner": self._settings(winner)}
        waiting = [(which, seed) for seed in self._seeds() for which in settings]
        begun: dict[str, tuple[str, int]] = {}
        records: dict[tuple[str, int], RunRecord] = {}
        while waiting or self._running:
            while waiting and len(self._running) < self.study.spec.parallel:
                which, seed = waiting.pop(0)
                run = self._start_again(f"{which}-{seed}", {**settings[which], SEED: str(seed)})
                begun[run] = (which, seed)
            records |= {begun[ended.started.run]: ended.record for ended in self._look()}
        self.study.keep_pairs([self._pair(seed, records) for seed in self._seeds()])

    def _start_again(self, name: str, settings: Mapping[str, str]) -> str:
        order: dict[str, Any] = {"goal": self.study.spec.goal, "limits": []}
        started = self.runs.start(f"{self.study.spec.name}#{name}", settings, order, lambda _run, _handle: None)
        self._running[started.run] = started
        self.tell(self.study, ended=None, running=len(self._running))
        return started.run

    def _seeds(self) -> list[int]:
        spec = self.study.spec
        return [] if spec.base_seed is None else [spec.base_seed + 1 + number for number in range(spec.seeds)]

    def _pair(self, seed: int, records: Mapping[tuple[str, int], RunRecord]) -> Pair:
        defaults, winner = (records[which, seed] for which in ("defaults", "winner"))
        metric = self.study.spec.metric
        return Pair(
            seed=seed,
            defaults=defaults.metrics.get(metric),
            winner=winner.metrics.get(metric),
            runs=(defaults.id, winner.id),
        )

    # --- names ---

    def _name(self, number: int) -> str:
        return f"{self.study.spec.name}#{number}"

    def _settings(self, values: Mapping[str, Any]) -> dict[str, str]:
        return {**self.study.spec.settings, **{name: _as_text(value) for name, value in values.items()}}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _experiment(tests: ServiceTests) -> Experiment:
    module = import_part(tests.service, "train.main")
    experiment = getattr(module, "experiment", None)
    if not isinstance(experiment, Experiment):
        raise CallError(f"{module.__name__} has no experiment", hint="write experiment = Experiment(load_data, ...)")
    experiment.check()
    return experiment


def _metric(tests: ServiceTests, wanted: str | None) -> tuple[str, Any]:
    """Choose the data test that is tuned: the one asked for, the only one, or that of the deciding business metric."""
    known = {name: goal_of(test) for name, test in tests.data.items()}
    decides = next((one.name for one in tests.ab_test.metrics if one.role == "decision"), None)
    name = wanted or (next(iter(known)) if len(known) == 1 else decides)
    if name not in known:
        said = f"there is no data test {wanted!r}" if wanted else f"no data test is named like the metric {decides!r}"
        raise CallError(said, hint=f"say --metric with one of {', '.join(known) or 'none: write one in tests/data.py'}")
    return name, known[name]
