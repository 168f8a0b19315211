"""What tasks reported on their way, from the record of a run: `rung runs`, the dashboard and MLflow tell it. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LearningCurve", "learning_curves"]

_Point: TypeAlias = tuple[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """What one task reported; whether less or more is better is not known of it."""

    task: str
    points: tuple[_Point, ...]
    """Step and value, in the order of steps; at least one."""

    @property
    def lowest(self) -> _Point:
        """The step with the smallest value, the first of several."""
        return min(self.points, key=lambda point: point[1])

    @property
    def highest(self) -> _Point:
        """The step with the greatest value, the first of several."""
        return max(self.points, key=lambda point: point[1])

    @property
    def told(self) -> str:
        """Say it in one sentence."""
        (first, begin), (last, end) = self.points[0], self.points[-1]
        if len(self.points) == 1:
            return f"{begin:.6g} at step {first}"
        (low, least), (high, most) = self.lowest, self.highest
        return (
            f"{begin:.6g} at step {first}, {end:.6g} at step {last}; "
            f"lowest {least:.6g} at step {low}, highest {most:.6g} at step {high}"
        )


def learning_curves(record: Mapping[str, Any]) -> list[LearningCurve]:
    """Give what each task of a run reported; of a step that was reported twice the last value.

    Args:
        record: Of the run, as JSON data.

    >>> record = {"tasks": [{"name": "fit", "reports": [[0, 0.5], [1, 0.25], [2, 0.375]]}, {"name": "load"}]}
    >>> [(one.task, one.lowest) for one in learning_curves(record)]
    [('fit', (1, 0.25))]
    """
    found = []
    for task in record["tasks"]:
        values = {int(step): float(value) for step, value in task.get("reports", ()) if math.isfinite(value)}
        if values:
            found.append(LearningCurve(task=task["name"], points=tuple(sorted(values.items()))))
    return found
