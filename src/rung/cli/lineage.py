"""`rung lineage`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rung.cli import _remote
from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json
from rung.workspace import find

if TYPE_CHECKING:
    from rung.lineage import Asked, Lineage

_FEW = 3
"""Nodes of which each gets a tree of its own."""


@click.command(epilog="Example: rung lineage houses@3 --down, or rung lineage housing.v1.m2 --svg lineage.svg")
@click.argument("name")
@click.option("--up", "only_up", is_flag=True, help="Only what it was made of.")
@click.option("--down", "only_down", is_flag=True, help="Only what was made of it.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file.")
@click.option("--all", "unfolded", is_flag=True, help="Show all of what is many; else the newest of it.")
@json_option
def command(name: str, *, only_up: bool, only_down: bool, svg: Path | None, unfolded: bool, as_json: bool) -> None:
    """Show what something was made of, and what was made of it.

    NAME is a dataset or one of its versions (houses, houses@3), a file or source that was read, a run, an artifact's
    digest or its beginning, a revision, major or service, or a prediction (the x-request-id of its answer).

    It needs no control plane where the registry, the datasets and the lake can be reached.
    """
    up, down = only_up or not only_down, only_down or not only_up
    asked = _ask(name, up=up, down=down)
    if svg is not None:
        _draw(asked, svg, unfolded=unfolded)
    if as_json:
        print_json(asked.to_json())
    elif svg is None:
        _print(asked, up=up, down=down, unfolded=unfolded)


def _ask(name: str, *, up: bool, down: bool) -> Asked:
    """Ask the control plane elsewhere, or else look where the workspace keeps its records."""
    from rung.lineage import Asked

    if _remote.chosen() is not None:
        return Asked.from_json(Control().get("/lineage", of=name, up=up, down=down))
    from rung.data import open_catalogue
    from rung.lake import open_lake
    from rung.lineage import Records, lineage_of
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        lake = open_lake(workspace)
        lake.ship()
        records = Records(registry=registry, catalogue=open_catalogue(workspace), lake=lake)
        return lineage_of(name, records, up=up, down=down)


def _shown(asked: Asked, *, unfolded: bool) -> Lineage:
    from rung.lineage import fold

    return asked.lineage if unfolded else fold(asked.lineage, asked.focus)


def _draw(asked: Asked, path: Path, *, unfolded: bool) -> None:
    from rung.lineage import to_svg

    shown = _shown(asked, unfolded=unfolded)
    path.write_text(to_svg(shown, asked.focus, title=f"Lineage of {asked.name}"), encoding="utf-8")
    click.echo(f"{path}: {len(shown.nodes):,} boxes for {len(asked.lineage.nodes):,} things on record", err=True)


def _print(asked: Asked, *, up: bool, down: bool, unfolded: bool) -> None:
    from rung.lineage import to_lines

    shown = _shown(asked, unfolded=unfolded)
    focus = asked.focus if unfolded else asked.focus[-_FEW:]
    left = len(asked.focus) - len(focus)
    if left:
        click.echo(f"{left:,} others are called {asked.name}: the newest are shown, --all shows all")
    for line in to_lines(shown, focus, up=up, down=down):
        rest = f"  {click.style(line.rest, dim=True)}" if line.rest else ""
        click.echo(f"{line.branch}{click.style(line.name, bold=not line.branch)}{rest}")
