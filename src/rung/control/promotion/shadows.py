"""Shadows: candidates that production is mirrored to, compared with the incumbent pair by pair."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.control.promotion.papers import read_ab_test, read_specification
from rung.errors import NotFoundError
from rung.lifecycle import judge_shadow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.control.place import Place
    from rung.lake import Lake, Truth
    from rung.lifecycle import Verdict
    from rung.registry import Promotion, Registry, Shadow
    from rung.schema import BusinessMetric, RevisionName, Score

_LOOK_EVERY_S = 2.0
_FEWEST = 2  # pairs that have a standard error


@dataclass(slots=True)
class Shadows:
    """Looks at all shadows."""

    place: Place
    registry: Registry
    lake: Lake
    _looked: dict[int, float] = field(default_factory=dict)
    """Monotonic seconds of the last look, by attempt."""

    def expire(self) -> None:
        """End shadows whose time is over."""
        now = datetime.now(UTC)
        for shadow in self.registry.shadows(active_only=True):
            if shadow.until is not None and shadow.until <= now:
                self.registry.end_shadow(shadow.revision, because="its time is over", actor="rung")

    def look(self, promotion: Promotion) -> Verdict | None:
        """Judge the shadow of an attempt; None while it goes on."""
        name, since = promotion.revision, promotion.gate_since
        test = read_ab_test(self.place, name)
        is_soon = time.monotonic() - self._looked.get(promotion.id, -_LOOK_EVERY_S) < _LOOK_EVERY_S
        if test.shadow is None or since is None or is_soon:
            return None
        self._looked[promotion.id] = time.monotonic()
        self.lake.ship()
        level = read_specification(self.place, name).service_level
        return judge_shadow(
            test.shadow,
            self._compare(name, since),
            elapsed=datetime.now(UTC) - since,
            error_rate=level.error_rate,
            latency_p99_ms=level.latency_p99_ms,
        )

    def report(self, name: RevisionName) -> dict[str, Any]:
        """Compare the newest shadow of a revision with production, as JSON data.

        Raises:
            NotFoundError: It never was a shadow.
        """
        self.registry.revision(name)
        shadow = self._newest(name)
        self.lake.ship()
        return {
            "revision": str(name),
            "share": shadow.share if shadow.ended is None else 0.0,
            "since": shadow.started.isoformat(),
            "until": shadow.until.isoformat() if shadow.until else None,
            "ended": shadow.ended.isoformat() if shadow.ended else None,
            **self._compare(name, shadow.started),
        }

    def _newest(self, name: RevisionName) -> Shadow:
        for shadow in reversed(self.registry.shadows(name.service)):
            if shadow.revision == name:
                return shadow
        raise NotFoundError(
            f"nothing was ever mirrored to {name}", hint=f"`rung shadow {name} --percent 20` mirrors production to it"
        )

    def _compare(self, name: RevisionName, since: datetime) -> dict[str, Any]:
        pairs = asdict(self.lake.shadow(name.service, name.major, shadow=str(name), since=since))
        agreement = pairs["agreement"]
        agreement["share"] = agreement["same"] / agreement["instances"] if agreement["instances"] else 1.0
        return {**pairs, "truth": self._truth(name, since)}

    def _truth(self, name: RevisionName, since: datetime) -> dict[str, Any] | None:
        """Score both predictions of the same requests on the truth that came later, where the author says how."""
        metric = read_ab_test(self.place, name).decision
        if metric is None or metric.score is None:
            return None
        rows = self.lake.shadow_truth(
            name.service, name.major, shadow=str(name), metric=metric.score.truth, since=since
        )
        return _paired(metric, metric.score, rows)


def _paired(metric: BusinessMetric, score: Score, rows: Sequence[Truth]) -> dict[str, Any] | None:
    scored = [(_score(score, row.shadow, row.value), _score(score, row.production, row.value)) for row in rows]
    pairs = [(ours, theirs) for ours, theirs in scored if ours is not None and theirs is not None]
    if len(pairs) < _FEWEST:
        return None
    effect = stats.paired_effect([ours for ours, _ in pairs], [theirs for _, theirs in pairs], goal=metric.goal)
    low, high = effect.interval
    side = "nearer to" if low > 0 else "farther from" if high < 0 else "as near as can be told to"
    return {
        "because": f"the shadow is {side} the truth than production, by {metric.name}",
        "metric": metric.name,
        "pairs": len(pairs),
        "effect": effect.estimate,
        "standard_error": _finite(effect.standard_error),
        "interval": [_finite(low), _finite(high)],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _score(score: Score, predictions: Sequence[Any], truth: float) -> float | None:
    """Score a request: the mean of its instances."""
    found = [score.of(prediction, truth) for prediction in predictions]
    known = [value for value in found if value is not None]
    return fmean(known) if known else None
