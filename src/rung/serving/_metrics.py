"""Prometheus metrics of a server; summed over gunicorn's workers when `PROMETHEUS_MULTIPROC_DIR` is set."""

from __future__ import annotations

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_REQUESTS = Counter("rung_requests", "Requests answered", ["route", "status"])
_INSTANCES = Counter("rung_instances", "Instances predicted", ["route"])
_SECONDS = Histogram("rung_request_seconds", "Time from request to answer", ["route"], buckets=_BUCKETS)


class Metrics:
    """The counters of one process; labels are routes and status codes, so they are bounded."""

    @staticmethod
    def observe(*, route: str, status: int, seconds: float, instances: int) -> None:
        """Count one request."""
        _REQUESTS.labels(route, str(status)).inc()
        _SECONDS.labels(route).observe(seconds)
        if instances:
            _INSTANCES.labels(route).inc(instances)

    @staticmethod
    def exposition() -> bytes:
        """Give all metrics in the text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(REGISTRY)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
