"""`rung status`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day


@click.command(epilog="Example: rung status housing --json")
@click.argument("service", required=False)
@json_option
def command(service: str | None, as_json: bool) -> None:
    """Show services, their revisions, and what comes next."""
    shown = Control().get("/status", service=service)
    if as_json:
        print_json(shown)
        return
    if not shown["services"]:
        what, example = (f"nothing of {service}", service) if service else ("nothing", "SERVICE")
        click.echo(f"{what} is deployed yet; next: rung deploy training {example}")
    _print_alerts(shown["alerts"])
    for one in shown["services"]:
        _print_alerts(one["alerts"], one["name"])
        for major in one["majors"]:
            _print_major(one["name"], major, shown["gateway"])


def _print_alerts(alerts: list[dict[str, Any]], service: str = "") -> None:
    if alerts:
        worst = "red" if any(one["severity"] == "critical" for one in alerts) else "yellow"
        count = f"{len(alerts)} alert{'s are' if len(alerts) > 1 else ' is'} open"
        told = f"{service or 'the platform'}: {count}: {cut(alerts[0]['because'])}; `rung alerts {service}".rstrip()
        click.echo(click.style(f"{told}`", fg=worst))


def _print_major(service: str, major: dict[str, Any], gateway: str) -> None:
    from rung.control.deployment.memory import spell_bytes

    name = f"{service}.v{major['major']}"
    incumbent = major["incumbent"] or "nobody yet"
    click.echo(f"{click.style(name, bold=True)}  {gateway}/{service}/v{major['major']}/  answered by {incumbent}")
    table(
        [
            [
                revision["id"],
                state(revision["state"]) + (" (benchmark)" if revision["benchmark"] else ""),
                time_of_day(revision["since"]),
                (revision["commit"] or "")[:8] + ("+" if revision["dirty"] else ""),
                spell_bytes(revision["memory"]["total_bytes"]) if revision["memory"] else "",
                cut(revision["reason"]),
                revision["next"],
            ]
            for revision in major["revisions"]
        ],
        ["REVISION", "STATE", "SINCE (UTC)", "COMMIT", "MEMORY", "BECAUSE", "NEXT"],
    )
    for revision in major["revisions"]:
        for trouble in revision["troubles"]:
            click.echo(f"{revision['id']}: {click.style(trouble, fg='red')}")
        if revision["idle"]:
            click.echo(f"{revision['id']}: {click.style(revision['idle'], fg='yellow')}")
        if revision.get("approval"):
            click.echo(f"{revision['id']}: {click.style(revision['approval']['told'], fg='yellow')}")
    if "experiment" in major and major["experiment"]["look"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in major["experiment"]["shares"].items())
        paused = ", paused" if major["experiment"]["paused"] else ""
        click.echo(f"A/B test ({shares}{paused}): {major['experiment']['look']['progress']}")
