"""`rung queue`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control
from rung.cli._terminal import cut, json_option, print_json, state, table, time_of_day


@click.command(epilog="Example: rung queue --json")
@json_option
def command(*, as_json: bool) -> None:
    """Show which trainings of revisions have slots, and which wait for one: at which place, and why.

    `[training]` and `[teams.NAME]` in rung.toml say how many slots there are, and who shares them. Without them every
    training begins at once.
    """
    shown = Control().get("/training/queue")
    if as_json:
        print_json(shown)
        return
    of = "no limit" if shown["slots"] is None else f"{shown['slots']} slots"
    click.echo(f"{shown['taken']} trainings run, {of}; {len(shown['waiting'])} wait")
    rows = [_row(one, state("training"), "it has a slot") for one in shown["running"]]
    rows += [_row(one, f"place {one['place']}", one["because"]) for one in shown["waiting"]]
    if rows:
        table(rows, ["REVISION", "TEAM", "ASKED (UTC)", "STANDING", "BECAUSE"])
    limited = [one for one in shown["teams"] if one["slots"] is not None]
    if limited:
        click.echo()
        table([_team(one) for one in limited], ["TEAM", "SLOTS", "TAKEN", "WAITING", "MAY BURST"])


def _row(one: dict[str, Any], standing: str, because: str) -> list[str]:
    return [one["revision"], one["team"], time_of_day(one["asked"]), standing, cut(because)]


def _team(one: dict[str, Any]) -> list[str]:
    return [one["team"], f"{one['slots']}", f"{one['taken']}", f"{one['waiting']}", "yes" if one["burst"] else "no"]
