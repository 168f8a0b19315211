"""`rung alerts`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli import _duration
from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, table, time_of_day

_COLOURS = {"critical": "red", "warning": "yellow"}


class _Group(click.Group):
    """Lists alerts unless another subcommand is named: what comes first may be a service, or an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_named = bool(args) and (args[0] in {"-h", "--help"} or not args[0].startswith("-"))
        return super().parse_args(ctx, args if is_named else ["list", *args])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["list", *args])


_because = click.option("--because", required=True, help="The reason, kept for ever.")


@click.group(cls=_Group, epilog="Example: rung alerts housing")
def command() -> None:
    """List alerts, and say something of one.

    `rung alerts [SERVICE] [--all]` lists them. What is found again and again is one alert; it closes when it is over.
    """


@command.command("list", epilog="Example: rung alerts list housing --all")
@click.argument("service", required=False)
@click.option("--all", "closed", is_flag=True, help="Also those that are over.")
@click.option("--channels", "channels", is_flag=True, help="Instead: where alerts are told, and what was not.")
@json_option
def list_alerts(service: str | None, *, closed: bool, channels: bool, as_json: bool) -> None:
    """List alerts, the newest first. `*` as the service: those of the platform itself."""
    if channels:
        _channels(as_json=as_json)
        return
    shown = Control().get("/alerts", service=service, closed=closed)
    if as_json:
        print_json(shown)
    elif not shown:
        click.echo(f"{'there was no alert' if closed else 'no alert is open'}{f' for {service}' if service else ''}")
    for alert in () if as_json else shown:
        click.echo("\n".join(_lines(alert)))


@command.command("acknowledge", epilog="Example: rung alerts acknowledge 12 --because 'we look into it'")
@click.argument("identity", metavar="ID", type=int)
@_because
@json_option
def acknowledge(identity: int, *, because: str, as_json: bool) -> None:
    """Say that somebody sees to an alert."""
    _said(f"/alerts/{identity}/acknowledgement", {"because": because}, as_json=as_json)


@command.command("silence", epilog="Example: rung alerts silence 12 --for 7d --because 'known until the next release'")
@click.argument("identity", metavar="ID", type=int)
@click.option("--for", "seconds", callback=_duration.read, default="7d", show_default=True, help="90m, 6h, 7d.")
@_because
@json_option
def silence(identity: int, *, seconds: float, because: str, as_json: bool) -> None:
    """Tell nothing of an alert for some time, nor of what opens in its place."""
    _said(f"/alerts/{identity}/silence", {"because": because, "for_s": seconds}, as_json=as_json)


@command.command("close", epilog="Example: rung alerts close 12 --because 'prices are higher now, and that is right'")
@click.argument("identity", metavar="ID", type=int)
@_because
@json_option
def close(identity: int, *, because: str, as_json: bool) -> None:
    """Close an alert. While what it tells of goes on, it opens again only when that gets worse."""
    _said(f"/alerts/{identity}/closing", {"because": because}, as_json=as_json)


@command.command("test", epilog="Example: rung alerts test mail")
@click.argument("channels", nargs=-1)
@json_option
def test(channels: tuple[str, ...], *, as_json: bool) -> None:
    """Send a notification that says that nothing is wrong, on these channels or on all, and tell whether it arrived."""
    control = Control()
    wanted = {one["id"]: one for one in control.post("/alerts/test", {"channels": list(channels)})["deliveries"]}
    found = _arrived(control, wanted)
    if as_json:
        print_json(found)
    else:
        for one in found:
            told = "told" if one["sent"] else f"not told: {one['error'] or 'it is still being sent'}"
            click.echo(f"{one['channel']}: {told}")
    if not all(one["sent"] for one in found):
        raise click.exceptions.Exit(1)


def _arrived(control: Control, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    """Wait until each was taken or refused once."""
    import time

    deadline = time.monotonic() + 30
    while True:
        found = [one for one in control.get("/alerts/channels")["deliveries"] if one["id"] in wanted]
        if all(one["attempts"] for one in found) or time.monotonic() > deadline:
            return sorted(found, key=lambda one: str(one["channel"]))
        time.sleep(0.3)


def _said(path: str, body: dict[str, Any], *, as_json: bool) -> None:
    alert = Control().post(path, body)
    if as_json:
        print_json(alert)
    else:
        click.echo("\n".join(_lines(alert)))


def _lines(alert: dict[str, Any]) -> list[str]:
    import textwrap

    from rung.cli._live import width

    about = "the platform" if alert["about"] == "*" else alert["about"]
    severity = click.style(alert["severity"], fg=_COLOURS.get(alert["severity"]), bold=True)
    head = f"{alert['id']:>4}  {severity}  {alert['kind']} of {alert['subject']}  {click.style(about, bold=True)}"
    seen = f"since {time_of_day(alert['opened'])}, seen last {time_of_day(alert['seen'])} UTC, {alert['times']:,} times"
    told = [alert["because"], seen, *(f"suspect: {one}" for one in alert["suspects"])]
    told += [f"owner: {alert['owner']}"] if alert["owner"] else []
    told += [f"{word['what']} by {word['actor']}: {word['because']}" for word in alert["said"]]
    if alert["silenced_until"]:
        told.append(f"silent until {time_of_day(alert['silenced_until'])} UTC")
    told.append(f"over: {alert['ending']}" if alert["closed"] else f"next: {alert['next']}")
    indent = " " * 6
    wrapped = (
        textwrap.wrap(line, max(width(), 40), initial_indent=indent, subsequent_indent=f"{indent}  ") for line in told
    )
    return [head, *(line for lines in wrapped for line in lines)]


def _channels(*, as_json: bool) -> None:
    shown = Control().get("/alerts/channels")
    if as_json:
        print_json(shown)
        return
    if not shown["channels"]:
        click.echo("no channel is set: alerts are told nowhere but here; see [alerts.channels.NAME] of rung.toml")
        return
    table(
        [
            [
                one["name"],
                one["kind"],
                one["where"] or "?",
                one["least"],
                "yes" if one["signed"] else "no",
                f"{one['undelivered']:,}",
                click.style(one["error"] or "", fg="red"),
            ]
            for one in shown["channels"]
        ],
        ["CHANNEL", "KIND", "WHERE", "FROM", "SIGNED", "NOT TOLD", "BECAUSE"],
    )
