"""`rung audit`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from rung.cli import _duration
from rung.cli._control import Control
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day


@click.command(epilog="Example: rung audit --service housing --since 7d")
@click.option("--service", help="Only of this service; '*' for what concerns none, as tokens.")
@click.option("--actor", help="Only what this one did, as ada, token:ci or login:ada@example.org.")
@click.option("--since", metavar="DURATION", callback=_duration.read, help="Only the last time, as 2h or 7d.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="The newest so many.")
@json_option
def command(service: str | None, actor: str | None, since: float | None, limit: int, as_json: bool) -> None:
    """Show who did what, when and why: the log of everything that changed anything."""
    begin = None if since is None else (datetime.now(UTC) - timedelta(seconds=since)).isoformat()
    shown = Control().get("/audit", service=service, actor=actor, since=begin, limit=limit)
    if as_json:
        print_json(shown)
        return
    table(
        [
            [
                time_of_day(event["time"]),
                event["actor"],
                event["subject"].replace("*", "all services"),
                state(event["kind"]),
                cut(event["because"]),
            ]
            for event in shown
        ],
        ["TIME (UTC)", "WHO", "WHAT", "DEED", "BECAUSE"],
    )
