"""`rung down`."""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from rung.cli import _remote
from rung.cli._control import Control
from rung.control.place import Place
from rung.errors import ControlPlaneError, UnavailableError
from rung.workspace import find

if TYPE_CHECKING:
    from rung.control.servers import Servers
    from rung.registry import Registry

_WITHIN_S = 120.0
_LOOK_S = 1.0  # for a lease that runs out


@click.command(epilog="Example: rung down")
def command() -> None:
    """Stop the platform of this workspace, or with --control one elsewhere.

    Servers finish what they have begun. Nothing that is kept is lost.
    """
    if _remote.chosen() is not None:
        _stop_elsewhere()
        return
    place = Place(workspace=find())
    deadline = time.monotonic() + _WITHIN_S
    while not _is_asked(place):
        if _is_left_stopped(place):
            _tell(place)
            return
        _check(deadline, place)
    while place.address_file.exists() or _is_held(place):
        _check(deadline, place)
        time.sleep(0.05)
    _tell(place)


def _tell(place: Place) -> None:
    """Say that it is done; name the trainings that go on, and what a cluster that does not answer may still run."""
    from rung.compute.jobs import Job
    from rung.lifecycle import State
    from rung.registry import open_registry

    click.echo("down")
    with suppress(UnavailableError), open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
        trained = [
            str(revision.name)
            for revision in registry.revisions()
            if revision.state is State.TRAINING and Job(place.revision(revision.name) / "jobs" / "training").handle()
        ]
        left = sorted(registry.processes())
        lines = (
            [f"trained further: {', '.join(trained)}; the next `rung up` takes over what comes of it"]
            if trained
            else []
        )
        if left and place.workspace.settings().compute_address is not None:
            unknown = f"not stopped, since their cluster does not answer: {', '.join(left)}"
            lines.append(f"{unknown}; the next `rung up` takes them over")
        for line in lines:
            click.echo(line, err=True)


def _stop_elsewhere() -> None:
    control = Control()
    control.post("/shutdown")
    deadline = time.monotonic() + _WITHIN_S
    try:
        while time.monotonic() < deadline:
            control.get("/healthz")
            time.sleep(_LOOK_S)
    except ControlPlaneError:
        click.echo("down")
        return
    raise UnavailableError(f"the control plane still answers after {_WITHIN_S:.0f} s", hint="does another one lead?")


def _is_asked(place: Place) -> bool:
    """Ask the control plane to stop everything; false when none answers."""
    try:
        Control(place).post("/shutdown")
    except ControlPlaneError:
        return False
    return True


def _check(deadline: float, place: Place) -> None:
    if time.monotonic() > deadline:
        raise UnavailableError(f"the control plane did not stop within {_WITHIN_S:.0f} s", hint=f"see {place.log}")


def _is_held(place: Place) -> bool:
    """Tell whether the control plane still has the workspace's lock: then the next `rung up` would be refused."""
    with (place.workspace.state / "control.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_left_stopped(place: Place) -> bool:
    """Stop what a killed control plane left running; false while another one leads, which is to be asked then."""
    from rung.control.promotion.gates import stop_jobs
    from rung.control.servers import Servers
    from rung.registry import open_registry

    with open_registry(place.workspace.state, place.workspace.registry_url()) as registry:
        servers = Servers.of(place, registry)
        if registry.is_shared:
            return _is_stopped_by_leader(place, registry, servers)
        stop_jobs(place, registry)
        servers.stop_all()
    place.address_file.unlink(missing_ok=True)
    return True


def _is_stopped_by_leader(place: Place, registry: Registry, servers: Servers) -> bool:
    """Lead for as long as stopping takes, so that who stands by does not begin anew meanwhile, but ends."""
    import structlog

    from rung.control._lead import Lead
    from rung.control.promotion.gates import stop_jobs

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lead = Lead(place, registry)
    if lead.take(threading.Event(), within_s=_LOOK_S):
        stop_jobs(place, registry)
        servers.stop_all()
        lead.give_back()
    elif registry.is_led():
        return False
    place.address_file.unlink(missing_ok=True)
    return True
