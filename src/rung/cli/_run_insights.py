"""What a training kept beside its metrics, for `rung runs show`: learning curves, groups, what matters on the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rung.workspace import Workspace

_FIELDS = 5
_COLUMNS = 40  # of a learning curve


def print_insights(workspace: Workspace | None, run: Mapping[str, Any]) -> None:
    """Print a line for each task that reported something and each measure by group, and the fields that matter most.

    Without a workspace only what the record has: groups and fields are artifacts, which the dashboard shows.
    """
    from rung.cards import kept_insights
    from rung.training.learning import learning_curves

    for curve in learning_curves(run):
        click.echo(f"{curve.task} reported {_drawn([value for _, value in curve.points])}  {curve.told}")
    if workspace is None:
        return
    groups, explanation = kept_insights(run, workspace)
    for one in groups:
        judged = "" if one.limit is None else f"{state('pass' if one.passed else 'fail')}: "
        click.echo(f"{one.measure} by {one.attribute}: {judged}{one.because}")
    for line in _matters(explanation):
        click.echo(line)


def _drawn(values: Sequence[float]) -> str:
    """Draw values as columns, from the lowest, which is low, to the highest; of many every so many."""
    from rung.charts.blocks import COLUMN_STEPS, columns

    every = -(-len(values) // _COLUMNS)
    shown = [*values[:-1:every], values[-1]]
    low, reach = min(shown), (max(shown) - min(shown)) or 1.0
    return columns([1 + round((value - low) / reach * (COLUMN_STEPS - 1)) for value in shown])


def _matters(explanation: Mapping[str, Any]) -> Iterator[str]:
    losses: dict[str, list[Mapping[str, Any]]] = {}
    for one in explanation.get("importance", ()):
        losses.setdefault(one["test"], []).append(one)
    for test, found in losses.items():
        largest = sorted(found, key=lambda one: -(one["loss"] or 0.0))[:_FIELDS]
        told = ", ".join(f"{one['field']} {one['loss']:.3g}" for one in largest if one["loss"] is not None)
        yield f"{test} gets worse when a field is shuffled: {told or 'not known'}"
