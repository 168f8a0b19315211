"""`rung approve`."""

from __future__ import annotations

import click

from rung.cli import _opinion
from rung.cli._terminal import json_option


@click.command(epilog="Example: rung approve housing.v1.m2 --because 'the errors in the east are explained'")
@click.argument("revision")
@click.option("--because", required=True, help="The reason, kept for ever as evidence.")
@json_option
def command(revision: str, because: str, as_json: bool) -> None:
    """Approve the promotion of a revision that waits for it: it goes on when enough people did.

    Nobody approves what they deployed, or whose promotion they asked for. Look at `rung why REVISION` first.
    """
    _opinion.give(revision, "approval", because=because, as_json=as_json)
