"""Prometheus metrics of a server; summed over gunicorn's workers when `PROMETHEUS_MULTIPROC_DIR` is set."""

from __future__ import annotations

import os
from bisect import bisect_left
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Sequence

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REQUESTS = Counter("rung_requests", "Requests answered", ["route", "status"])
_INSTANCES = Counter("rung_instances", "Instances predicted", ["route"])


class _Durations(Histogram):
    """A histogram that takes many observations at once: each on its own writes to shared memory twice."""

    def observe_counted(self, counts: Sequence[int], total: float) -> None:
        """Observe `counts[i]` durations of bucket i, `total` seconds together."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


_SECONDS = _Durations("rung_request_seconds", "Time from request to answer", ["route"], buckets=_BUCKETS)


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
        self._seconds = 0.0
        self._durations = [0] * (len(_BUCKETS) + 1)

    def observe(self, *, status: int, seconds: float, instances: int) -> None:
        """Count one request."""
        self._requests[status] = self._requests.get(status, 0) + 1
        self._instances += instances
        self._seconds += seconds
        self._durations[bisect_left(_BUCKETS, seconds)] += 1

    def flush(self) -> None:
        """Hand over what has gathered."""
        if not self._requests:
            return
        for status, count in self._requests.items():
            _REQUESTS.labels(self._route, str(status)).inc(count)
        _INSTANCES.labels(self._route).inc(self._instances)
        _SECONDS.labels(self._route).observe_counted(self._durations, self._seconds)
        self._begin()


def exposition() -> bytes:
    """Give all metrics in the text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
