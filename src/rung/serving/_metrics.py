"""Prometheus metrics of a server; summed over gunicorn's workers when `PROMETHEUS_MULTIPROC_DIR` is set."""

from __future__ import annotations

import os
import resource
from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.serving._batching import Call

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_PAGE = os.sysconf("SC_PAGE_SIZE")

_REQUESTS = Counter("rung_requests", "Requests answered", ["route", "status"])
_INSTANCES = Counter("rung_instances", "Instances predicted", ["route"])
_ERRORS = Counter(
    "rung_errors", "Requests without a prediction: refused, failed, late or unavailable", ["route", "kind"]
)
_WAITING = Gauge("rung_waiting_requests", "Requests that wait for a call", ["route"], multiprocess_mode="livesum")


class _Many(Histogram):
    """A histogram that takes many observations at once: each on its own writes to shared memory twice."""

    def observe_all(self, values: list[float]) -> None:
        """Observe values; they are sorted in place, which is cheaper than to find each one's bucket."""
        self._sum.inc(sum(values))
        values.sort()
        below = 0
        for bucket, bound in zip(self._buckets, self._upper_bounds, strict=True):
            end = bisect_right(values, bound)
            if end > below:
                bucket.inc(end - below)
            below = end


_SECONDS = _Many("rung_request_seconds", "Time from request to answer", ["route"], buckets=_BUCKETS)
_WAIT = _Many("rung_wait_seconds", "Time from request to the call that serves it", ["route"], buckets=_BUCKETS)
_TOGETHER = _Many("rung_call_instances", "Instances that a call of the handler serves", ["route"], buckets=_SIZES)


class RouteMetrics:
    """The counters of one route in one process; labels are routes and status codes, so they are bounded.

    Counts gather here and reach the shared metrics with `flush`.
    """

    def __init__(self, route: str) -> None:
        self._route = route
        self._begin()

    def _begin(self) -> None:
        self._instances = 0
        self._requests: dict[int, int] = {}
        self._durations: list[float] = []
        self._waits: list[float] = []
        self._calls: list[float] = []

    def observe(self, *, status: int, seconds: float, instances: int) -> None:
        """Count one request."""
        self._requests[status] = self._requests.get(status, 0) + 1
        self._instances += instances
        self._durations.append(seconds)

    def called(self, calls: Sequence[Call[Any]], now: float) -> None:
        """Count requests that one call of the handler serves, which begins now (seconds of the monotonic clock)."""
        instances = 0
        for call in calls:
            self._waits.append(now - call.started)
            instances += len(call.items)
        self._calls.append(instances)

    def flush(self) -> None:
        """Hand over what has gathered."""
        if not self._requests:
            return
        for status, count in self._requests.items():
            _REQUESTS.labels(self._route, str(status)).inc(count)
            if kind := kind_of(status):
                _ERRORS.labels(self._route, kind).inc(count)
        _WAIT.labels(self._route).observe_all(self._waits)
        _TOGETHER.labels(self._route).observe_all(self._calls)
        _INSTANCES.labels(self._route).inc(self._instances)
        _SECONDS.labels(self._route).observe_all(self._durations)
        self._begin()


@cache
def _cpu() -> Counter:
    """Give a metric without labels, which is written as it is made: not before the folder of all workers is there."""
    return Counter("rung_cpu_seconds", "Processor time of the workers")


@cache
def _resident() -> Gauge:
    return Gauge("rung_resident_bytes", "Memory of a worker, shared pages included", multiprocess_mode="liveall")


@cache
def _held() -> Gauge:
    return Gauge("rung_held_bytes", "Bodies of requests in flight", multiprocess_mode="livesum")


class WorkerMetrics:
    """What one worker takes: processor time, memory, requests that wait and their bodies."""

    def __init__(self) -> None:
        self._cpu_s = 0.0

    def sample(self, *, waiting: Mapping[str, int], held: int) -> None:
        """Take stock.

        Args:
            waiting: Requests, by route.
            held: Bytes of the bodies in flight.
        """
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu_s = used.ru_utime + used.ru_stime
        _cpu().inc(cpu_s - self._cpu_s)
        self._cpu_s = cpu_s
        _resident().set(_resident_bytes())
        _held().set(held)
        for route, count in waiting.items():
            _WAITING.labels(route).set(count)


def _resident_bytes() -> int:
    """Give the memory of this process; its peak where the system tells no more."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def kind_of(status: int) -> str:
    """Tell what kind of error a status is; empty for none.

    >>> [kind_of(status) for status in (200, 422, 500, 503, 504)]
    ['', 'refused', 'failed', 'unavailable', 'late']
    """
    if status < 400:  # noqa: PLR2004  where errors begin in HTTP
        return ""
    return {503: "unavailable", 504: "late"}.get(status, "refused" if status < 500 else "failed")  # noqa: PLR2004


def exposition() -> bytes:
    """Give all metrics in the text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
