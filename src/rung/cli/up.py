"""`rung up`."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import click

from rung.cli._control import Control
from rung.cli._terminal import json_option, print_json
from rung.control.place import Place
from rung.errors import ControlPlaneError, UnavailableError
from rung.workspace import find

_WITHIN_S = 30.0


@click.command(epilog="Example: rung up --detach")
@click.option("--detach", is_flag=True, help="Go on in the background; `rung down` stops it.")
@click.option(
    "--compute", type=click.Choice(["local", "ray"]), help="Where trainings and servers run; else as rung.toml says."
)
@click.option("--address", "cluster", metavar="HOST:PORT", help="Of the Ray cluster; else as rung.toml says.")
@json_option
def command(detach: bool, compute: str | None, cluster: str | None, as_json: bool) -> None:
    """Start the platform of this workspace: control plane, gateway, and the servers of its revisions.

    In the foreground, Ctrl-C stops everything. What an earlier control plane left running is adopted.
    """
    given = {"RUNG_COMPUTE": compute, "RUNG_COMPUTE_ADDRESS": cluster}
    os.environ.update({name: value for name, value in given.items() if value is not None})
    place = Place(workspace=find())
    _warn(place)
    if not detach:
        from rung.control.__main__ import main

        code = main(["--workspace", str(place.workspace.root)])
        if code:
            raise SystemExit(code)
        return
    control = Control(place)
    if not _answers(control) and not _leads(place, control):
        if as_json:
            print_json({"standing_by": True})
        else:
            click.echo("standing by: another control plane leads, and this one goes on when it is gone")
        return
    _await_gateway(control)
    address = control.address()
    if as_json:
        print_json({"control": address.url, "gateway": address.gateway, "pid": address.pid})
    else:
        click.echo(f"up: consumers use {address.gateway}; the control plane is {address.url}, process {address.pid}")


def _warn(place: Place) -> None:
    """Say what others can reach without a key."""
    from rung.control._edge import open_services

    settings = place.workspace.settings()
    for name in open_services(settings, place.workspace.services()):
        click.echo(
            f"warning: whoever reaches {settings.listen.gateway} may ask {name}: set api_keys = true in "
            f"[services.{name}] of rung.toml, and make keys with `rung consumer create`",
            err=True,
        )


def _leads(place: Place, control: Control) -> bool:
    """Start a control plane; tell whether it leads, or stands by for another that the registry knows."""
    from rung.control._lead import STANDING_BY

    place.make()
    argv = [sys.executable, "-m", "rung.control", "--workspace", str(place.workspace.root)]
    before = place.log.stat().st_size if place.log.exists() else 0
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=place.workspace.root
        )
    deadline = time.monotonic() + _WITHIN_S
    while not _answers(control, pid=process.pid):
        if process.poll() is not None or time.monotonic() > deadline:
            with place.log.open() as log_text:
                log_text.seek(before)
                said = [line for line in log_text.read().splitlines() if line.strip()]
            if process.poll() is None and any(STANDING_BY in line for line in said):
                return False
            raise UnavailableError(
                f"the control plane did not start: {said[-1] if said else 'it said nothing'}", hint=f"see {place.log}"
            )
        time.sleep(0.05)
    return True


def _await_gateway(control: Control) -> None:
    """Wait until consumers are answered.

    Raises:
        UnavailableError: The gateway does not come up.
    """
    deadline = time.monotonic() + _WITHIN_S
    while not control.get("/healthz")["gateway"]:
        if time.monotonic() > deadline:
            raise UnavailableError("the gateway does not come up", hint="`rung doctor` tells why")
        time.sleep(0.05)


def _answers(control: Control, *, pid: int | None = None) -> bool:
    try:
        if pid is not None and control.address().pid != pid:
            return False
        control.get("/healthz")
    except ControlPlaneError:
        return False
    return True
