"""`rung reject`."""

from __future__ import annotations

import click

from rung.cli import _opinion
from rung.cli._terminal import json_option


@click.command(epilog="Example: rung reject housing.v1.m2 --because 'it was trained on data of one week'")
@click.argument("revision")
@click.option("--because", required=True, help="The reason, kept for ever as evidence.")
@json_option
def command(revision: str, because: str, as_json: bool) -> None:
    """Reject the promotion of a revision that waits for approval: it is torn down, with your reason."""
    _opinion.give(revision, "rejection", because=because, as_json=as_json)
