"""Servers that come to take more memory than was declared: one that leaks must not take the machine with it.

A candidate that is being promoted loses its promotion. Any other server has its largest worker replaced, which finishes
what it has begun. One that took that much from its deployment on was warned of then, and is left alone.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil

from rung.control._routing import is_served
from rung.control.deployment.memory import MEMORY, Memory, spell_bytes
from rung.control.servers import revision_of

if TYPE_CHECKING:
    from rung.control.deployment.deployments import Deployments
    from rung.control.promotion.promotions import Promotions
    from rung.schema import RevisionName

_LOOK_EVERY_S = 10.0
_GROWN = 1.25
"""Times what it took at its deployment."""


@dataclass(slots=True)
class Overuse:
    """Looks at the memory of all servers now and then."""

    deployments: Deployments
    promotions: Promotions
    _looked: float = -math.inf
    """Monotonic seconds."""

    def look(self) -> None:
        """Look at every server, when it is time, and act where one takes too much."""
        if time.monotonic() - self._looked < _LOOK_EVERY_S:
            return
        self._looked = time.monotonic()
        registry, now = self.deployments.registry, datetime.now(UTC)
        deployed = registry.latest(MEMORY)
        served = {str(revision.name): revision.name for revision in registry.watched(now) if is_served(revision, now)}
        for server, handle in registry.processes().items():
            name = served.get(revision_of(server))
            memory = None if name is None else self.deployments.memory(name, handle)
            event = deployed.get(str(name))
            if name and memory and has_grown(memory, Memory.from_json(event.data) if event else None):
                self._act(name, server, memory)

    def _act(self, name: RevisionName, server: str, memory: Memory) -> None:
        registry = self.deployments.registry
        told = f"its server has come to take {spell_bytes(memory.total_bytes)} of memory"
        told += f"; {spell_bytes(memory.declared_bytes)} were declared"
        for promotion in registry.promotions(name.service, active_only=True):
            if promotion.revision == name:
                self.promotions.reject(promotion, because=told)
                return
        registry.record_event("overuse", str(name), because=f"{told}: a worker is replaced", actor="rung")
        self._replace_largest(server)

    def _replace_largest(self, server: str) -> None:
        process = self.deployments.servers.running(server)
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process is not None:
                workers = psutil.Process(process.pid).children()
                os.kill(max(workers, key=lambda worker: worker.memory_info().rss).pid, signal.SIGTERM)


def has_grown(now: Memory, deployed: Memory | None) -> bool:
    """Tell whether a server takes more than was declared, and more than when it was deployed. Pure."""
    return now.is_above and (deployed is None or now.total_bytes > _GROWN * deployed.total_bytes)
