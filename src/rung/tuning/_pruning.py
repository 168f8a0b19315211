"""What a trial must have reached at a step to go on, from what earlier trials reported. Pure.

`median` ends what is below the median of the trials before it (Golovin et al. 2017, Google Vizier); `halving` lets the
best third go on at steps that grow by three (Li et al. 2020, asynchronous successive halving).
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Reported = Mapping[int, float]

__all__ = ["PRUNERS", "Goal", "Pruner", "limits"]

Goal: TypeAlias = Literal["maximize", "minimize"]
Pruner: TypeAlias = Literal["median", "halving", "none"]
PRUNERS: tuple[str, ...] = get_args(Pruner)

_FEWEST = 5  # trials that a step is judged by
_FACTOR = 3


def limits(pruner: Pruner, goal: Goal, earlier: Sequence[Reported]) -> dict[int, float]:
    """Give the limits of the next trial.

    Args:
        pruner: The rule.
        goal: Which way values are better.
        earlier: Of trials that have ended, the value at each step; trials that were ended early have fewer steps.
    """
    if pruner == "none":
        return {}
    at: dict[int, list[float]] = {}
    for reported in earlier:
        for step, value in reported.items():
            at.setdefault(step, []).append(value)
    known = {step: values for step, values in sorted(at.items()) if len(values) >= _FEWEST}
    if pruner == "median":
        return {step: statistics.median(values) for step, values in known.items()}
    rungs = _rungs(list(known))
    return {step: _third(known[step], goal) for step in rungs}


def _rungs(steps: Sequence[int]) -> list[int]:
    """Choose the steps at which trials are compared: each at least three times the one before."""
    chosen: list[int] = []
    for step in steps:
        if not chosen or step >= _FACTOR * max(chosen[-1], 1):
            chosen.append(step)
    return chosen


def _third(values: Sequence[float], goal: Goal) -> float:
    best = sorted(values, reverse=goal == "maximize")
    return best[math.ceil(len(best) / _FACTOR) - 1]
