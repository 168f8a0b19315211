"""`rung logs`."""

from __future__ import annotations

import time

import click

from rung.cli._control import Control

_POLL_S = 0.5


@click.command(epilog="Example: rung logs housing.v1.m1 --follow")
@click.argument("revision")
@click.option("--server", "kind", flag_value="server", help="Of its server.")
@click.option("--environment", "kind", flag_value="environment", help="Of the build of its environment.")
@click.option("--training", "kind", flag_value="training", default=True, help="Of its training (default).")
@click.option("--follow", is_flag=True, help="Go on with what is written next; Ctrl-C ends it.")
def command(revision: str, kind: str, follow: bool) -> None:
    """Show the log of a revision's training or server."""
    control = Control()
    offset = 0
    while True:
        part = control.get(f"/revisions/{revision}/log", kind=kind, offset=offset)
        click.echo(part["text"], nl=False)
        if part["text"]:
            offset = part["offset"]
            continue
        if not follow:
            return
        time.sleep(_POLL_S)
