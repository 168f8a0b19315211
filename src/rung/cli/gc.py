"""`rung gc`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import click

from rung.cli import _duration
from rung.cli._terminal import json_option, print_json, table
from rung.control.place import Place
from rung.workspace import find

if TYPE_CHECKING:
    from rung.control.leftovers import Leftover


@click.command(epilog="Example: rung gc --dry-run --runs-older-than 30d")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option(
    "--runs-older-than",
    "older_s",
    metavar="DURATION",
    callback=_duration.read,
    help="Outputs of local runs that are older go too, as 30d; their records stay.",
)
@click.option(
    "--backup",
    "target",
    metavar="TARGET",
    help="Also what the last whole backup in that folder or s3:// place does not need.",
)
@json_option
def command(dry_run: bool, older_s: float | None, target: str | None, as_json: bool) -> None:
    """Take away what nothing needs: artifacts that nothing names, environments that nothing runs in, what died left.

    It looks into the state folder and, where one is set, into the storage. Evidence stays: records, logs, source
    snapshots, versions of datasets, and every artifact that a revision or a run on record names. What is younger than a
    day stays as well. It is safe while everything runs.
    """
    from rung.control import leftovers
    from rung.registry import open_registry

    place = Place(workspace=find())
    older = None if older_s is None else timedelta(seconds=older_s)
    with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
        found = leftovers.find(place, registry, datetime.now(UTC), runs_older_than=older)
    if not dry_run:
        leftovers.remove(place, found)
    if target is not None:
        found += _of_backup(target, dry_run=dry_run)
    if as_json:
        print_json({"removed": not dry_run, "bytes": _bytes(found), "leftovers": [asdict(one) for one in found]})
        return
    if not found:
        click.echo("nothing is left over")
        return
    kinds = Counter(one.kind for one in found)
    rows = [
        [kind, f"{kinds[kind]:,}", f"{_bytes([one for one in found if one.kind == kind]):,}"] for kind in sorted(kinds)
    ]
    table(rows, ["KIND", "NUMBER", "BYTES"])
    click.echo(f"{_bytes(found):,} bytes {'would be freed; `rung gc` frees them' if dry_run else 'freed'}")


def _of_backup(target: str, *, dry_run: bool) -> list[Leftover]:
    from rung.backup import sweep, unneeded
    from rung.control.leftovers import Leftover
    from rung.objects import open_objects

    objects, because = open_objects(target), "the last backup does not name it"
    return [
        Leftover(kind="blob", path=PurePosixPath(entry.key), because=because, size=entry.size, store=objects.url)
        for entry in (unneeded if dry_run else sweep)(objects)
    ]


def _bytes(found: list[Leftover]) -> int:
    return sum(one.size for one in found)
