"""Figures against the bars that we set ourselves: `simulate.py` and `bandits.py` write them to one file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rung.stats import wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]
OUTPUT = Path("build/bench/ab.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One figure against its bar."""

    goal: str
    measured: float
    bar: str
    ok: bool  # the measured figure keeps the bar
    excluded: bool  # so do none of its 95 % interval
    interval: tuple[float, float]  # 95 %: Wilson for probabilities, normal for means, order statistics for medians
    where: str = ""  # the scenario that the figure is of


def interval_of(share: float, repeats: int) -> tuple[float, float]:
    """Return the 95 % interval of a probability that was seen as a share of the repeats."""
    return wilson_interval(round(share * repeats), repeats)


def rate(
    goal: str, measured: float, repeats: int, *, at_most: float = 1.0, at_least: float = 0.0, where: str = ""
) -> Goal:
    """Hold a probability against its bar; without a bar it is shown."""
    interval = interval_of(measured, repeats)
    bar = f"<= {at_most}" if at_most < 1 else f">= {at_least}" if at_least > 0 else "shown"
    return Goal(
        goal=goal,
        measured=measured,
        bar=bar,
        ok=at_least <= measured <= at_most,
        excluded=interval[0] > at_most or interval[1] < at_least,
        interval=interval,
        where=where,
    )


def cost(goal: str, measured: float, interval: tuple[float, float], *, at_most: float, where: str = "") -> Goal:
    """Hold a mean or a median against its bar."""
    return Goal(
        goal=goal,
        measured=measured,
        bar=f"<= {at_most}",
        ok=measured <= at_most,
        excluded=interval[0] > at_most,
        interval=interval,
        where=where,
    )


def of_mean(numbers: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a mean."""
    half = 1.96 * float(numbers.std()) / numbers.size**0.5
    return float(numbers.mean()) - half, float(numbers.mean()) + half


def of_median(numbers: Floats) -> tuple[float, float]:
    """Return the 95 % interval of a median: the quantiles between which it lies."""
    low, high = np.quantile(numbers, np.clip([0.5 - 0.98 / numbers.size**0.5, 0.5 + 0.98 / numbers.size**0.5], 0, 1))
    return float(low), float(high)


def report(goals: Sequence[Goal], facts: Mapping[str, Any], *, output: Path, part: str) -> int:
    """Print the goals, write them beside those of the other program, and return the exit status.

    Args:
        goals: What was measured.
        facts: Kept beside the goals: seed, repeats, every outcome.
        output: The file; the goals of other parts in it stay.
        part: The program's name.
    """
    print()
    for goal in goals:
        interval = f"{goal.interval[0]:.4f}-{goal.interval[1]:.4f}"
        word = "NOT" if goal.excluded else "ok " if goal.ok else "?  "
        print(f"{word} {goal.goal:78}{goal.measured:8.4f} {goal.bar:9}{interval:16} {goal.where}")
    before = json.loads(output.read_text()) if output.is_file() else {"goals": []}
    others = [goal for goal in before["goals"] if goal.get("part", part) != part]
    told = [{"part": part, **asdict(goal)} for goal in goals]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**before, "goals": [*others, *told], part: dict(facts)}, indent=1) + "\n")
    return int(any(goal.excluded for goal in goals))
