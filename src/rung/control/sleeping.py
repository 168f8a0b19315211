"""Revisions that may sleep while nobody asks: their requests go to the activator until a replica is awake.

The activator holds a request and the gateway counts it as one in flight, so `rung.scaling` begins a replica; as soon as
that answers, the gateway has it in the activator's place.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rung.compute.local import Command
from rung.compute.protocol import Work
from rung.control.servers import clean_environment, process_name
from rung.serving.activator import Sleeper, read, write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.control.place import Place
    from rung.control.scaling import Scaling
    from rung.control.servers import Servers
    from rung.infrastructure import ServingHardware
    from rung.schema import RevisionName

ACTIVATOR = "activator"
_HELD = 0
"""The replica in whose name the activator listens."""


@dataclass(slots=True, kw_only=True)
class Sleeping:
    """Who sleeps on one platform."""

    place: Place
    servers: Servers
    scaling: Scaling
    _sleepers: dict[str, Sleeper] = field(default_factory=dict)
    _awake: set[RevisionName] = field(default_factory=set)

    def look(self, served: Mapping[RevisionName, ServingHardware]) -> None:
        """See who is awake, and tell the activator.

        Args:
            served: The revisions that have servers, or would have them, with what they declare.
        """
        light = {name: serving for name, serving in served.items() if serving.autoscaling.minimum == 0}
        self._awake = {name for name in light if self._is_awake(name)}
        self.servers.asleep = frozenset(str(name) for name in light if not self.scaling.replicas(name))
        sleepers = {str(name): self._sleeper(name, serving) for name, serving in light.items()}
        if sleepers != self._sleepers or sleepers != read(self._file):
            write(self._file, sleepers)
        self._sleepers = sleepers
        if sleepers:
            self.servers.ensure(ACTIVATOR, self._work)

    @property
    def is_needed(self) -> bool:
        """Whether the activator shall run."""
        return bool(self._sleepers)

    def held_at(self, name: RevisionName) -> str | None:
        """Tell where the requests of a revision are held; None for one that is awake."""
        found = self._sleepers.get(str(name))
        return None if found is None or name in self._awake else f"unix:{found.socket}"

    def _is_awake(self, name: RevisionName) -> bool:
        """Tell whether a revision has a replica that has been ready; a server that crashes later is not asleep."""
        processes = [process_name(name, number) for number in range(1, self.scaling.replicas(name) + 1)]
        if name in self._awake:
            return bool(processes)
        return any(self.servers.is_ready(process)[0] for process in processes)

    def _sleeper(self, name: RevisionName, serving: ServingHardware) -> Sleeper:
        processes = (process_name(name, number) for number in range(1, self.scaling.replicas(name) + 1))
        return Sleeper(
            socket=str(self.place.socket(process_name(name, _HELD))),
            hold_s=serving.autoscaling.cold_start_s or 0.0,
            timeout_s=serving.request_timeout_s,
            endpoints=tuple(map(self.servers.endpoint_of, processes)),
        )

    @property
    def _file(self) -> Path:
        return self.place.sockets / "sleepers.json"

    def _work(self) -> Work:
        command = Command(
            argv=(sys.executable, "-m", "rung.serving.activator", "--sleepers", str(self._file)),
            folder=self.place.workspace.root,
            environment={**clean_environment(os.environ), **self.servers.variables},
            log=self.place.log.with_name("activator.log"),
        )
        return Work(name=ACTIVATOR, command=command)
