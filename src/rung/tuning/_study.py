"""A study: what is tuned and how, its trials, and what they showed. Optuna keeps it; nothing else of it is kept.

A proposal depends on the study's seed, the trial's number and the results of the trials up to `parallel` before it, and
on nothing else: not on which of the trials side by side was faster, nor on whether the study was stopped in between.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rung.errors import NotFoundError
from rung.tuning import _pruning
from rung.tuning._evidence import Evidence, Pair, judge
from rung.tuning._space import Parameter, Space
from rung.tuning._storage import names, open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import optuna

    from rung.training import RunRecord
    from rung.tuning._pruning import Goal, Pruner
    from rung.workspace import Workspace

__all__ = ["Spec", "Study", "Tried", "names"]

State: TypeAlias = Literal["running", "succeeded", "failed", "pruned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a study is about; it stays the same to its end."""

    name: str  # "housing-1"
    service: str
    metric: str
    goal: Goal
    seed: int
    parallel: int  # trials that are proposed without knowing of each other
    compute: Literal["local", "ray"]  # where trials run
    pruner: Pruner
    settings: dict[str, str]  # hyperparameters of all trials
    space: Space
    base_seed: int | None  # of the runs; None where the model has no seed
    seeds: int  # further ones by which the winner is judged
    code: str  # digest of the service's package
    environment: str  # digest of what is installed

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {**found, "space": self.space.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spec:
        """Read what `to_json` gave."""
        return cls(**{**value, "space": Space.from_json(value["space"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One trial."""

    number: int
    state: State
    values: Mapping[str, Any]  # by parameter
    value: float | None = None  # of the metric
    run: str = ""
    because: str = ""
    seconds: float = 0.0
    failed_tests: tuple[str, ...] = ()
    reports: Mapping[int, float] = field(default_factory=dict)  # by step
    handle: Mapping[str, Any] | None = None  # of its process, while it runs

    def to_json(self) -> dict[str, Any]:
        """Give it for programs."""
        hidden = {"handle", "reports"}
        found = {name: getattr(self, name) for name in self.__slots__ if name not in hidden}
        return {**found, "reports": [[step, value] for step, value in sorted(self.reports.items())]}


class Study:
    """One study of a workspace."""

    def __init__(self, kept: optuna.Study, spec: Spec) -> None:
        self._kept = kept
        self.spec = spec

    @classmethod
    def create(cls, workspace: Workspace, spec: Spec) -> Study:
        """Begin a study."""
        import optuna  # noqa: PLC0415  the extra `tune`

        kept = optuna.create_study(
            storage=open_storage(workspace, spec.name), study_name=spec.name, direction=spec.goal
        )
        kept.set_user_attr("spec", spec.to_json())
        return cls(kept, spec)

    @classmethod
    def open(cls, workspace: Workspace, name: str) -> Study:
        """Open a study.

        Raises:
            NotFoundError: There is none of that name.
        """
        known = names(workspace)
        if name not in known:
            told = ", ".join(known[-5:]) or "none yet"
            raise NotFoundError(f"there is no study {name!r}", hint=f"the newest are: {told}; `rung tune list` has all")
        import optuna  # noqa: PLC0415  the extra `tune`

        kept = optuna.load_study(study_name=name, storage=open_storage(workspace, name))
        return cls(kept, Spec.from_json(kept.user_attrs["spec"]))

    def trials(self) -> list[Tried]:
        """Give the trials that have begun, in order."""
        return [_tried(one) for one in self._kept.get_trials(deepcopy=False) if one.state.name != "WAITING"]

    def may_propose(self, trials: Sequence[Tried]) -> bool:
        """Tell whether all that the next proposal depends on has ended; the defaults go first, alone."""
        last = max(0, len(trials) - self.spec.parallel)
        return all(one.state != "running" for one in trials[: last + 1])

    def propose(self, trials: Sequence[Tried]) -> Tried:
        """Begin the next trial: the defaults first, then what TPE makes of those that it may know.

        Others, which run or ended meanwhile, it knows as running: their places are not tried again ("constant liar").
        """
        import optuna  # noqa: PLC0415  the extra `tune`

        number = len(trials)
        ranges = {one.name: one.distribution() for one in self.spec.space.parameters}
        if number == 0:
            values = {one.name: one.default for one in self.spec.space.parameters if one.holds(one.default)}
        else:
            seed = int.from_bytes(hashlib.sha256(f"{self.spec.seed} {number}".encode()).digest()[:4])
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
            known = optuna.create_study(direction=self.spec.goal, sampler=sampler)
            known.add_trials([_as_known(one, ranges, self.spec, number=number) for one in trials])
            values = known.ask(ranges).params
        self._kept.enqueue_trial(values)
        trial = self._kept.ask(ranges)
        return Tried(number=trial.number, state="running", values=trial.params)

    def limits(self, number: int, trials: Sequence[Tried]) -> dict[int, float]:
        """Give what a trial must have reached at each step, from the trials that its proposal knew of."""
        known = [one.reports for one in trials if one.number <= number - self.spec.parallel]
        return _pruning.limits(self.spec.pruner, self.spec.goal, known)

    def begin(self, number: int, run: str, handle: Mapping[str, Any]) -> None:
        """Put on record which process runs a trial."""
        self._trial(number).set_user_attr("run", run)
        self._trial(number).set_user_attr("handle", dict(handle))

    def forget(self, number: int) -> None:
        """Put on record that a trial has to run again: it was stopped."""
        self._trial(number).set_user_attr("handle", None)

    def end(self, number: int, run: RunRecord) -> Tried:
        """Keep how a trial ended."""
        import optuna  # noqa: PLC0415  the extra `tune`

        trial, states = self._trial(number), optuna.trial.TrialState
        for step, reported in _reported(run).items():
            trial.report(reported, step)
        value = run.metrics.get(self.spec.metric)
        because = run.error or ""
        if run.status == "succeeded" and value is None:
            because = f"{self.spec.metric} gave no number"
        facts = {"run": run.id, "because": because, "seconds": run.seconds, "failed_tests": run.failed_tests}
        for name, fact in facts.items():
            trial.set_user_attr(name, fact)
        if run.status == "succeeded" and value is not None:
            self._kept.tell(trial, value)
        else:
            self._kept.tell(trial, state=states.PRUNED if run.status == "pruned" else states.FAIL)
        return self.trials()[number]

    def best(self) -> Tried | None:
        """Give the best trial that fails no test which the defaults pass."""
        trials = self.trials()
        allowed = set(trials[0].failed_tests) if trials else set()
        sign = 1 if self.spec.goal == "maximize" else -1
        fitting = [one for one in trials if one.value is not None and not set(one.failed_tests) - allowed]
        return max(fitting, key=lambda one: (sign * (one.value or 0.0), -one.number), default=None)

    def winner(self) -> dict[str, Any]:
        """Give the values of the best trial that are not the defaults, with the digits that a person would write."""
        best = self.best()
        if best is None or best.number == 0:
            return {}
        rounded = {one.name: one.rounded(best.values[one.name]) for one in self.spec.space.parameters}
        return {one.name: rounded[one.name] for one in self.spec.space.parameters if rounded[one.name] != one.default}

    def importances(self) -> dict[str, float]:
        """Tell how much each parameter mattered, in shares (PED-ANOVA); nothing before enough trials differ."""
        import optuna  # noqa: PLC0415  the extra `tune`

        values = {one.value for one in self.trials() if one.value is not None}
        if len(values) < 2:  # noqa: PLR2004  nothing differs
            return {}
        found = optuna.importance.get_param_importances(self._kept)
        return {name: float(share) for name, share in found.items()}

    @property
    def pairs(self) -> list[Pair]:
        """Winner and defaults with further seeds; none before they have run for the winner of now."""
        judged = self._kept.user_attrs.get("judged")
        if judged is None or judged["winner"] != self.winner():
            return []
        return [Pair.from_json(one) for one in judged["pairs"]]

    def keep_pairs(self, pairs: Sequence[Pair]) -> None:
        """Keep what the winner was judged by."""
        self._kept.set_user_attr("judged", {"winner": self.winner(), "pairs": [one.to_json() for one in pairs]})

    @property
    def evidence(self) -> Evidence | None:
        """What the pairs say; None without any."""
        pairs = self.pairs
        return judge(pairs, self.spec.goal) if pairs else None

    @property
    def proposal(self) -> str:
        """The change of the defaults, as `git apply` takes it; empty where none was made."""
        return str(self._kept.user_attrs.get("proposal", ""))

    def keep_proposal(self, patch: str) -> None:
        """Keep the change of the defaults."""
        self._kept.set_user_attr("proposal", patch)

    def to_json(self) -> dict[str, Any]:
        """Give all of it for programs."""
        best, evidence, spec = self.best(), self.evidence, self.spec.to_json()
        return {
            **spec,
            "trials": [one.to_json() for one in self.trials()],
            "best": None if best is None else best.to_json(),
            "importances": self.importances(),
            "winner": self.winner(),
            "pairs": [one.to_json() for one in self.pairs],
            "evidence": None if evidence is None else {name: getattr(evidence, name) for name in evidence.__slots__},
            "proposal": self.proposal,
        }

    def parameter(self, name: str) -> Parameter:
        """Give a parameter by its name."""
        return next(one for one in self.spec.space.parameters if one.name == name)

    def _trial(self, number: int) -> optuna.Trial:
        import optuna  # noqa: PLC0415  the extra `tune`

        return optuna.Trial(self._kept, self._kept.get_trials(deepcopy=False)[number]._trial_id)  # noqa: SLF001  no other way


def _tried(trial: optuna.trial.FrozenTrial) -> Tried:
    states: dict[str, State] = {"COMPLETE": "succeeded", "FAIL": "failed", "PRUNED": "pruned"}
    known = trial.user_attrs
    state = states.get(trial.state.name, "running")
    return Tried(
        number=trial.number,
        state=state,
        values=trial.params,
        value=trial.value if state == "succeeded" else None,
        run=known.get("run", ""),
        because=known.get("because", ""),
        seconds=known.get("seconds", 0.0),
        failed_tests=tuple(known.get("failed_tests", ())),
        reports=trial.intermediate_values,
        handle=known.get("handle"),
    )


def _as_known(
    trial: Tried, ranges: Mapping[str, optuna.distributions.BaseDistribution], spec: Spec, *, number: int
) -> optuna.trial.FrozenTrial:
    """Give a trial as the proposal of a later one knows it."""
    from optuna.trial import TrialState, create_trial  # noqa: PLC0415  the extra `tune`

    states = {"succeeded": TrialState.COMPLETE, "failed": TrialState.FAIL, "pruned": TrialState.PRUNED}
    is_known = trial.number == 0 or trial.number <= number - spec.parallel
    return create_trial(
        state=states[trial.state] if is_known else TrialState.RUNNING,
        value=trial.value if is_known else None,
        params=dict(trial.values),
        distributions=dict(ranges),
        intermediate_values=dict(trial.reports) if is_known else {},
    )


def _reported(run: RunRecord) -> dict[int, float]:
    return {int(step): value for task in run.tasks for step, value in task.reports}
