"""`rung cost`."""

from __future__ import annotations

import math
from typing import Any

import click

from rung.cli._control import Control
from rung.cli._duration import read
from rung.cli._terminal import json_option, print_json, table, time_of_day


@click.command(epilog="Example: rung cost housing --since 7d")
@click.argument("service", required=False)
@click.option("--since", callback=read, default="30d", show_default=True, help="How far back, in whole days.")
@json_option
def command(service: str | None, since: float, as_json: bool) -> None:
    """Show what each revision used: processor time, memory, requests; and what that costs, with prices in rung.toml.

    Revisions that nobody asks are marked. Measured every 15 seconds, from the processes of each server.
    """
    days = max(1, math.ceil(since / 86_400))
    shown = Control().get("/cost", service=service, days=days)
    if as_json:
        print_json(shown)
        return
    if not shown["revisions"]:
        click.echo(f"nothing was served since {shown['since']}")
        return
    priced = shown["currency"] is not None
    head = ["REVISION", "STATE", "SERVED", "CPU", "MEMORY", "REQUESTS"]
    table([_row(found, shown["currency"]) for found in shown["revisions"]], head + ["COST"] * priced + ["IDLE SINCE"])
    if priced:
        total = sum(found["cost"] for found in shown["revisions"])
        click.echo(f"{total:,.2f} {shown['currency']} since {shown['since']}")
    else:
        click.echo("no prices: set [price] cpu_hour, gib_hour and currency in rung.toml")


def _row(found: dict[str, Any], currency: str | None) -> list[str]:
    return [
        found["revision"],
        found["state"] or "gone",
        _hours(found["served_s"]),
        _hours(found["cpu_s"]),
        f"{found['memory_gib_s'] / 3_600:,.2f} GiB h",
        f"{found['requests']:,}",
        *([] if currency is None else [f"{found['cost']:,.4f} {currency}"]),
        time_of_day(found["idle_since"]) if found["idle_since"] else "",
    ]


def _hours(seconds: float) -> str:
    return f"{seconds / 3_600:,.2f} h"
