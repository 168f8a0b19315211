"""`rung history`."""

from __future__ import annotations

import click

from rung.cli._control import Control, print_event
from rung.cli._terminal import cut, json_option, print_json, table, time_of_day
from rung.errors import CallError


@click.command(epilog="Example: rung history housing.v1 --events")
@click.argument("name", metavar="SERVICE[.vN]")
@click.option("--events", "with_events", is_flag=True, help="Also print every event.")
@json_option
def command(name: str, with_events: bool, as_json: bool) -> None:
    """Show what answered production when, and why it changed."""
    service, major = split_major(name)
    shown = Control().get(f"/services/{service}/history", major=major)
    if as_json:
        print_json(shown)
        return
    table(
        [
            [
                reign["revision"],
                time_of_day(reign["from"]),
                time_of_day(reign["until"] or "") or "now",
                cut(reign["because"]),
                cut(reign["ended_because"] or ""),
            ]
            for reign in shown["incumbents"]
        ],
        ["INCUMBENT", "FROM (UTC)", "UNTIL", "BECAUSE", "ENDED BECAUSE"],
    )
    if with_events:
        for event in shown["events"]:
            print_event(event)


def split_major(name: str) -> tuple[str, int | None]:
    """Read `housing` or `housing.v1`."""
    service, dot, major = name.partition(".")
    if not dot:
        return service, None
    if not (major.startswith("v") and major[1:].isdigit()):
        raise CallError(f"{name!r} names no major", hint="write housing or housing.v1")
    return service, int(major[1:])
