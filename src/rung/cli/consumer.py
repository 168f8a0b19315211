"""`rung consumer`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state, table, time_of_day


@click.group(epilog="Example: rung consumer create shop --service housing")
def command() -> None:
    """Make, list and revoke the keys by which consumers are known at the gateway.

    A service asks for them with `api_keys = true` in rung.toml. A consumer sends its key in the header x-api-key.
    """


@command.command("create", epilog="Example: rung consumer create shop --service housing")
@click.argument("name")
@click.option("--service", help="The only service that the key opens. By default all.")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def create(name: str, service: str | None, because: str, as_json: bool) -> None:
    """Make a key for a consumer, and show it: this once. A consumer may have several."""
    shown = Control().post("/consumers", {"name": name, "service": service, "because": because})
    if as_json:
        print_json(shown)
        return
    click.echo(shown["key"])
    click.echo(
        f"this is a key of {name} for {service or 'all services'}, in the header x-api-key; nobody can show it again. "
        f"Its id is {shown['id']}",
        err=True,
    )


@command.command("list", epilog="Example: rung consumer list")
@json_option
def list_keys(as_json: bool) -> None:
    """Show all keys that were made; not the keys themselves, which are not kept."""
    shown = Control().get("/consumers")
    if as_json:
        print_json(shown)
        return
    table([_row(one) for one in shown], ["ID", "NAME", "STATE", "SERVICE", "MADE (UTC)", "MADE BY"])


@command.command("revoke", epilog="Example: rung consumer revoke shop --because 'the contract ended'")
@click.argument("wanted", metavar="ID-OR-NAME")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def revoke(wanted: str, because: str, as_json: bool) -> None:
    """Make a key, or all keys of a consumer, open nothing any more, from now on."""
    shown = Control().post(f"/consumers/{wanted}/revocation", {"because": because})
    if as_json:
        print_json(shown)
        return
    for one in shown:
        click.echo(f"the key {one['id']} of {one['name']} opens nothing any more")


def _row(key: dict[str, Any]) -> list[str]:
    made = time_of_day(key["created"])
    return [key["id"], key["name"], state(key["state"]), key["service"] or "all", made, key["actor"]]
