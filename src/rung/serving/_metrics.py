"""Prometheus metrics of a server; summed over gunicorn's workers when `PROMETHEUS_MULTIPROC_DIR` is set."""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REQUESTS = Counter("rung_requests", "Requests answered", ["route", "status"])
_INSTANCES = Counter("rung_instances", "Instances predicted", ["route"])
_SECONDS = Histogram("rung_request_seconds", "Time from request to answer", ["route"], buckets=_BUCKETS)


class RouteMetrics:
    """The counters of one route in one process; labels are routes and status codes, so they are bounded."""

    __slots__ = ("_instances", "_requests", "_route", "_seconds")

    def __init__(self, route: str) -> None:
        self._route = route
        self._requests: dict[int, Counter] = {}
        self._instances = _INSTANCES.labels(route)
        self._seconds = _SECONDS.labels(route)

    def observe(self, *, status: int, seconds: float, instances: int) -> None:
        """Count one request."""
        requests = self._requests.get(status)
        if requests is None:
            requests = self._requests[status] = _REQUESTS.labels(self._route, str(status))
        requests.inc()
        self._seconds.observe(seconds)
        if instances:
            self._instances.inc(instances)


def exposition() -> bytes:
    """Give all metrics in the text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
