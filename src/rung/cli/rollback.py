"""`rung rollback`."""

from __future__ import annotations

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json
from rung.cli.history import split_major
from rung.errors import CallError


@click.command(epilog="Example: rung rollback housing.v1 --because 'complaints from the valuation desk'")
@click.argument("name", metavar="SERVICE.vN")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def command(name: str, because: str, as_json: bool) -> None:
    """Bring the last incumbent back; it was kept warm, so it answers production within a second."""
    service, major = split_major(name)
    if major is None:
        raise CallError(f"{name!r} names no major", hint=f"write {name}.v1")
    shown = Control().post(f"/majors/{service}/{major}/rollback", {"because": because})
    if as_json:
        print_json(shown)
    else:
        click.echo(f"{shown['id']} answers production again: {shown['reason']}")
