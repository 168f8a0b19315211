"""`rung promote`."""

from __future__ import annotations

import time
from typing import Any

import click

from rung.cli._control import Control, print_event
from rung.cli._terminal import json_option, print_json, state
from rung.errors import ConflictError
from rung.schema._name import RevisionName

REJECTED = 1
"""Exit status when the evidence was against it."""
_PROGRESS_EVERY_S = 5.0


@click.command(epilog="Example: rung promote housing.v1.m2")
@click.argument("revision")
@click.option("--detach", is_flag=True, help="Return at once; the platform goes on.")
@click.option("--ignore-plan", is_flag=True, help="Begin though the A/B test is not expected to end in time.")
@json_option
def command(revision: str, detach: bool, ignore_plan: bool, as_json: bool) -> None:
    """Put a candidate through all gates and an A/B test; the evidence decides.

    Ctrl-C ends only the watching: the platform goes on, and the same command watches again. Exit status 0 when it was
    promoted, 1 when it was rejected.
    """
    control = Control()
    name = RevisionName.parse(revision)
    after = control.last_event(name.service)
    begin_or_watch(control, revision, ignore_plan=ignore_plan)
    if detach:
        click.echo(f"the promotion of {revision} goes on; `rung status {name.service}` shows it")
        return
    try:
        _watch(control, name, after=after, as_json=as_json)
    except KeyboardInterrupt:
        click.echo(
            f"\nthe promotion of {revision} goes on without you; `rung promote {revision}` watches again", err=True
        )
        raise
    attempt = _last_attempt(control, revision)
    if as_json:
        print_json(attempt)
    else:
        click.echo(f"{revision} was {state(attempt['outcome'])}")
    if attempt["outcome"] != "promoted":
        raise SystemExit(REJECTED)


def begin_or_watch(control: Control, revision: str, *, ignore_plan: bool = False) -> None:
    """Begin an attempt; one of this revision that is under way is watched instead."""
    try:
        control.post(f"/revisions/{revision}/promotions", {"ignore_plan": ignore_plan})
    except ConflictError:
        attempts = control.get(f"/revisions/{revision}/promotions")
        if not attempts or attempts[-1]["ended"] is not None:
            raise


def _watch(control: Control, name: RevisionName, *, after: int, as_json: bool) -> None:
    told = ("", time.monotonic())

    def is_over() -> bool:
        nonlocal told
        if not as_json:
            told = _tell_progress(control, name, told)
        return _last_attempt(control, str(name))["ended"] is not None

    for event in control.events(name.service, after=after, is_over=is_over):
        if not as_json and event["subject"].startswith(name.major_name):
            print_event(event)


def _tell_progress(control: Control, name: RevisionName, told: tuple[str, float]) -> tuple[str, float]:
    """Print now and then how far the A/B test is, or who has approved."""
    if time.monotonic() - told[1] < _PROGRESS_EVERY_S:
        return told
    for service in control.get("/status", service=name.service)["services"]:
        for major in service["majors"]:
            progress = _progress(major, str(name))
            if progress and progress != told[0]:
                click.echo(f"          {name}  {progress}")
                return progress, time.monotonic()
    return told[0], time.monotonic()


def _progress(major: dict[str, Any], name: str) -> str | None:
    """Say how far a revision is that is tested with production traffic, or waits for people."""
    look = major.get("experiment", {}).get("look")
    if major["challenger"] == name and look:
        return str(look["progress"])
    waiting = next((one.get("approval") for one in major["revisions"] if one["id"] == name), None)
    return None if waiting is None else str(waiting["told"])


def _last_attempt(control: Control, revision: str) -> dict[str, Any]:
    attempt: dict[str, Any] = control.get(f"/revisions/{revision}/promotions")[-1]
    return attempt
