"""`rung new`."""

from __future__ import annotations

import click

from rung import templates
from rung.workspace import find

_OFFERED = ", ".join(f"{name} ({templates.template(name).summary})" for name in templates.names())


@click.command(epilog="Example: rung new housing --template housing")
@click.argument("service")
@click.option(
    "--template",
    type=click.Choice(templates.names()),
    default="housing",
    show_default=True,
    help=f"What the service begins as: {_OFFERED}.",
)
def command(service: str, template: str) -> None:
    """Lay down a service that trains and serves at once: its benchmark, revision m0."""
    workspace = find()
    folder = templates.lay_down(template, service, workspace)
    click.echo(f"{service} is in {folder.relative_to(workspace.root)}; next:")
    for line in (
        f"rung check {service}",
        *templates.template(template).before_training(service),
        f"rung train {service}",
        f"git add -A && git commit -m 'Begin {service}'",
    ):
        click.echo(f"  {line}")
    click.echo(f"`rung status {service}` says at any time what comes next")
