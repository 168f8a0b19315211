"""`rung gateway`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json, state, table

if TYPE_CHECKING:
    from rung.gateway import Certificate

_EXAMPLE = "rung gateway run --name berlin --bind 0.0.0.0 --url https://b.example.org"
_PATIENCE_S = 3.0
_DEADLINE_S = 5.0  # less than what the control plane waits for a report


@click.group(epilog="Example: rung gateway list")
def command() -> None:
    """Run gateways on further machines, and see how they follow.

    All have the same configuration: the same unit gets the same arm at each of them.
    """


@command.command("run", epilog=f"Example: {_EXAMPLE}")
@click.option("--name", required=True, help="What it is called, a-z, 0-9 and -; each gateway has a name of its own.")
@click.option("--port", type=click.IntRange(1, 65_535), default=4780, show_default=True, help="TCP port for consumers.")
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="IP address to listen on.")
@click.option("--certificate", type=click.Path(exists=True, path_type=Path), help="PEM file; needed beyond loopback.")
@click.option("--key", type=click.Path(exists=True, path_type=Path), help="PEM file with its private key.")
@click.option("--url", help="Where consumers reach it, if not at --bind and --port.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where its files lie; by default below ~/.local/state/rung."
)
@click.option("--threads", type=click.IntRange(1, 256), default=2, show_default=True, help="That answer requests.")
@click.option(
    "--drain", "drain_s", type=float, default=60.0, show_default=True, help="Seconds to finish in, at the end."
)
def run(name: str, port: int, bind: str, folder: Path | None, **settings: Any) -> None:
    """Run a gateway here that follows the control plane, until Ctrl-C or SIGTERM; then it finishes what it has begun.

    The token comes from RUNG_TOKEN; `rung token create berlin --role gateway` makes one that opens nothing else. While
    the control plane is away, the gateway routes as it was told last, also after a restart.
    """
    from rung.control.agent import Agent
    from rung.gateway import Gateway

    _check_name(name)
    certificate = _certificate(bind, settings["certificate"], settings["key"])
    host = f"[{bind}]" if ":" in bind else bind
    agent = Agent(
        name=name,
        url=settings["url"] or f"{'https' if certificate else 'http'}://{host}:{port}",
        gateway=Gateway(
            folder=(folder or _folder(name)).absolute(),
            port=port,
            host=bind,
            threads=settings["threads"],
            deadline_s=_DEADLINE_S,
            drain_s=settings["drain_s"],
            certificate=certificate,
        ),
        ask=Control(timeout_s=_PATIENCE_S).post,
    )
    _follow(agent)


@command.command("list", epilog="Example: rung gateway list --json")
@json_option
def list_gateways(as_json: bool) -> None:
    """Show all gateways, how far behind each is, and how many requests it counts."""
    shown = Control().get("/gateways")
    if as_json:
        print_json(shown)
        return
    table([_row(one) for one in shown], ["NAME", "STANDING", "LAG", "VERSION", "REQUESTS", "URL", "BECAUSE"])


@command.command("forget", epilog="Example: rung gateway forget berlin --because 'its machine was given back'")
@click.argument("name")
@click.option("--because", default="", help="The reason, kept for ever.")
@json_option
def forget(name: str, because: str, as_json: bool) -> None:
    """Take a gateway off the list that will not come back. One that is heard from joins again."""
    shown = Control().post(f"/gateways/{name}/removal", {"because": because})
    if as_json:
        print_json(shown)
        return
    click.echo(f"{name} is on the list no more")


def _row(one: dict[str, Any]) -> list[str]:
    lag = f"{one['lag_s']:.1f} s" if one["lag_s"] else ""
    requests = f"{one['requests']:,}"
    return [one["name"], state(one["standing"]), lag, one["version"], requests, one["url"], one["because"]]


def _check_name(name: str) -> None:
    import re

    from rung.control.gateways import OWN
    from rung.errors import CallError

    if name == OWN or not re.fullmatch(r"[a-z][a-z0-9-]{0,59}", name):
        raise CallError(f"{name!r} cannot name a gateway", hint=f"use at most 60 of a-z, 0-9 and -, and not {OWN!r}")


def _certificate(bind: str, chain: Path | None, key: Path | None) -> Certificate | None:
    from rung.errors import CallError
    from rung.gateway import Certificate
    from rung.settings import LOOPBACK

    if chain is not None and key is not None:
        return Certificate(chain=chain.absolute(), key=key.absolute())
    if chain is not None or key is not None:
        raise CallError("a certificate and its key come together", hint="give both --certificate and --key")
    if bind not in LOOPBACK:
        raise CallError(f"on {bind} the gateway needs TLS", hint="give --certificate and --key, or bind to 127.0.0.1")
    return None


def _folder(name: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "rung" / f"gateway-{name}"


def _follow(agent: Any) -> None:
    import signal
    import threading

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    click.echo(f"gateway {agent.name} at {agent.url}; its files lie in {agent.gateway.folder}", err=True)
    agent.run(stop)
