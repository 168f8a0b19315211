"""What a training kept beside its metrics, for `rung runs show`: groups, and what matters on the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.workspace import Workspace

_FIELDS = 5


def print_insights(workspace: Workspace, run: Mapping[str, Any]) -> None:
    """Print a line for each measure by group, and the fields that matter most."""
    from rung.cards import kept_insights

    groups, explanation = kept_insights(run, workspace)
    for one in groups:
        judged = "" if one.limit is None else f"{state('pass' if one.passed else 'fail')}: "
        click.echo(f"{one.measure} by {one.attribute}: {judged}{one.because}")
    for line in _matters(explanation):
        click.echo(line)


def _matters(explanation: Mapping[str, Any]) -> Iterator[str]:
    losses: dict[str, list[Mapping[str, Any]]] = {}
    for one in explanation.get("importance", ()):
        losses.setdefault(one["test"], []).append(one)
    for test, found in losses.items():
        largest = sorted(found, key=lambda one: -(one["loss"] or 0.0))[:_FIELDS]
        told = ", ".join(f"{one['field']} {one['loss']:.3g}" for one in largest if one["loss"] is not None)
        yield f"{test} gets worse when a field is shuffled: {told or 'not known'}"
