"""A training as one trial of a study: what it reports on its way, and whether it is worth going on.

The limits come with the trial, so it asks nobody while it runs: whether it is ended early depends on nothing but what
it reports. `rung.tuning` makes them of earlier trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rung.errors import CallError, PrunedError

__all__ = ["Reports", "Trial", "checked", "judge"]

Reports: TypeAlias = Sequence[Sequence[float]]
"""What a task reported, in order: `[step, value]`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Which trial of which study a training is."""

    name: str  # "housing-1#12", as in the record of its run
    goal: Literal["maximize", "minimize"]
    limits: Mapping[int, float] = field(default_factory=dict)
    """By step, what a trial must have reached by then to go on."""


def checked(step: int, value: float) -> list[float]:
    """Hold a report against what is one.

    Raises:
        CallError: The step is no whole number from 0 on, or the value no number.
    """
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise CallError(f"a report for step {step!r}", hint="steps are whole numbers from 0 on")
    try:
        return [step, float(value)]
    except (TypeError, ValueError):
        raise CallError(f"a report of {value!r} for step {step}", hint="report one number") from None


def judge(trial: Trial | None, task: str, reports: Reports) -> None:
    """End a trial that is behind at its last step; the best that it reported so far counts.

    Raises:
        PrunedError: It is.
    """
    if trial is None or not reports:
        return
    step, value = int(reports[-1][0]), reports[-1][1]
    if not math.isfinite(value):
        raise PrunedError(f"{task} reported {value} at step {step}", hint=f"{trial.name} was ended")
    limit = trial.limits.get(step)
    values = [known for _, known in reports if math.isfinite(known)]
    best = max(values) if trial.goal == "maximize" else min(values)
    if limit is not None and (best < limit if trial.goal == "maximize" else best > limit):
        told = f"{task} had reached {best:.6g} at step {step}, and {limit:.6g} was needed to go on"
        raise PrunedError(told, hint=f"{trial.name} was ended")
