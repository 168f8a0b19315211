"""What would happen with a specification: replicas that take time to start, a queue before them, and `decide`.

Called by `rung simulate-scaling` and the property tests. Every answer of a replica's slot takes about the service time;
requests wait in one line for the next slot that is free, as before Envoy's least-request balancing.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rung.errors import CallError
from rung.scaling._decide import Memory, decide
from rung.scaling._load import Load, Sample

if TYPE_CHECKING:
    from rung.infrastructure import Autoscaling
    from rung.scaling._traffic import Traffic

__all__ = ["Change", "Point", "Replica", "Simulated", "simulate"]

TICK_S = 0.5
"""How often the control plane measures and decides."""
_SHAPE = 4.0
"""Of the gamma distribution of service times: the standard deviation is half the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What one replica can do.

    Raises:
        CallError: An amount is not above 0.
    """

    service_time_s: float  # of one request, on average
    start_s: float = 3.0  # from the decision until it answers
    at_once: int = 1  # requests that it answers side by side
    max_waiting: int = 256  # requests that may wait in it; more are refused
    timeout_s: float = math.inf  # a request that waited longer is refused

    def __post_init__(self) -> None:
        for name in ("service_time_s", "at_once", "max_waiting", "timeout_s"):
            if not getattr(self, name) > 0:
                raise CallError(f"{name} of a replica is {getattr(self, name)}", hint="give a number above 0")
        if not (self.start_s >= 0 and math.isfinite(self.service_time_s + self.start_s)):
            raise CallError("a replica never starts, or never answers", hint="give times in seconds, from 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A decision that changed the number."""

    at: float  # seconds from the beginning
    before: int
    after: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One second of a simulation, at its end."""

    at: float  # seconds from the beginning
    rate: float  # requests per second
    replicas: int  # that were decided
    ready: int  # of these
    waiting: int  # requests that no replica works on


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What became of the traffic."""

    traffic: str
    seconds: int
    requests: int
    refused: int
    waited_p50_s: float  # until a replica began to work on the request, of those that were answered
    waited_p95_s: float
    waited_p99_s: float
    waited_most_s: float
    replica_seconds: float  # of starting and ready ones
    changes: tuple[Change, ...] = field(repr=False)
    points: tuple[Point, ...] = field(repr=False)

    @property
    def most_replicas(self) -> int:
        """The highest number that was decided."""
        return max(point.replicas for point in self.points)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {**asdict(self), "most_replicas": self.most_replicas}


def simulate(spec: Autoscaling, traffic: Traffic, replica: Replica, *, seed: int = 0) -> Simulated:
    """Let traffic come by chance (Poisson) at its rates, and replicas come and go as decided.

    It begins with the minimum. A replica that goes finishes what it has. With `while_scaling="reject"` what finds no
    free slot is refused; else it waits until there are `max_waiting` for each replica, and with no replica ready for
    `cold_start_s`.

    Args:
        spec: What a revision declares.
        traffic: What is sent.
        replica: What a replica can do.
        seed: The same seed gives the same figures.

    >>> from rung.infrastructure import Autoscaling
    >>> from rung.scaling import Replica, Traffic
    >>> spec = Autoscaling(minimum=1, maximum=8, target_concurrency=8)
    >>> found = simulate(spec, Traffic(name="steady", rates=(50.0,) * 60), Replica(service_time_s=0.1, at_once=16))
    >>> found.refused, found.most_replicas
    (0, 1)
    """
    return _Run(spec, traffic, replica, random.Random(seed)).simulated()  # noqa: S311 - nothing secret


class _Run:
    """One simulation under way."""

    def __init__(self, spec: Autoscaling, traffic: Traffic, replica: Replica, drawn: random.Random) -> None:
        self.spec, self.traffic, self.replica, self.drawn = spec, traffic, replica, drawn
        self.memory, self.load = Memory(replicas=spec.minimum), Load()
        self.ready, self.starting = spec.minimum, deque[float]()  # when they are ready, seconds
        self.busy: list[float] = []  # a heap: when the slots at work are free again
        self.line = deque[float]()  # when those that wait came
        self.waited: list[float] = []
        self.requests = self.refused = 0
        self.replica_seconds = 0.0
        self.changes: list[Change] = []
        self.points: list[Point] = []

    def simulated(self) -> Simulated:
        ticks = round(1 / TICK_S)
        for second, rate in enumerate(self.traffic.rates):
            self.service_s = self.replica.service_time_s * (self.traffic.slower[second] if self.traffic.slower else 1)
            for part in range(ticks):
                self._tick(second + part * TICK_S, rate)
            told = {"replicas": self.memory.replicas, "ready": self.ready, "waiting": len(self.line)}
            self.points.append(Point(at=second + 1.0, rate=rate, **told))
        return self._result()

    def _tick(self, start: float, rate: float) -> None:
        end = start + TICK_S
        arrivals = self._arrivals(start, rate)
        for at in arrivals:
            self._go_on(at)
            self._arrive(at)
        self._go_on(end)
        self.replica_seconds += TICK_S * (self.ready + len(self.starting))
        self._decide(end, arrived=len(arrivals))

    def _arrivals(self, start: float, rate: float) -> list[float]:
        found, at = [], start
        while rate and (at := at + self.drawn.expovariate(rate)) < start + TICK_S:
            found.append(at)
        return found

    def _go_on(self, until: float) -> None:
        """Let replicas become ready and slots become free until then, and give them who waits."""
        while True:
            free = self.busy[0] if self.busy else math.inf
            started = self.starting[0] if self.starting else math.inf
            at = min(free, started)
            if at > until:
                return
            if started <= free:
                self.starting.popleft()
                self.ready += 1
            else:
                heapq.heappop(self.busy)
            self._serve(at)

    def _serve(self, at: float) -> None:
        while self.line and len(self.busy) < self.ready * self.replica.at_once:
            came = self.line.popleft()
            if at - came > self._patience_s():
                self.refused += 1
            else:
                self._begin(came, at)

    def _begin(self, came: float, at: float) -> None:
        self.waited.append(at - came)
        heapq.heappush(self.busy, at + self.drawn.gammavariate(_SHAPE, self.service_s / _SHAPE))

    def _patience_s(self) -> float:
        return self.replica.timeout_s + (self.spec.cold_start_s or 0.0)

    def _arrive(self, at: float) -> None:
        self.requests += 1
        if not self.line and len(self.busy) < self.ready * self.replica.at_once:
            self._begin(at, at)
        elif self.spec.while_scaling == "reject" or len(self.line) >= self._room():
            self.refused += 1
        else:
            self.line.append(at)

    def _room(self) -> int:
        return self.replica.max_waiting * max(self.ready, 1)

    def _decide(self, now: float, *, arrived: int) -> None:
        is_awake = self.ready > 0
        sample = Sample(
            at=now,
            in_flight=len(self.busy) + (len(self.line) if is_awake else 0),
            waiting=0 if is_awake else len(self.line),
            arrived=arrived,
            ready=self.ready,
            cpu=min(len(self.busy) / self.replica.at_once, self.ready),
        )
        self.load = self.load.plus(sample)
        decision = decide(self.spec, self.load, self.memory, now)
        before, after = self.memory.replicas, decision.replicas
        if after != before:
            self.changes.append(Change(at=now, before=before, after=after, because=decision.because))
        self.memory = decision.memory
        self._apply(after - before, now)

    def _apply(self, more: int, now: float) -> None:
        """Start replicas, or let them go: first those that have not started yet."""
        self.starting.extend([now + self.replica.start_s] * more)
        for _ in range(-more):
            if self.starting:
                self.starting.pop()
            else:
                self.ready -= 1

    def _result(self) -> Simulated:
        self.waited.sort()
        return Simulated(
            traffic=self.traffic.name,
            seconds=len(self.traffic.rates),
            requests=self.requests,
            refused=self.refused,
            waited_p50_s=self._waited(0.5),
            waited_p95_s=self._waited(0.95),
            waited_p99_s=self._waited(0.99),
            waited_most_s=self._waited(1.0),
            replica_seconds=self.replica_seconds,
            changes=tuple(self.changes),
            points=tuple(self.points),
        )

    def _waited(self, share: float) -> float:
        return self.waited[math.ceil(share * len(self.waited)) - 1] if self.waited else 0.0
