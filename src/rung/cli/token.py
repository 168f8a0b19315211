"""`rung token`."""

from __future__ import annotations

from typing import Any

import click

from rung.cli import _duration
from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state, table, time_of_day

_ROLES = ("viewer", "engineer", "approver", "admin", "gateway")


@click.group(epilog="Example: rung token create ci --role engineer --service housing --expires 90d")
def command() -> None:
    """Make, list and revoke the tokens by which others use this platform."""


@command.command("create", epilog="Example: rung token create ada --role approver --expires 30d")
@click.argument("name")
@click.option(
    "--role", type=click.Choice(_ROLES), required=True, help="What it may do; each role includes those before."
)
@click.option("--service", "services", multiple=True, help="Only in this service; may be repeated. By default in all.")
@click.option(
    "--expires",
    metavar="DURATION",
    default="90d",
    show_default=True,
    callback=_duration.read,
    help="It ends after that.",
)
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def create(name: str, role: str, services: tuple[str, ...], expires: float, because: str, as_json: bool) -> None:
    """Make a token for a person or a program, and show it: this once."""
    order = {"name": name, "role": role, "services": list(services) or ["*"], "expires_s": expires, "because": because}
    shown = Control().post("/tokens", order)
    if as_json:
        print_json(shown)
        return
    click.echo(shown["token"])
    click.echo(
        f"this is the token of {name}, until {time_of_day(shown['expires'])} UTC; nobody can show it again. "
        f"Its id is {shown['id']}",
        err=True,
    )


@command.command("list", epilog="Example: rung token list")
@json_option
def list_tokens(as_json: bool) -> None:
    """Show all tokens that were made; not their secrets, which are not kept."""
    shown = Control().get("/tokens")
    if as_json:
        print_json(shown)
        return
    header = ["ID", "NAME", "STATE", "MAY", "EXPIRES (UTC)", "MADE BY"]
    table([[*_row(one), time_of_day(one["expires"]), one["actor"]] for one in shown], header)


@command.command("revoke", epilog="Example: rung token revoke 5f0c2ab1d4e6a798 --because 'ada left'")
@click.argument("identity", metavar="ID")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def revoke(identity: str, because: str, as_json: bool) -> None:
    """Make a token open nothing any more, from now on."""
    shown = Control().post(f"/tokens/{identity}/revocation", {"because": because})
    if as_json:
        print_json(shown)
    else:
        click.echo(f"the token {shown['id']} of {shown['name']} opens nothing any more")


def _row(token: dict[str, Any]) -> list[str]:
    grants = ", ".join(f"{grant['role']} of {grant['service']}" for grant in token["grants"])
    return [token["id"], token["name"], state(token["state"]), grants.replace("of *", "of all services")]
