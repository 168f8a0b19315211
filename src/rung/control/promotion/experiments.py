"""A/B tests under way: their traffic split, what the lake holds at this look, and what `lifecycle` says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rung import gateway
from rung.control.promotion.bandits import joined, label_of, resumed
from rung.control.promotion.papers import read_specification
from rung.errors import ConflictError, NotFoundError, RungError
from rung.lake import Stretch as AuditStretch
from rung.lifecycle import (
    ExperimentFacts,
    Finding,
    Gate,
    SplitKind,
    Stretch,
    Verdict,
    VerdictKind,
    due_share,
    first_share,
    judge_experiment,
    judge_health,
    share_of_step,
    step_of,
)
from rung.schema import ABTest

if TYPE_CHECKING:
    from datetime import datetime

    from rung.control.place import Place
    from rung.control.promotion.bandits import Bandits
    from rung.control.promotion.health import Courses
    from rung.lake import Audit, Lake
    from rung.lifecycle import Split
    from rung.registry import Experiment, Promotion, Registry
    from rung.schema import RevisionName

_LOOK_EVERY_S = 1.0
_GROWTH = 1.02


@dataclass(slots=True)
class Experiments:
    """Begins, looks at and steers all A/B tests."""

    place: Place
    registry: Registry
    lake: Lake
    courses: Courses
    bandits: Bandits
    _looked: dict[int, float] = field(default_factory=dict)
    """Monotonic seconds of the last look, by attempt."""
    _seen: dict[int, tuple[object, ...]] = field(default_factory=dict)
    """What the last look saw: without news there is nothing to judge."""

    def begin(self, promotion: Promotion, incumbent: RevisionName, test: ABTest) -> None:
        """Give the challenger of an attempt its first share; one more arm of a bandit that runs gets an equal part."""
        share = first_share(test) if test.bandit is None else 0.5
        if promotion.joint:
            for running in self.registry.experiments(active_only=True):
                if running.incumbent == incumbent:
                    self.registry.join_experiment(promotion, running, shares=joined(running, promotion.revision))
                    return
        shares = _shares(share, str(promotion.revision), str(incumbent))
        self.registry.begin_experiment(promotion, incumbent, design=test.model_dump(mode="json"), shares=shares)

    def facts(self, promotion: Promotion, now: datetime) -> ExperimentFacts | None:
        """Look at the A/B test of an attempt; None while there is none."""
        experiment = self.registry.experiment_of(promotion)
        if experiment is None:
            return None
        test = ABTest.model_validate(experiment.design)
        try:
            verdict, progress = self._look(promotion, experiment, test)
        except RungError as error:
            verdict, progress = None, f"its evidence cannot be read now: {error}"
        return ExperimentFacts(
            id=experiment.id,
            started=experiment.started,
            deadline=test.deadline,
            verdict=verdict,
            progress=f"paused; {progress}" if experiment.splits[-1].is_pause else progress,
            due_share=due_share(test, experiment.splits, now),
        )

    def grow(self, promotion: Promotion, share: float, *, because: str) -> None:
        """Give the challenger of an attempt a larger share, unless somebody has paused the test meanwhile."""
        experiment = self.registry.experiment_of(promotion)
        if experiment is not None and not experiment.splits[-1].is_pause:
            shares = _shares(share, str(experiment.challenger), str(experiment.incumbent))
            told = f"{experiment.challenger} gets {share:.0%} of the units: {because}"
            self.registry.split(experiment, shares, kind=SplitKind.RAMP, because=told, actor="rung")

    def pause(self, service: str, major: int, *, because: str, actor: str) -> Experiment:
        """Send all units to the incumbent until the test is resumed; its deadline stays.

        Raises:
            NotFoundError: No A/B test of the major runs.
            ConflictError: It is paused already.
        """
        try:
            self._pause(service, major, because=because, actor=actor)
        except ConflictError:  # the loop changed the split at the same moment: its change is paused, too
            self._pause(service, major, because=because, actor=actor)
        return self.running(service, major)

    def _pause(self, service: str, major: int, *, because: str, actor: str) -> None:
        experiment = self.running(service, major)
        if experiment.splits[-1].is_pause:
            raise ConflictError(f"the A/B test of {experiment.challenger} is paused", hint="`rung ab resume`")
        told = f"paused by {actor}" + (f": {because}" if because else "")
        shares = {name: float(name == str(experiment.incumbent)) for name in experiment.shares}
        self.registry.split(experiment, shares, kind=SplitKind.PAUSE, because=told, actor=actor)

    def resume(self, service: str, major: int, *, actor: str) -> Experiment:
        """Give the challenger of a paused test its share again.

        Raises:
            NotFoundError: No A/B test of the major runs.
            ConflictError: It is not paused.
        """
        experiment = self.running(service, major)
        if not experiment.splits[-1].is_pause:
            raise ConflictError(f"the A/B test of {experiment.challenger} is not paused")
        test = ABTest.model_validate(experiment.design)
        if experiment.is_bandit:
            shares = resumed(experiment)
        else:
            share = share_of_step(test, step_of(test, experiment.splits))
            shares = _shares(share, str(experiment.challenger), str(experiment.incumbent))
        told = f"resumed by {actor}"
        self.registry.split(experiment, shares, kind=SplitKind.RESUME, because=told, actor=actor)
        return self.running(service, major)

    def audit(self, service: str, major: int) -> Audit:
        """Check the assignments of the newest A/B test of a major against the gateway's arithmetic.

        Raises:
            NotFoundError: There has been none.
            ConflictError: It is a bandit, which draws its units anew at each change of the shares.
        """
        experiment = self.newest(service, major)
        if experiment.is_bandit:
            raise ConflictError(f"{experiment.id} is a bandit, and draws its units anew with each change of its shares")
        self.lake.ship()
        return self.lake.audit(
            experiment.id, [_stretch(experiment, split) for split in experiment.splits if split.applied]
        )

    def running(self, service: str, major: int) -> Experiment:
        """Give the A/B test of a major that runs.

        Raises:
            NotFoundError: None does.
        """
        for experiment in self.registry.experiments(active_only=True):
            name = experiment.incumbent
            if (name.service, name.major) == (service, major):
                return experiment
        raise NotFoundError(
            f"no A/B test of {service}.v{major} runs", hint=f"`rung promote {service}.v{major}.mN` begins one"
        )

    def newest(self, service: str, major: int) -> Experiment:
        """Give the A/B test of a major that runs, or the last one that ran.

        Raises:
            NotFoundError: There has been none.
        """
        for experiment in reversed(self.registry.experiments()):
            name = experiment.incumbent
            if (name.service, name.major) == (service, major):
                return experiment
        raise NotFoundError(
            f"{service}.v{major} has had no A/B test", hint=f"`rung promote {service}.v{major}.mN` begins one"
        )

    def _look(self, promotion: Promotion, experiment: Experiment, test: ABTest) -> tuple[Verdict | None, str]:
        known = next((verdict for verdict in promotion.verdicts if verdict.gate is Gate.EXPERIMENT), None)
        if known is not None:
            return known, known.because
        if experiment.ended is not None:
            return self._end_late(promotion, experiment)
        if time.monotonic() - self._looked.get(promotion.id, -_LOOK_EVERY_S) < _LOOK_EVERY_S:
            return None, str((experiment.look or {}).get("progress", "it has just begun"))
        self._looked[promotion.id] = time.monotonic()
        self.lake.ship()
        if experiment.is_bandit:
            return self._look_at_arm(promotion, experiment, test)
        state = (len(experiment.splits), *self.lake.marks())
        if experiment.look is not None and state == self._seen.get(promotion.id):
            return None, str(experiment.look["progress"])
        self._seen[promotion.id] = state
        found = self._find(experiment, test)
        self._keep(experiment, {**found.figures, "progress": found.because}, is_last=found.verdict is not None)
        if found.verdict is not None:
            self.registry.add_verdict(promotion, found.verdict)
        return found.verdict, found.because

    def _look_at_arm(self, promotion: Promotion, experiment: Experiment, test: ABTest) -> tuple[Verdict | None, str]:
        """Look at one arm of a bandit, and at the bandit when its shares are due."""
        labels = label_of(str(promotion.revision)), label_of(str(experiment.incumbent))
        periods = self.courses.look(experiment, labels, slow_ms=self._slow_ms(promotion.revision))
        verdict, _ = judge_health(test.limits, periods)
        if verdict is not None:
            self.registry.add_verdict(promotion, verdict)
            return verdict, verdict.because
        return None, self.bandits.look(experiment, test)

    def _end_late(self, promotion: Promotion, experiment: Experiment) -> tuple[Verdict, str]:
        """End what joined a bandit while another arm won it: nothing more will be known of it."""
        because = f"{experiment.id} was decided before there was evidence of it"
        verdict = Verdict(gate=Gate.EXPERIMENT, kind=VerdictKind.INCONCLUSIVE, because=because)
        self.registry.add_verdict(promotion, verdict)
        return verdict, because

    def _slow_ms(self, name: RevisionName) -> float:
        return read_specification(self.place, name).latency_p99_ms

    def _find(self, experiment: Experiment, test: ABTest) -> Finding:
        """Judge the health of the challenger first: it must not wait for outcomes."""
        slow_ms = self._slow_ms(experiment.challenger)
        periods = self.courses.look(experiment, ("challenger", "incumbent"), slow_ms=slow_ms)
        verdict, health = judge_health(test.limits, periods)
        found = self._judge(experiment, test)
        figures = {**found.figures, "health": health}
        if verdict is not None:
            return Finding(verdict=verdict, because=verdict.because, figures={**figures, "outcome": "aborted"})
        return replace(found, figures=figures)

    def _keep(self, experiment: Experiment, look: dict[str, Any], *, is_last: bool) -> None:
        """Keep the newest look; for ever, when a fiftieth more units were seen than at the last one that was."""
        kept, units = (experiment.look or {}).get("kept_at", 0), sum(look["exposed"].values())
        is_news = is_last or units > kept * _GROWTH
        look["kept_at"] = units if is_news else kept
        self.registry.keep_look(experiment.id, look, for_ever=is_news)

    def _judge(self, experiment: Experiment, test: ABTest) -> Finding:
        taken = [split for split in experiment.splits if split.applied] or experiment.splits[:1]
        splits = [split.applied or split.since for split in taken[1:]]
        strata = {
            metric.name: self.lake.compare(
                experiment.id, metric=metric.name, since=experiment.started, splits=splits, covariate="before"
            ).strata
            for metric in test.metrics
        }
        assert test.decision is not None  # noqa: S101  checked when the promotion began
        deciding = strata[test.decision.name]
        kinds = {metric.name: metric.kind for metric in test.metrics}
        stretches = [
            Stretch(
                share=split.shares[str(experiment.challenger)],
                exposed={arm: deciding[number][arm].exposed for arm in ("challenger", "incumbent")},
                arms={
                    name: (found[number]["challenger"].arm(kinds[name]), found[number]["incumbent"].arm(kinds[name]))
                    for name, found in strata.items()
                },
            )
            for number, split in enumerate(taken)
        ]
        fallback = {
            arm: (
                sum(stratum[arm].requests for stratum in deciding),
                sum(stratum[arm].fallback for stratum in deciding),
            )
            for arm in ("challenger", "incumbent")
        }
        return judge_experiment(test, stretches, fallback=fallback)


def _shares(share: float, challenger: str, incumbent: str) -> dict[str, float]:
    return {challenger: share, incumbent: 1 - share}


def _stretch(experiment: Experiment, split: Split) -> AuditStretch:
    challenger = str(experiment.challenger)
    routed = gateway.Split.ab(experiment=experiment.id, challenger=challenger, share=split.shares[challenger])
    arms = zip(("challenger", "incumbent"), routed.weights, strict=True)
    return AuditStretch(begin=split.applied or split.since, buckets=tuple(arms), decided=split.since)
