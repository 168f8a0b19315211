"""Learning curves of one run, or of several in one chart for each task: what tasks reported on their way. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from rung.charts.figure import Curve, Figure, Panel, padded
from rung.training.learning import LearningCurve, learning_curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.charts.figure import Tone

__all__ = ["drawn"]

_T = TypeVar("_T")
_TONES: Final[tuple[Tone, ...]] = ("main", "second", "good", "bad", "quiet")
_MOST: Final = 400
"""Points of a curve; of more every so many is drawn, and the last."""
_FEW: Final = 40
"""Points that are drawn one by one, too."""


def drawn(runs: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Draw a figure for each task that reported something, with a curve for each run."""
    found: dict[str, list[tuple[str, LearningCurve]]] = {}
    for run in runs:
        for one in learning_curves(run):
            found.setdefault(one.task, []).append((run["id"], one))
    return [_figure(task, curves) for task, curves in found.items()]


def _figure(task: str, curves: Sequence[tuple[str, LearningCurve]]) -> Figure:
    steps = [step for _, one in curves for step, _ in one.points]
    low, high = padded([value for _, one in curves for _, value in one.points])
    told = curves[0][1].told if len(curves) == 1 else f"What {task} reported in {len(curves)} runs."
    return Figure(
        title=f"Learning curve of {task}",
        told=f"{told[0].upper()}{told[1:]}",
        x_title="step",
        low=float(min(steps)),
        high=float(max(steps)) if len(set(steps)) > 1 else float(min(steps) + 1),
        panels=(
            Panel(
                title="reported",
                low=low,
                high=high,
                curves=tuple(
                    Curve(
                        points=tuple((float(step), value) for step, value in _thinned(one.points)),
                        label=_short(run) if len(curves) > 1 else f"{one.points[-1][1]:.4g}",
                        tone=_TONES[number % len(_TONES)],
                        dotted=len(one.points) <= _FEW,
                    )
                    for number, (run, one) in enumerate(curves)
                ),
            ),
        ),
    )


def _short(run: str) -> str:
    """Shorten a run's id to what tells it from others of its service: there is little room beside a chart.

    >>> _short("housing-20261121-093012-1f3a07c"), _short("housing.v1.m2")
    ('093012-1f3a07c', 'housing.v1.m2')
    """
    return "-".join(run.split("-")[-2:])


def _thinned(points: Sequence[_T]) -> Sequence[_T]:
    every = -(-len(points) // _MOST)
    return points if every == 1 else [*points[:-1:every], points[-1]]
