"""`rung logs`."""

from __future__ import annotations

import time

import click

from rung.cli._control import Control
from rung.cli._log_lines import readable

_POLL_S = 0.5


@click.command(epilog="Example: rung logs housing.v1.m1 --follow")
@click.argument("revision")
@click.option("--server", "kind", flag_value="server", help="Of its server.")
@click.option("--environment", "kind", flag_value="environment", help="Of the build of its environment.")
@click.option("--training", "kind", flag_value="training", default=True, help="Of its training (default).")
@click.option("--follow", is_flag=True, help="Go on with what is written next; Ctrl-C ends it.")
@click.option("--json", "as_json", is_flag=True, help="As it was written: a server writes one JSON object a line.")
def command(revision: str, kind: str, follow: bool, as_json: bool) -> None:
    """Show the log of a revision's training or server."""
    control = Control()
    offset, begun = 0, ""
    while True:
        part = control.get(f"/revisions/{revision}/log", kind=kind, offset=offset)
        if part["text"]:
            offset = part["offset"]
            *whole, begun = (begun + part["text"]).split("\n")
            for line in whole:
                click.echo(line if as_json else readable(line))
            continue
        if not follow:
            click.echo(begun, nl=False)
            return
        time.sleep(_POLL_S)
