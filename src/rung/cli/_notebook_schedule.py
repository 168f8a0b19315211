"""`rung notebook schedule`: notebooks that the control plane runs by a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rung.cli._duration import read as duration
from rung.cli._terminal import json_option, print_json, state, table, time_of_day

if TYPE_CHECKING:
    from rung.cli._control import Control


@click.command(epilog="Example: rung notebook schedule housing/explore --cron '0 6 * * 1' --zone Europe/Berlin")
@click.argument("notebook", metavar="[SERVICE/NAME]", required=False)
@click.option("--cron", help="When, as five fields: minute, hour, day of month, month, day of week (0 is Sunday).")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of these fields, as Europe/Berlin.")
@click.option(
    "-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter; JSON or text."
)
@click.option("--time-limit", callback=duration, default="1h", show_default=True, help="A run is ended then.")
@click.option("--remove", is_flag=True, help="Run it by no schedule any more.")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def schedule(
    notebook: str | None,
    *,
    cron: str | None,
    zone: str,
    parameters: tuple[str, ...],
    time_limit: float,
    remove: bool,
    because: str,
    as_json: bool,
) -> None:
    """Let the control plane run a notebook by a schedule; without --cron, show what is scheduled.

    Schedules survive a restart. What was due while no control plane ran is run once.
    """
    from rung.cli._control import Control
    from rung.errors import CallError

    if (cron or remove) and notebook is None:
        raise CallError("no notebook is named", hint="write SERVICE/NAME, as housing/explore")
    control = Control()
    if remove and notebook is not None:
        control.post(f"{_path(notebook)}/schedule/removal", {"because": because})
    elif cron is not None and notebook is not None:
        order = {"cron": cron, "zone": zone, "parameters": _pairs(parameters), "time_limit_s": time_limit}
        control.post(f"{_path(notebook)}/schedule", {**order, "because": because})
    _show(control, notebook, as_json=as_json, removed=remove)


def _show(control: Control, notebook: str | None, *, as_json: bool, removed: bool) -> None:
    found = control.get("/notebooks/schedules", service=notebook.partition("/")[0] if notebook else None)
    shown = [one for one in found if notebook in {None, one["notebook"]}]
    if as_json:
        print_json(shown)
    elif removed:
        click.echo(f"{notebook} is run by no schedule any more")
    elif shown:
        table([_row(one) for one in shown], ["NOTEBOOK", "CRON", "ZONE", "NEXT (UTC)", "LAST RUN", "STATUS", "BY"])
    else:
        click.echo(f"{notebook or 'no notebook'} is run by {'no' if notebook else 'a'} schedule; --cron sets one")


def _row(one: dict[str, Any]) -> list[str]:
    last = one["run"] or ""
    return [
        one["notebook"],
        one["cron"],
        one["zone"],
        time_of_day(one["next"]),
        last,
        state(one["status"]),
        one["actor"],
    ]


def _path(notebook: str) -> str:
    from rung.errors import CallError

    service, slash, name = notebook.partition("/")
    if not slash or not name or "/" in name:
        raise CallError(f"{notebook!r} names no notebook", hint="write SERVICE/NAME, as housing/explore")
    return f"/services/{service}/notebooks/{name}"


def _pairs(given: tuple[str, ...]) -> dict[str, Any]:
    from rung.cli.notebook import pairs

    return pairs(given)
