"""How many servers each revision has: measured at the gateway, decided by `rung.scaling`, told as an event.

What the machine cannot hold is not begun: the replicas of this machine together have at most its virtual CPUs, beside
those that always run. A cluster places what it has room for, and the rest waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from rung.errors import GatewayError
from rung.lifecycle import State
from rung.scaling import Load, Memory, Sample, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.control.gateways import Gateways
    from rung.control.servers import Servers
    from rung.gateway import Traffic
    from rung.infrastructure import ServingHardware
    from rung.registry import Registry, Revision
    from rung.schema import RevisionName

SCALED = "scaled"
"""Kind of the events."""

_MAY_SLEEP = frozenset({State.CANDIDATE, State.INCUMBENT})
_log = structlog.get_logger("rung.control")


@dataclass(slots=True)
class _Scaled:
    """What is known of one revision."""

    serving: ServingHardware
    memory: Memory
    load: Load = field(default_factory=Load)
    requests: int | None = None
    """That the gateway had counted at the last sample."""
    cpu_s: tuple[float, float] | None = None
    """When CPU was measured last (monotonic seconds), and what all replicas had used."""


@dataclass(slots=True, kw_only=True)
class Scaling:
    """Decides for all revisions of one platform."""

    registry: Registry
    servers: Servers
    gateways: Gateways
    local_vcpus: int
    """Of this machine, for servers."""
    _known: dict[RevisionName, _Scaled] = field(default_factory=dict)

    def replicas(self, name: RevisionName) -> int:
        """Tell how many servers a revision shall have; 0: it sleeps."""
        known = self._known.get(name)
        return 1 if known is None else known.memory.replicas

    def look(self, served: Mapping[RevisionName, tuple[Revision, ServingHardware]]) -> None:
        """Measure, and decide anew; where nothing can be measured, all stays.

        Args:
            served: The revisions that have servers, with what they declare.
        """
        for name in self._known.keys() - served.keys():
            del self._known[name]
        for name, (_, serving) in served.items():
            self._begin(name, serving)
        scaled = {name: known for name, known in self._known.items() if _scales(known.serving)}
        if not scaled:
            return
        now, traffic = time.monotonic(), self._traffic()
        promoted = {one.revision for one in self.registry.promotions(active_only=True)}
        for name, known in scaled.items():
            seen = traffic.get(str(name)) if traffic is not None else None
            if seen is not None:
                self._measure(name, known, seen, now=now)
            self._decide(served[name][0], known, now=now, is_promoted=name in promoted)

    def _begin(self, name: RevisionName, serving: ServingHardware) -> None:
        """Take a revision up with the servers that it has: an earlier control plane may have begun them."""
        known = self._known.get(name)
        if known is None or known.serving != serving:
            spec = serving.autoscaling
            begun = max(len(self.servers.replicas(name)), spec.minimum, 1)
            self._known[name] = _Scaled(serving=serving, memory=Memory(replicas=min(begun, spec.maximum)))

    def _traffic(self) -> dict[str, Traffic] | None:
        try:
            return self.gateways.traffic()
        except GatewayError:
            return None

    def _measure(self, name: RevisionName, known: _Scaled, seen: Traffic, *, now: float) -> None:
        before, known.requests = known.requests, seen.requests
        cpu = self._cpu(name, known, now) if known.serving.autoscaling.target_cpu is not None else None
        if before is not None and seen.requests >= before:  # else the gateway was started anew
            arrived = seen.requests - before
            sample = Sample(at=now, in_flight=seen.in_flight, arrived=arrived, ready=seen.ready, cpu=cpu)
            known.load = known.load.plus(sample)

    def _cpu(self, name: RevisionName, known: _Scaled, now: float) -> float | None:
        """Measure the CPU in use since the last sample, in replicas; None: nothing to compare with."""
        used = sum(self.servers.usage(process).cpu_s for process in self.servers.replicas(name))
        before, known.cpu_s = known.cpu_s, (now, used)
        if before is None or used < before[1]:  # a replica has gone, and what it had used with it
            return None
        return (used - before[1]) / (now - before[0]) / known.serving.vcpus

    def _decide(self, revision: Revision, known: _Scaled, *, now: float, is_promoted: bool) -> None:
        before = known.memory.replicas
        decision = decide(known.serving.autoscaling, known.load, known.memory, now)
        awake = 0 if revision.state in _MAY_SLEEP and not is_promoted else 1
        replicas = max(self._that_fit(revision.name, known, decision.replicas), awake)
        known.memory = replace(decision.memory, replicas=replicas)
        if replicas == before:
            return
        because = decision.because
        if replicas < decision.replicas:
            because += f"; this machine has room for {replicas} (local_vcpus = {self.local_vcpus})"
        _log.info(SCALED, revision=str(revision.name), replicas=replicas, because=because)
        self.registry.record_event(SCALED, str(revision.name), because=because, actor="rung", replicas=replicas)

    def _that_fit(self, name: RevisionName, known: _Scaled, wanted: int) -> int:
        if wanted <= known.memory.replicas or not self.servers.is_local(known.serving.compute):
            return wanted
        others = sum(
            other.memory.replicas * other.serving.vcpus
            for one, other in self._known.items()
            if one != name and self.servers.is_local(other.serving.compute)
        )
        room = int((self.local_vcpus - others) // known.serving.vcpus)
        return min(wanted, max(room, known.memory.replicas, known.serving.autoscaling.minimum, 1))


def _scales(serving: ServingHardware) -> bool:
    return serving.autoscaling.minimum < serving.autoscaling.maximum
