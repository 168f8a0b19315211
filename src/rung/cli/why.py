"""`rung why`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control, print_event
from rung.cli._terminal import json_option, print_json, state
from rung.cli.history import split_major


@click.command(epilog="Example: rung why housing.v1")
@click.argument("name", metavar="SERVICE.vN[.mN]")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show the evidence that made a revision what it is; of a major, its incumbent's."""
    control = Control()
    if ".m" in name:
        shown = control.get(f"/revisions/{name}/why")
    else:
        service, major = split_major(name)
        shown = control.get(f"/majors/{service}/{major or 1}/why")
    if as_json:
        print_json(shown)
        return
    revision = shown["revision"]
    click.echo(f"{click.style(revision['id'], bold=True)} is {state(revision['state'])}: {revision['reason']}")
    dirty = ", from a tree that differed from it" if revision["dirty"] else ""
    click.echo(f"  trained by {revision['actor']} in run {revision['run']} from commit {revision['commit']}{dirty}")
    for attempt in shown["attempts"]:
        _print_attempt(attempt)
    for event in shown["events"]:
        if event["kind"] not in ("gate", "verdict"):
            print_event(event)


def _print_attempt(attempt: dict[str, Any]) -> None:
    click.echo(f"  attempt {attempt['id']} by {attempt['actor']}: {attempt['outcome'] or 'under way'}")
    for verdict in attempt["verdicts"]:
        click.echo(f"    {verdict['gate']:<10} {state(verdict['kind'])}: {verdict['because']}")
