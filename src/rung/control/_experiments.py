"""A/B tests under way: what the lake holds at this look, and what `lifecycle` says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.errors import RungError
from rung.lifecycle import ExperimentFacts, Gate, Verdict, judge_experiment
from rung.schema import ABTest

if TYPE_CHECKING:
    from rung.lake import ArmSums, Lake
    from rung.registry import Experiment, Promotion, Registry

_LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class Experiments:
    """Looks at all A/B tests."""

    registry: Registry
    lake: Lake
    _looked: dict[str, float] = field(default_factory=dict)
    """Monotonic seconds of the last look, by experiment."""

    def facts(self, promotion: Promotion) -> ExperimentFacts | None:
        """Look at the A/B test of an attempt; None while there is none."""
        experiment = next((found for found in self.registry.experiments() if found.promotion == promotion.id), None)
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
        registry = self.registry
        registry.keep_look(experiment.id, {**figures, "progress": progress})
        if verdict is not None:
            registry.add_verdict(promotion, verdict)
        self._looked[experiment.id] = time.monotonic()
        return verdict, progress

    def _sums(self, experiment: Experiment, metric: str) -> dict[str, ArmSums]:
        return self.lake.arms(experiment.id, metric=metric, since=experiment.started)
