"""`rung status`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli import _practice
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day

_MARKS = {
    "done": ("x", "green"),
    "current": (">", "yellow"),
    "waiting": ("~", "yellow"),
    "todo": (" ", None),
    "noted": ("-", None),
    "unknown": ("?", None),
}
"""How a step is marked, and its colour on a terminal."""
_EXPLAINED = frozenset({"current", "waiting", "noted"})


@click.command(epilog="Example: rung status housing --json")
@click.argument("service", required=False)
@json_option
def command(service: str | None, as_json: bool) -> None:
    """Show services, their revisions, and what comes next; of one service, on which step of its path it is.

    Where no platform runs, the path is told from the workspace and the registry alone.
    """
    if _practice.is_stopped():
        _show_stopped(service, as_json=as_json)
        return
    from rung.cli._control import Control

    control = Control()
    path = None if service is None else control.get(f"/services/{service}/path")
    shown = control.get("/status", service=service)
    if as_json:
        print_json(shown if path is None else {**shown, "path": path})
        return
    if not shown["services"] and path is None:
        click.echo("nothing is deployed yet; next: rung new housing --template housing")
    _print_alerts(shown["alerts"])
    _print_gateways(shown["gateways"])
    for one in shown["services"]:
        _print_alerts(one["alerts"], one["name"])
        for major in one["majors"]:
            _print_major(one["name"], major, shown["gateway"])
        for major, because in one["on_hold"].items():
            click.echo(
                click.style(f"{major} is on hold: {because}; `rung metrics requests {one['name']}`", fg="yellow")
            )
        if path is None:
            click.echo(f"next: {one['next']}")
    if path is not None:
        print_path(path)


def print_path(path: dict[str, Any]) -> None:
    """Print on which step of its path a service is, and what comes next."""
    kind = "a new service" if path["kind"] == "new_service" else "a new revision"
    click.echo(f"{click.style(path['service'], bold=True)}: {kind}, on its way is {path['revision']}")
    for step in path["steps"]:
        mark, colour = _MARKS[step["standing"]]
        said = f": {step['because']}" if step["because"] and step["standing"] in _EXPLAINED else ""
        click.echo(click.style(f"  {mark} {step['title']}", fg=colour) + said)
    click.echo(f"next: {path['next']}")


def _show_stopped(service: str | None, *, as_json: bool) -> None:
    """Tell what the workspace and the registry know, where nothing runs."""
    with _practice.here() as practice:
        names = practice.place.workspace.services() if service is None else [service]
        paths = [practice.path(name).to_json() for name in names]
    if as_json:
        print_json(
            {"gateway": None, "services": [], "alerts": [], "paths": paths} if service is None else {"path": paths[0]}
        )
        return
    for path in paths:
        if service is None:
            click.echo(f"{click.style(path['service'], bold=True)}: {path['next']}")
        else:
            print_path(path)
    if not paths:
        click.echo("there is no service yet; next: rung new housing --template housing")
    click.echo("the platform does not run: `rung up --detach` starts it")


def _print_alerts(alerts: list[dict[str, Any]], service: str = "") -> None:
    if alerts:
        worst = "red" if any(one["severity"] == "critical" for one in alerts) else "yellow"
        count = f"{len(alerts)} alert{'s are' if len(alerts) > 1 else ' is'} open"
        told = f"{service or 'the platform'}: {count}: {cut(alerts[0]['because'])}; `rung alerts {service}".rstrip()
        click.echo(click.style(f"{told}`", fg=worst))


def _print_gateways(gateways: list[dict[str, Any]]) -> None:
    """Name the gateways elsewhere that do not route as they shall."""
    for one in gateways:
        if one["standing"] != "ready" and one["name"] != "own":
            told = f"the gateway {one['name']} is {one['standing']} for {one['lag_s']:.0f} s: {one['because']}"
            click.echo(click.style(f"{told}; `rung gateway list`", fg="yellow"))


def _memory(revision: dict[str, Any]) -> str:
    """Spell what a server took at its deployment, and how many of them there are."""
    from rung.control.deployment.memory import spell_bytes

    if not revision["memory"]:
        return ""
    each = spell_bytes(revision["memory"]["total_bytes"])
    return f"{revision['servers']} x {each}" if revision["servers"] > 1 else each


def _print_major(service: str, major: dict[str, Any], gateway: str) -> None:
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
                _memory(revision),
                cut(revision["reason"]),
                revision["next"],
            ]
            for revision in major["revisions"]
        ],
        ["REVISION", "STATE", "SINCE (UTC)", "COMMIT", "MEMORY", "BECAUSE", "NEXT"],
    )
    for revision in major["revisions"]:
        if revision["scaled"]:
            servers = (
                f"{revision['servers']} server{'s' * (revision['servers'] > 1)}"
                if revision["servers"]
                else "it sleeps until somebody asks"
            )
            click.echo(f"{revision['id']}: {servers}; {revision['scaled']}")
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
