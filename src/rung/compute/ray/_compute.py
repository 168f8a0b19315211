"""`Compute` on a Ray cluster: what is asked of Ray's driver, and what the files that all machines see tell."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rung.compute import local
from rung.compute.protocol import Seen
from rung.compute.ray._bridge import Bridge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rung.compute.local import Command
    from rung.compute.protocol import Handle, Work

_ASK_S = 5.0  # most answers take milliseconds; a machine that is overloaded takes longer
_KILL_S = 20.0  # beyond the grace: for the kill, and for Ray to know of it
_KEYS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # whoever has the cluster's token may run anything on it


class RayCompute:
    """Runs work on a Ray cluster, one of whose machines is this one; those that do not see its folder need a parcel."""

    def __init__(self, address: str, namespace: str) -> None:
        """Name the cluster; nothing is asked of it yet.

        Args:
            address: Of the cluster's head, "10.0.0.5:6379".
            namespace: Ray's, that holds the names of this platform's actors.
        """
        self._bridge = Bridge(address, namespace)

    def start(self, work: Work, *, record: Callable[[Handle], None]) -> Handle:
        """Begin the work; see `Compute.start`."""
        command = work.command
        local.check(command)
        if command.exit_file is not None:
            command.exit_file.unlink(missing_ok=True)  # what is there later was kept by this run, on whatever machine
        handle = {
            "actor": f"{work.name}-{uuid.uuid4().hex[:12]}",
            "machine": asdict(work.machine),
            "exit_file": None if command.exit_file is None else str(command.exit_file.absolute()),
        }
        record(handle)
        order = {
            **_plain(command),
            "listens": work.socket is not None,
            "resumes": work.resumes,
            "parcel": None if work.parcel is None else asdict(work.parcel),
        }
        self._bridge.ask("start", _ASK_S, name=handle["actor"], machine=handle["machine"], order=order)
        return handle

    def observe(self, handles: Sequence[Handle]) -> list[Seen]:
        """Look at work; see `Compute.observe`."""
        if not handles:
            return []
        asked = [{"name": handle["actor"], "machine": handle["machine"]} for handle in handles]
        found = self._bridge.ask("observe", _ASK_S, actors=asked)
        return [_seen(handle, **one) for handle, one in zip(handles, found, strict=True)]

    def stop(self, handle: Handle, grace_s: float = 10.0) -> None:
        """End the work; see `Compute.stop`."""
        self._bridge.ask("stop", grace_s + _KILL_S, name=handle["actor"], grace_s=grace_s)

    def usage(self, handle: Handle) -> local.Usage:
        """Measure the work; see `Compute.usage`."""
        return local.Usage(**self._bridge.ask("usage", _ASK_S, name=handle["actor"]))

    def close(self) -> None:
        """End the driver; the work goes on. The next question begins another one."""
        self._bridge.close()


def _plain(command: Command) -> dict[str, Any]:
    return {
        "argv": command.argv,
        "folder": str(command.folder.absolute()),
        "environment": {name: value for name, value in command.environment.items() if name not in _KEYS},
        "log": None if command.log is None else str(command.log.absolute()),
        "exit_file": None if command.exit_file is None else str(command.exit_file.absolute()),
    }


def _seen(handle: Handle, **found: Any) -> Seen:
    seen = Seen(**found)
    if seen.state == "ended" and seen.exit_code is None and handle["exit_file"] is not None:
        return Seen(**{**found, "exit_code": local.exit_code(Path(handle["exit_file"]))})
    return seen
