"""`rung teardown`."""

from __future__ import annotations

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state


@click.command(epilog="Example: rung teardown housing.v1.m3 --because 'not needed'")
@click.argument("revision")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def command(revision: str, because: str, as_json: bool) -> None:
    """Stop a revision that is not the incumbent. Its artifacts, logs and evidence stay."""
    shown = Control().post(f"/revisions/{revision}/teardown", {"because": because})
    if as_json:
        print_json(shown)
    else:
        click.echo(f"{revision} is {state(shown['state'])}: {shown['reason']}")
