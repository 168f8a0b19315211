"""A straight line through points, by least squares. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import correlation, linear_regression
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Line", "fitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a size costs."""

    slope: float  # for each one more
    base: float  # at none
    explained: float  # 0..1 of the variance

    def at(self, size: float) -> float:
        """Return the cost of a size.

        >>> Line(slope=2.0, base=1.0, explained=1.0).at(10)
        21.0
        """
        return self.base + self.slope * size


def fitted(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line through points of a size and a cost.

    >>> fitted([(0, 1.0), (1, 3.0), (2, 5.0)])
    Line(slope=2.0, base=1.0, explained=1.0)
    """
    sizes, costs = zip(*points, strict=True)
    slope, base = linear_regression(sizes, costs)
    return Line(slope=slope, base=base, explained=correlation(sizes, costs) ** 2)
