"""`rung doctor`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import click

from rung.cli._terminal import json_option, print_json
from rung.control.place import Place
from rung.workspace import find


@click.command(epilog="Example: rung doctor --deep")
@click.option("--deep", is_flag=True, help="Also read every file of every dataset, and hold it against its digest.")
@json_option
def command(deep: bool, as_json: bool) -> None:
    """Find what is wrong with this workspace and its platform, and name the command that mends it.

    Looks at settings, disk, registry, processes, every served revision, the lake and the datasets; changes nothing.
    Ends with status 4 when something is wrong.
    """
    from rung.control import doctor
    from rung.errors import BrokenError
    from rung.registry import open_registry

    place = Place(workspace=find())
    found = []
    opened = partial(open_registry, place.workspace.state, place.workspace.registry_url())
    for finding in doctor.examine(place, opened, deep=deep):
        found.append(finding)
        if not as_json:
            mark = click.style("well ", fg="green") if finding.is_well else click.style("wrong", fg="red", bold=True)
            click.echo(f"{mark}  {finding.subject}: {finding.told}")
            if finding.mend:
                click.echo(f"       {finding.mend}")
    if as_json:
        print_json([asdict(finding) for finding in found])
    wrong = sum(not finding.is_well for finding in found)
    if wrong:
        raise SystemExit(BrokenError.exit_code)
    if not as_json:
        click.echo("nothing is wrong")
