"""`rung down`."""

from __future__ import annotations

import fcntl
import time

import click

from rung.cli._control import Control
from rung.control.place import Place
from rung.errors import ControlPlaneError, UnavailableError
from rung.workspace import find

_WITHIN_S = 120.0


@click.command(epilog="Example: rung down")
def command() -> None:
    """Stop the platform of this workspace: servers finish what they have begun. Nothing that is kept is lost."""
    place = Place(workspace=find())
    try:
        Control(place).post("/shutdown")
    except ControlPlaneError:
        _stop_what_is_left(place)
        click.echo("down")
        return
    deadline = time.monotonic() + _WITHIN_S
    while place.address_file.exists() or _is_held(place):
        if time.monotonic() > deadline:
            raise UnavailableError(f"the control plane did not stop within {_WITHIN_S:.0f} s", hint=f"see {place.log}")
        time.sleep(0.05)
    click.echo("down")


def _is_held(place: Place) -> bool:
    """Tell whether the control plane still has the workspace's lock: then the next `rung up` would be refused."""
    with (place.workspace.state / "control.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _stop_what_is_left(place: Place) -> None:
    """Stop what a killed control plane left running."""
    from rung.control.servers import Servers
    from rung.registry import open_registry

    with open_registry(place.workspace.state) as registry:
        Servers(place=place, registry=registry).stop_all()
    place.address_file.unlink(missing_ok=True)
