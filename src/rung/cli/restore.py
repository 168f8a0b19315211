"""`rung restore`."""

from __future__ import annotations

import click

from rung.cli._terminal import json_option
from rung.cli.backup import Progress, show
from rung.workspace import find


@click.command(epilog="Example: rung restore /mnt/backups/shop && rung up --detach")
@click.argument("source")
@json_option
def command(source: str, as_json: bool) -> None:
    """Fill the empty state of this workspace from a backup; then `rung up` serves what served.

    The state appears whole or not at all. Every byte is compared with its digest. `rung.toml` stays as it is here.
    """
    from rung.backup import Report, differs, restore
    from rung.objects import open_objects

    workspace = find()
    report = Report(tell=Progress("restored", is_silent=as_json))
    manifest = restore(workspace, open_objects(source), report)
    show(manifest, report, f"restored into {workspace.state}", as_json=as_json)
    if not as_json and differs(workspace, manifest):
        click.echo("rung.toml differs from the one in the backup; this one stays", err=True)
