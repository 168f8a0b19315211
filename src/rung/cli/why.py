"""`rung why`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from rung.cli import _remote
from rung.cli._control import Control, print_event
from rung.cli._terminal import json_option, print_json, state, time_of_day
from rung.cli.history import split_major
from rung.cli.promote import REJECTED
from rung.errors import CallError
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}(\.v[0-9]+(\.m[0-9]+)?)?")


@click.command(epilog="Example: rung why housing.v1, or rung why 7d0bd7df-1a1f-4432-9b33-98c2a0a13e7f --replay")
@click.argument("name", metavar="SERVICE.vN[.mN]|PREDICTION")
@click.option("--replay", is_flag=True, help="Make the prediction again, and compare every byte of the answer.")
@json_option
def command(name: str, *, replay: bool, as_json: bool) -> None:
    """Show the evidence that made a revision what it is; of a major, its incumbent's.

    Of a prediction (the x-request-id of its answer): who made it, from which code, data and artifacts, why that
    revision answered then, and what came of it. With --replay it is made again, from the revision's own source,
    environment and artifacts; prints `identical`, or the first value that differs. Exit status 1 when it differs.

    Predictions need no control plane where the registry and the lake can be reached.
    """
    if replay:
        _replay(name, as_json=as_json)
    elif _NAME.fullmatch(name):
        _show_revision(name, as_json=as_json)
    else:
        _show_prediction(_traced(name), as_json=as_json)


def _show_revision(name: str, *, as_json: bool) -> None:
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


def _traced(prediction: str) -> dict[str, Any]:
    """Ask the control plane elsewhere, or else look where the workspace keeps its records."""
    if _remote.chosen() is not None:
        from urllib.parse import quote

        found: dict[str, Any] = Control().get(f"/predictions/{quote(prediction, safe='')}")
        return found
    from rung.lake import open_lake
    from rung.lineage import trace
    from rung.registry import open_registry

    workspace = find()
    with open_registry(workspace.state, workspace.registry_url()) as registry:
        lake = open_lake(workspace)
        return trace(prediction, registry=registry, lake=lake, state=workspace.state)


def _show_prediction(traced: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(traced)
        return
    for name, value in _told(traced):
        if value not in (None, "", [], {}):
            click.echo(f"{name:<16} {value}")


def _told(traced: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    made_of, decision = traced["made_of"], traced["decision"]
    for name, value in traced.items():
        if name not in ("made_of", "decision", "outcomes"):
            yield name, value
    if decision is not None:
        yield "because", f"{decision['state']} since {time_of_day(decision['since'])}: {decision['because']}"
    dirty = ", from a tree that differed from it" if made_of["dirty"] else ""
    yield "commit", f"{made_of['commit']}{dirty}"
    for name in ("patch", "environment", "hyperparameters", "metrics"):
        yield name, made_of[name]
    for read in made_of["data"]:
        yield "data", f"{read['path'].removeprefix('dataset:')}, {read['size']:,} bytes, {read['digest']}"
    for name, digest in made_of["artifacts"].items():
        yield "artifact", ", ".join([name, *made_of["formats"].get(name, "").split(), digest])
    for outcome in traced["outcomes"]:
        yield "outcome", f"{outcome['metric']} {outcome['value']:g} at {time_of_day(outcome['at'])}"


def _replay(prediction: str, *, as_json: bool) -> None:
    if _remote.chosen() is not None:
        raise CallError(
            "a prediction is made again where the workspace is, not by a control plane elsewhere",
            hint=f"there: rung why {prediction} --replay; the registry and the lake must be in reach, nothing need run",
        )
    from rung.replay import replay_prediction

    found = replay_prediction(find(), prediction, report=None if as_json else lambda line: click.echo(line, err=True))
    if as_json:
        print_json(
            {
                "prediction": found.prediction,
                "revision": found.revision,
                "identical": found.is_identical,
                "pointer": found.pointer,
                "because": found.because,
                "environment": found.environment,
                "then": found.then,
                "now": found.now,
            }
        )
    else:
        click.echo(f"{state('identical') if found.is_identical else 'it differs'}: {found.because}")
    if not found.is_identical:
        raise SystemExit(REJECTED)


def _print_attempt(attempt: dict[str, Any]) -> None:
    click.echo(f"  attempt {attempt['id']} by {attempt['actor']}: {attempt['outcome'] or 'under way'}")
    if attempt.get("papers"):
        click.echo(f"    {attempt['papers']['told']}")
    for verdict in attempt["verdicts"]:
        click.echo(f"    {verdict['gate']:<10} {state(verdict['kind'])}: {verdict['because']}")
