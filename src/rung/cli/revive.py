"""`rung revive`."""

from __future__ import annotations

import time

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state
from rung.errors import UnavailableError

_WITHIN_S = 180.0


@click.command(epilog="Example: rung revive housing.v1.m3")
@click.argument("revision")
@json_option
def command(revision: str, as_json: bool) -> None:
    """Serve a torn-down revision again at its own path, to look at it; it gets no production traffic by that."""
    control = Control()
    shown = control.post(f"/revisions/{revision}/revive")
    deadline = time.monotonic() + _WITHIN_S
    while not shown["ready"]:
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{revision} does not answer: {shown['not_ready_because']}", hint=f"`rung logs {revision} --server`"
            )
        time.sleep(0.2)
        shown = control.get(f"/revisions/{revision}")
    if as_json:
        print_json(shown)
    else:
        click.echo(f"{revision} is {state(shown['state'])} and answers at {shown['url']}")
