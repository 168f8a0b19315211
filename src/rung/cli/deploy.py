"""`rung deploy`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control, print_event
from rung.cli._terminal import json_option, print_json, state
from rung.errors import BrokenError
from rung.schema._name import RevisionName


@click.group(epilog="Example: rung deploy training housing && rung deploy serving housing.v1.m0")
def command() -> None:
    """Train or serve a revision on the platform: two stages, and a look at the results between them."""


@command.command("training", epilog="Example: rung deploy training housing")
@click.argument("service")
@click.option("--allow-dirty", is_flag=True, help="Deploy uncommitted changes; the revision says so for ever.")
@click.option("--commit", metavar="SHA", help="Deploy this commit, whatever the tree has; origin is asked for it.")
@click.option("--detach", is_flag=True, help="Return at once.")
@json_option
def training(service: str, *, allow_dirty: bool, commit: str | None, detach: bool, as_json: bool) -> None:
    """Train the next revision of a service: from its commit, in its own environment, with no overrides."""
    control = Control()
    after = control.last_event(service)
    begun = control.post("/revisions", {"service": service, "allow_dirty": allow_dirty, "commit": commit})
    finish(control, begun, after=after, busy=frozenset({"training"}), detach=detach, as_json=as_json)


@command.command("serving", epilog="Example: rung deploy serving housing.v1.m1")
@click.argument("revision")
@click.option("--detach", is_flag=True, help="Return at once.")
@json_option
def serving(revision: str, detach: bool, as_json: bool) -> None:
    """Serve a trained revision at its own path, with no production traffic."""
    control = Control()
    service = RevisionName.parse(revision).service
    after = control.last_event(service)
    begun = control.post(f"/revisions/{revision}/serving")
    shown = finish(control, begun, after=after, busy=frozenset({"deploying"}), detach=detach, as_json=as_json)
    if not as_json and not detach:
        click.echo(f"try it: curl {shown['url']}/docs")


def finish(
    control: Control, begun: dict[str, Any], *, after: int, busy: frozenset[str], detach: bool, as_json: bool
) -> dict[str, Any]:
    """Watch while the revision is in one of the busy states; a failed one ends the command with an error.

    What comes next may have begun before anybody looks: a candidate may be promoted by itself.
    """
    name = begun["id"]
    shown = begun
    if not detach:
        service = name.split(".")[0]

        def is_over() -> bool:
            nonlocal shown
            shown = control.get(f"/revisions/{name}")
            return shown["state"] not in busy

        for event in control.events(service, after=after, is_over=is_over):
            if event["subject"] == name and not as_json:
                print_event(event)
    if as_json:
        print_json(shown)
    elif detach:
        click.echo(f"{name} is {state(shown['state'])}; `rung status` shows how it goes on")
    if shown["state"] == "failed":
        if as_json:
            raise SystemExit(BrokenError.exit_code)  # what was printed says it already: one JSON value, not two
        raise BrokenError(f"{name} failed: {shown['reason']}", hint=f"`rung logs {name}` shows all of it")
    return shown
