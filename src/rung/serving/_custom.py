"""An author's own metrics, in one line of a handler: `metric("offers_shown", 3)`.

They are shown at `/metrics` beside Rung's, as `service_offers_shown_total`, and summed over the workers.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "service_"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_VALUES: Final = 20  # of one label; further ones are "other"
_OTHER: Final = "other"
_LABELS: Final = 3
_METRICS: Final = 100  # of one application
_BUCKETS: Final = (0.001, 0.01, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1_000.0, 10_000.0)
_Metric: TypeAlias = "Counter | Gauge | Histogram"

_logger = logging.getLogger("rung.serving")


class _Known:
    """One metric, and which values of its labels have been seen in this process."""

    def __init__(self, kind: str, metric: _Metric, labels: tuple[str, ...]) -> None:
        self.kind = kind
        self.labels = labels
        self._metric = metric
        self._seen: dict[str, set[str]] = {label: set() for label in labels}
        self._children: dict[tuple[str, ...], Any] = {}

    def of(self, values: Mapping[str, Any]) -> Any:
        """Give what counts for these values of the labels."""
        if not values:
            return self._metric
        key = tuple(self._bounded(label, str(values[label])) for label in self.labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._metric.labels(*key)
        return child

    def _bounded(self, label: str, value: str) -> str:
        seen = self._seen[label]
        if value not in seen:
            if len(seen) >= _VALUES:
                return _OTHER
            seen.add(value)
        return value


class Metrics:
    """The author's metrics of one process; `rung.serving.metric` is the one that handlers use."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def __call__(self, name: str, amount: float = 1, **labels: Any) -> None:
        """Add to a count that only grows.

        Args:
            name: Letters of a to z, digits and _, as `offers_shown`; shown as `service_offers_shown_total`.
            amount: At least 0.
            labels: What it is counted by, at most three; of the values of one, 20 are told apart in each worker, and
                all others are counted as "other".

        Raises:
            CallError: The name or the labels are not right, or the amount is below 0.
        """
        if amount < 0:
            raise CallError(f"metric({name!r}, {amount!r}): a count only grows", hint="write metric.gauge(...)")
        self._add("counter", name, amount, labels)

    def gauge(self, name: str, value: float, **labels: Any) -> None:
        """Keep the newest value; workers that live are summed. Arguments and errors as `metric(...)`."""
        self._add("gauge", name, value, labels)

    def histogram(self, name: str, value: float, **labels: Any) -> None:
        """Keep how values are distributed, from a thousandth to ten thousand. Arguments and errors as `metric(...)`."""
        self._add("histogram", name, value, labels)

    def _add(self, kind: str, name: str, value: float, labels: Mapping[str, Any]) -> None:
        known = self._known.get(name) or self._meet(kind, name, labels)
        if known.kind != kind or known.labels != tuple(sorted(labels)):
            raise CallError(
                f"the metric {name!r} is a {known.kind} by {_told(known.labels)}, not a {kind} by {_told(labels)}",
                hint="name another metric in another way",
            )
        if not math.isfinite(value):  # which no sum would survive
            _logger.warning("metric_not_finite: %s = %r is not counted", name, value)
            return
        child = known.of(labels)
        if kind == "counter":
            child.inc(value)
        elif kind == "gauge":
            child.set(value)
        else:
            child.observe(value)

    def _meet(self, kind: str, name: str, labels: Mapping[str, Any]) -> _Known:
        for word in (name, *labels):
            if not _NAME.fullmatch(word):
                raise CallError(f"{word!r} cannot name a metric or a label", hint="write it as offers_shown")
        with self._lock:
            if name not in self._known:
                _check_room(len(self._known), len(labels))
                words = tuple(sorted(labels))
                self._known[name] = _Known(kind, self._made(kind, f"{_PREFIX}{name}", words), words)
            return self._known[name]

    def _made(self, kind: str, name: str, labels: tuple[str, ...]) -> _Metric:
        told = "Of the service's own"
        if kind == "counter":
            return Counter(name, told, labels, registry=self._registry)
        if kind == "gauge":
            return Gauge(name, told, labels, registry=self._registry, multiprocess_mode="livesum")
        return Histogram(name, told, labels, registry=self._registry, buckets=_BUCKETS)


metric: Final = Metrics()
"""The metrics of this process: `metric("offers_shown", 3)`, `metric.gauge(...)`, `metric.histogram(...)`."""


def _check_room(metrics: int, labels: int) -> None:
    if labels > _LABELS:
        raise CallError(f"a metric has {labels} labels, and {_LABELS} are possible", hint="leave the finest out")
    if metrics >= _METRICS:
        raise CallError(f"there are {_METRICS} metrics already", hint="is a name made from data? Use a label")


def _told(labels: tuple[str, ...] | Mapping[str, Any]) -> str:
    return ", ".join(sorted(labels)) or "nothing"
