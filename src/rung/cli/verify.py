"""`rung verify`."""

from __future__ import annotations

import click

from rung.cli._terminal import json_option, print_json
from rung.control.place import Place
from rung.schema import RevisionName
from rung.workspace import find


@click.command(epilog="Example: rung verify housing.v1.m2")
@click.argument("revision")
@json_option
def command(revision: str, as_json: bool) -> None:
    """Hold a revision's files against what was signed when it was trained: bundle, lock, artifacts, source.

    Needs no control plane. It ends with an error when something is not as it was, or must be signed and is not.
    """
    from rung.control.deployment.trust import Trust

    trust = Trust.of(Place(workspace=find()))
    verified = trust.check(RevisionName.parse(revision), contents=True)
    trust.check_source(verified)
    if as_json:
        print_json(verified.to_json())
    else:
        click.echo(verified.told)
