"""Bandits under way: shares that follow the rewards of each arm, until one arm is the one to keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle import Gate, SplitKind, Verdict, VerdictKind
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from rung.lake import Lake
    from rung.registry import Experiment, Registry
    from rung.schema import ABTest

_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Bandits:
    """Looks at all bandits."""

    registry: Registry
    lake: Lake

    def look(self, experiment: Experiment, test: ABTest) -> str:
        """Set new shares when their time has come, or name the winner; tell how far it is."""
        assert test.bandit is not None  # noqa: S101  asked of bandits only
        since = datetime.now(UTC) - experiment.splits[-1].since
        if since < test.bandit.interval or experiment.splits[-1].is_pause:
            return str((experiment.look or {}).get("progress", "its first outcomes are awaited"))
        arms = self._arms(experiment, test)
        metric = test.decision
        assert metric is not None  # noqa: S101  checked when the promotion began
        judged = stats.judge_bandit(
            arms,
            kind="proportion" if metric.kind == "proportion" else "mean",
            goal=metric.goal,
            minimum_effect=metric.minimum_effect,
            floor=min(test.bandit.floor, 1 / len(arms)),
        )
        figures = _figures(metric.name, arms, judged)
        self.registry.keep_look(experiment.id, figures, for_ever=True)
        if judged.winner is not None:
            self._end(experiment, judged.winner, judged.because, figures)
        else:
            self.registry.split(experiment, judged.shares, kind=SplitKind.BANDIT, because=judged.because, actor="rung")
        return judged.because

    def _arms(self, experiment: Experiment, test: ABTest) -> dict[str, stats.Arm]:
        """Give the sums of the arms that take part now, by revision; older rewards count less where declared so."""
        assert test.bandit is not None  # noqa: S101  asked of bandits only
        assert test.decision is not None  # noqa: S101  checked when the promotion began
        found = self.lake.bandit_arms(
            experiment.id,
            metric=test.decision.name,
            since=experiment.started,
            discount=_per_hour(test.bandit.half_life),
        )
        sums = {name: found.get(label_of(name)) for name in experiment.shares}
        return {
            name: stats.Arm(units=0, y=0.0, yy=0.0)
            if arm is None
            else stats.Arm(units=round(arm.n), y=arm.y, yy=arm.yy)
            for name, arm in sums.items()
        }

    def _end(self, experiment: Experiment, winner: str, because: str, figures: Mapping[str, Any]) -> None:
        """Write the verdicts of all attempts that take part: one is better, or none is."""
        verdicts = []
        for promotion in self.registry.promotions(experiment.incumbent.service, active_only=True):
            if promotion.id in experiment.attempts:
                is_won = str(promotion.revision) == winner
                kind, outcome = (VerdictKind.PASS, "better") if is_won else (VerdictKind.FAIL, "not_better")
                evidence = {**figures, "outcome": outcome}
                told = because if is_won else f"{winner} won: {because}"
                verdicts.append((promotion, Verdict(gate=Gate.EXPERIMENT, kind=kind, because=told, evidence=evidence)))
        self.registry.add_verdicts(verdicts)


def label_of(revision: str) -> str:
    """Give the name that an arm of a bandit has in the log.

    >>> label_of("housing.v1.m3")
    'm3'
    """
    return f"m{RevisionName.parse(revision).minor}"


def joined(experiment: Experiment, revision: RevisionName) -> dict[str, float]:
    """Give the shares with which a further arm joins: as much as if all were equal, taken from all others alike.

    During a pause it gets nothing yet.
    """
    share = 0.0 if experiment.splits[-1].is_pause else 1 / (len(experiment.shares) + 1)
    kept = {name: given * (1 - share) for name, given in experiment.shares.items()}
    return {str(revision): share, **kept}


def resumed(experiment: Experiment) -> dict[str, float]:
    """Give the shares after a pause: those before it; an arm that joined meanwhile gets an equal part."""
    before = next(split.shares for split in reversed(experiment.splits) if not split.is_pause)
    weights = {name: before.get(name, 1 / len(experiment.shares)) for name in experiment.shares}
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _per_hour(half_life: timedelta | None) -> float | None:
    return None if half_life is None else 0.5 ** (_HOUR_S / half_life.total_seconds())


def _figures(metric: str, arms: Mapping[str, stats.Arm], judged: stats.BanditLook) -> dict[str, Any]:
    return {
        "metric": metric,
        "progress": judged.because,
        "arms": {
            name: {
                "units": arm.units,
                "mean": arm.y / arm.units if arm.units else None,
                "best": judged.best[name],
                "share": judged.shares[name],
            }
            for name, arm in arms.items()
        },
        "value_remaining": judged.value_remaining,
        "expected_regret": judged.expected_regret,
    }
