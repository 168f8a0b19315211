"""What the control plane does for one command, as a function of a process of its own: for faults at its every write.

The workspace is the current folder. Servers that are on record answer, and every gate passes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simulated_platform import MAJOR, OPERATOR, SERVICE, ControlPlane, World, passing

from rung.compute.environments import Lock
from rung.control.deployment import deployments
from rung.errors import RungError, UnavailableError
from rung.lifecycle import State
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK = Lock(text="# Python 3.11\n")


def use(verb: str, name: str = "") -> int:
    """Do one thing that a command asks for; give the exit code that the command would end with."""
    deployments.resolve = lambda _: LOCK  # type: ignore[assignment]  # to ask an index is another program's work
    try:
        control = adopt(Path.cwd())
        try:
            _USE_CASES[verb](control, RevisionName.parse(name) if name else None)
        finally:
            control.end()
    except RungError as error:
        print(error)  # noqa: T201  as a command prints it
        return error.exit_code
    except OSError as error:  # the API answers 503
        print(f"{error.filename}: {error.strerror}")  # noqa: T201  as above
        return UnavailableError.exit_code
    return 0


def adopt(folder: Path) -> ControlPlane:
    """Begin a control plane in a world in which everything on record runs."""
    world = World(folder=folder)
    control = ControlPlane.begin(world)
    world.processes = dict.fromkeys(control.registry.processes(), True)
    return control


def look(control: ControlPlane, times: int = 4) -> None:
    """Look several times; gates that run have passed at the next look."""
    for _ in range(times):
        control.tick()
        for job, found in control.world.jobs.items():
            control.world.jobs[job] = found or passing(job[1])


def promote_to_the_end(control: ControlPlane, name: RevisionName) -> None:
    """Begin an attempt unless one is under way, and see it through its gates."""
    if control.registry.revision(name).state is State.CANDIDATE:
        _promote(control, name)
    look(control, 12)


def _promote(control: ControlPlane, name: RevisionName) -> None:
    control.platform.promote(name, actor=OPERATOR, ignore_plan=True)


_USE_CASES: dict[str, Callable[[ControlPlane, RevisionName], object]] = {
    "deploy training": lambda control, _: control.platform.deploy_training(SERVICE, allow_dirty=True, actor=OPERATOR),
    "deploy serving": lambda control, name: control.platform.deploy_serving(name, actor=OPERATOR),
    "promote": _promote,
    "promote to the end": promote_to_the_end,
    "look": lambda control, _: look(control),
    "rollback": lambda control, _: control.platform.rollback(SERVICE, MAJOR, because="it is time", actor=OPERATOR),
    "teardown": lambda control, name: control.platform.tear_down(name, because="it is time", actor=OPERATOR),
    "revive": lambda control, name: control.platform.revive(name, actor=OPERATOR),
    "pause": lambda control, _: control.platform.pause(SERVICE, MAJOR, because="it is time", actor=OPERATOR),
    "resume": lambda control, _: control.platform.resume(SERVICE, MAJOR, actor=OPERATOR),
    "abort": lambda control, _: control.platform.abort(SERVICE, MAJOR, because="it is time", actor=OPERATOR),
    "shadow": lambda control, name: control.platform.begin_shadow(name, 0.2, until=None, actor=OPERATOR),
}
