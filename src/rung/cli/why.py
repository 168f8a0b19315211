"""`rung why`."""

from __future__ import annotations

import uuid
from typing import Any

import click

from rung.cli._control import Control, print_event
from rung.cli._terminal import json_option, print_json, state
from rung.cli.history import split_major


@click.command(epilog="Example: rung why housing.v1")
@click.argument("name", metavar="SERVICE.vN[.mN]|PREDICTION")
@json_option
def command(name: str, as_json: bool) -> None:
    """Show the evidence that made a revision what it is; of a major, its incumbent's.

    Of a prediction (the x-request-id of its answer): who made it, from which code, data and artifacts.
    """
    control = Control()
    if _is_prediction(name):
        _print_prediction(control.get(f"/predictions/{name}"), as_json=as_json)
        return
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


def _is_prediction(name: str) -> bool:
    """Tell ids of predictions, which are UUIDs, from names."""
    try:
        uuid.UUID(name)
    except ValueError:
        return False
    return True


def _print_prediction(traced: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(traced)
        return
    made_of = traced.pop("made_of")
    for part in (traced, made_of):
        for name, value in part.items():
            if value not in (None, "", [], {}):
                click.echo(f"{name:<16} {value}")


def _print_attempt(attempt: dict[str, Any]) -> None:
    click.echo(f"  attempt {attempt['id']} by {attempt['actor']}: {attempt['outcome'] or 'under way'}")
    for verdict in attempt["verdicts"]:
        click.echo(f"    {verdict['gate']:<10} {state(verdict['kind'])}: {verdict['because']}")
