"""What the control plane asks of the place where servers and trainings run: four questions, the same everywhere.

`rung.compute.here` answers them with processes of this machine, `rung.compute.ray` with actors of a Ray cluster. A
place of your own passes `rung.compute.contract`, the suite that both pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rung.compute.local import Command, Usage

__all__ = ["ENDPOINT", "Compute", "Handle", "Machine", "Parcel", "Seen", "Work"]

ENDPOINT = "{endpoint}"
"""Stands in a command's arguments for where it shall listen: `unix:/...` or `address:port`."""

Handle: TypeAlias = Mapping[str, Any]
"""What a compute finds its work by again, in any control plane: plain values for JSON, kept in the registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the work may use; a compute of several machines places it where so much is free."""

    vcpus: float = 1
    memory_gib: float = 2
    gpus: int = 0
    disk_gib: float = 5  # scratch space


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What a machine that does not see the platform's folder is brought, and from where.

    A key in the storage is also the path below the platform's folder, and below the machine's own.
    """

    storage: str  # URL of the object store
    state: str  # the platform's folder
    sockets: str  # where the platform has its sockets
    environment: str  # folder of the environment that the command runs in
    lock: str  # key of what that environment is made of
    wheel: str  # key of the Rung that is in it
    files: Mapping[str, str]  # keys, with the digests of what must be found there; a .tar is unpacked beside itself
    artifacts: tuple[str, ...] = ()  # digests
    returns: tuple[str, ...] = ()  # files and folders that come back when the command has ended, by their paths
    steps: str = ""  # folder of small files that name artifacts; what is new in it is had by the work's next machine
    kept: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # steps that the platform has, by `parcels.keep_steps`
    exchange: str = ""  # folder whose files move between both machines while the command runs, as `Exchange` says
    secret: str = ""  # that seals them


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command, and the machine that it needs."""

    name: str  # unique on the platform, as "housing.v1.m2", "housing.v1.m2-2" (its second replica)
    command: Command  # its folder and its files are seen by every machine, unless there is a parcel
    machine: Machine = Machine()
    parcel: Parcel | None = (
        None  # for machines that do not see the folder, of a command with a log; others pass it over
    )
    socket: str | None = None  # of work that listens: the path of its socket where it runs on this machine
    resumes: bool = False  # begun again elsewhere when its machine is lost; it goes on from what it has kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a piece of work is."""

    state: Literal["starting", "running", "ended"]  # "starting": it waits for a machine, or for what it needs there
    exit_code: int | None = None  # None while it runs; also for work that was cut off
    endpoint: str | None = None  # where it listens, "unix:/..." or "address:port"; None until it has a machine
    node: str = ""  # the machine's name, once there is one
    because: str = ""  # why it waits or was cut off, where that is known
    returned: str = ""  # digest of the list of what came back from a machine that does not see the folder
    is_away: bool = False  # it runs on such a machine


class Compute(Protocol):
    """Runs work on machines. Every method answers within seconds, or raises `UnavailableError`."""

    def start(self, work: Work, *, record: Callable[[Handle], None]) -> Handle:
        """Begin the work and return at once.

        `record` is called with the handle before the command begins. When it raises, or this process dies before it
        returned, the command never runs: what runs is always on record.

        Raises:
            NotFoundError: The program or the folder does not exist.
            UnavailableError: The compute does not answer.
        """

    def observe(self, handles: Sequence[Handle]) -> list[Seen]:
        """Look at work, in the order of the handles; what nobody knows (any more) has ended.

        Raises:
            UnavailableError: The compute does not answer, so nothing is known.
        """

    def stop(self, handle: Handle, grace_s: float = 10.0) -> None:
        """Ask the work to end (SIGTERM), then kill it and all its descendants; return when it is gone.

        Nothing happens to work that has ended.

        Raises:
            UnavailableError: It does not die, or the compute does not answer.
        """

    def usage(self, handle: Handle) -> Usage:
        """Measure what the work uses; zeros for what has ended.

        Raises:
            UnavailableError: The compute does not answer.
        """
