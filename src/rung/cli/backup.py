"""`rung backup`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from rung.cli._terminal import json_option, print_json
from rung.workspace import find

if TYPE_CHECKING:
    from rung.backup import Manifest, Report

_EVERY_S = 0.5


@click.command(epilog="Example: rung backup /mnt/backups/shop, or rung backup --check s3://backups/shop")
@click.argument("target")
@click.option("--check", "is_check", is_flag=True, help="Copy nothing: read the last backup, and compare every digest.")
@json_option
def command(target: str, is_check: bool, as_json: bool) -> None:
    """Copy the state of this workspace to a folder or to s3://BUCKET/PREFIX, while everything runs.

    In it are the registry, artifacts, runs, revisions, the lake and the log lines that are not in it yet: all that was
    acknowledged before the command began. The next backup to the same target copies what is new. Killed on the way, the
    one before still counts. With a storage, artifacts and tables stay there, and are only checked.
    """
    from rung.backup import Report, back_up, check
    from rung.objects import open_objects
    from rung.registry import open_registry

    workspace = find()
    place = open_objects(target)
    report = Report(tell=Progress("checked" if is_check else "copied", is_silent=as_json))
    if is_check:
        manifest = check(place, report)
    else:
        with open_registry(workspace.state, workspace.settings().registry) as registry:
            manifest = back_up(workspace, registry, place, report)
    show(manifest, report, "whole" if is_check else f"backed up to {place.url}", as_json=as_json)


def show(manifest: Manifest, report: Report, done: str, *, as_json: bool) -> None:
    """Print what was done."""
    told: dict[str, Any] = {
        "made": manifest.made.isoformat(),
        "files": report.files,
        "bytes": report.bytes,
        "copied_files": report.copied_files,
        "copied_bytes": report.copied_bytes,
        "in_storage": len(manifest.stored),
        "rows": sum(manifest.counts.values()),
        "seconds": round(report.seconds, 3),
    }
    if as_json:
        print_json(told)
        return
    stored = f", {len(manifest.stored):,} artifacts in {manifest.storage}" if manifest.stored else ""
    click.echo(
        f"{done}: {report.files:,} files, {report.bytes:,} bytes{stored}; {report.copied_files:,} copied "
        f"({report.copied_bytes:,} bytes) in {report.seconds:.1f} s; as of {manifest.made:%Y-%m-%d %H:%M:%S} UTC"
    )


class Progress:
    """Tells on a terminal how far it is, a few times a second."""

    def __init__(self, verb: str, *, is_silent: bool) -> None:
        self._verb = verb
        self._is_silent = is_silent or not sys.stderr.isatty()
        self._told = time.monotonic()

    def __call__(self, report: Report) -> None:
        """Tell, when it is time."""
        if self._is_silent or time.monotonic() - self._told < _EVERY_S:
            return
        self._told = time.monotonic()
        click.echo(f"\r{report.done:,} of {report.files:,} files {self._verb} ", err=True, nl=False)
