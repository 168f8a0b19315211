"""`rung new`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rung import templates
from rung.cli._terminal import json_option, print_json, table
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.workspace import Workspace

_OFFERED = ", ".join(f"{name} ({templates.template(name).summary})" for name in templates.names())


@click.command(epilog="Example: rung new housing --template housing, or rung new prices --from-notebook explore.ipynb")
@click.argument("service")
@click.option(
    "--template",
    type=click.Choice(templates.names()),
    default="housing",
    show_default=True,
    help=f"What the service begins as: {_OFFERED}.",
)
@click.option(
    "--from-notebook",
    "notebook",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.ipynb",
    help="Begin with the cells of a notebook that are marked `# task: NAME`, and one marked `# example`.",
)
@json_option
@click.pass_context
def command(context: click.Context, service: str, template: str, notebook: Path | None, as_json: bool) -> None:
    """Lay down a service that trains and serves at once: its benchmark, revision m0.

    From a notebook come the tasks of the training, hyperparameters (the cell tagged `parameters`), pins of what it
    imports, and the names of the schema; what it does not say is listed, to be written.
    """
    if notebook is not None and context.get_parameter_source("template") is not ParameterSource.DEFAULT:
        raise click.UsageError("give either --template or --from-notebook")
    workspace = find()
    if notebook is not None:
        _begin(workspace, service, notebook, as_json=as_json)
        return
    folder = templates.lay_down(template, service, workspace)
    before = templates.template(template).before_training(service)
    _tell(workspace, service, folder, before, as_json=as_json)


def _begin(workspace: Workspace, service: str, notebook: Path, *, as_json: bool) -> None:
    """Lay down a service from a notebook, and say what came from where, and what is left to write."""
    from rung.checks import tidy
    from rung.notebooks import begin_service

    begun = begin_service(workspace, service, notebook)
    tidy(workspace, workspace.service(service))
    if as_json:
        _tell(workspace, service, begun.folder, (), as_json=True, tasks=dict(begun.tasks), left=dict(begun.left))
        return
    table([[name, f"{notebook.name}, cell {cell}"] for name, cell in begun.tasks], ["TASK", "FROM"])
    if begun.hyperparameters:
        click.echo(f"hyperparameters: {', '.join(begun.hyperparameters)}")
    if begun.files:
        click.echo(f"data: {', '.join(begun.files)}")
    table([[path, what] for path, what in begun.left], ["FILE", "STILL TO BE WRITTEN"])
    _tell(workspace, service, begun.folder, (), as_json=False)


def _tell(
    workspace: Workspace, service: str, folder: Path, before: Sequence[str], *, as_json: bool, **more: object
) -> None:
    """Say where the service is, and what comes next."""
    shown = str(folder.relative_to(workspace.root))
    commands = [
        f"rung check {service}",
        *before,
        f"rung train {service}",
        f"git add -A && git commit -m 'Begin {service}'",
    ]
    if as_json:
        print_json({"service": service, "folder": shown, **more, "next": commands})
        return
    click.echo(f"{service} is in {shown}; next:")
    for line in commands:
        click.echo(f"  {line}")
    click.echo(f"`rung status {service}` says at any time what comes next")
