"""How long features take to be fetched, how many entities have none; a span of each fetch where there are traces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.features import Snapshot, Source
    from rung.serving._tracing import Tracer

_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

_SECONDS = Histogram("rung_features_seconds", "Time of a fetch of features", ["view"], buckets=_BUCKETS)
_ENTITIES = Counter("rung_features_entities", "Entities whose features were asked for", ["view"])
_MISSING = Counter("rung_features_missing", "Of these, those that have none", ["view"])


class WatchedSource:
    """A source of one view's entries, watched.

    Args:
        source: Where the entries come from.
        view: Its name.
        tracer: None where requests are not traced.
    """

    def __init__(self, source: Source, view: str, tracer: Tracer | None) -> None:
        self._source = source
        self._view = view
        self._tracer = tracer
        self._seconds = _SECONDS.labels(view)
        self._entities = _ENTITIES.labels(view)
        self._missing = _MISSING.labels(view)

    def read(self, keys: Sequence[str]) -> Snapshot:
        """Give entries by their keys, in one round trip.

        Raises:
            UnavailableError: They cannot be read now.
        """
        if self._tracer is None:
            return self._read(keys)
        with self._tracer.fetching(self._view, len(keys)):
            return self._read(keys)

    def _read(self, keys: Sequence[str]) -> Snapshot:
        began = time.perf_counter()
        found = self._source.read(keys)
        self._seconds.observe(time.perf_counter() - began)
        self._entities.inc(len(keys))
        self._missing.inc(sum(entry is None for entry in found.entries))
        return found
