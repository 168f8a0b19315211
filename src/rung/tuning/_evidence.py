"""Whether the winner of a study is better than the defaults, or was only lucky. Pure.

The best of many trials is the best partly by chance. So winner and defaults are trained again with the same further
seeds, and the differences are judged pair by pair.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.tuning._pruning import Goal

__all__ = ["Evidence", "Pair", "judge"]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Winner and defaults with one seed; the values are None where a run failed."""

    seed: int
    defaults: float | None
    winner: float | None
    runs: tuple[str, str]  # of the defaults, of the winner

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Pair:
        """Read what `to_json` gave."""
        return cls(**{**value, "runs": tuple(value["runs"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the pairs say."""

    is_better: bool
    because: str
    gain: float | None = None  # mean difference in the metric's unit, above 0 where the winner is better
    low: float | None = None  # of its interval
    high: float | None = None


def judge(pairs: Sequence[Pair], goal: Goal) -> Evidence:
    """Judge by Student's t on the paired differences, 95 %."""
    sign = 1 if goal == "maximize" else -1
    gains = [sign * (one.winner - one.defaults) for one in pairs if one.winner is not None and one.defaults is not None]
    if len(gains) < len(pairs):
        return Evidence(is_better=False, because=f"{len(pairs) - len(gains)} of {len(pairs)} pairs have failed runs")
    if len(gains) < 2:  # noqa: PLR2004  one difference has no spread
        return Evidence(
            is_better=False, because="it was not trained again with other seeds, so chance is not ruled out"
        )
    gain, half = statistics.fmean(gains), _half_width(gains)
    interval = f"{gain:+.4g}, 95% interval {gain - half:+.4g} to {gain + half:+.4g}, with {len(gains)} further seeds"
    found = {"gain": gain, "low": gain - half, "high": gain + half}
    if gain - half > 0:
        return Evidence(is_better=True, because=f"it is better by {interval}", **found)
    return Evidence(is_better=False, because=f"it is not shown to be better: {interval}", **found)


def _half_width(gains: Sequence[float]) -> float:
    from scipy import special  # noqa: PLC0415  half a second

    quantile = float(special.stdtrit(len(gains) - 1, (1 + _CONFIDENCE) / 2))
    return quantile * statistics.stdev(gains) / math.sqrt(len(gains))
