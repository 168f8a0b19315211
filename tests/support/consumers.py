"""Consumers of the tiny service that count: every answer, every failure, every outcome that was acknowledged."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

_OUTCOMES_AT_ONCE = 10


@dataclass(slots=True, kw_only=True)
class CountingConsumers:
    """Threads that predict and report until they are stopped. There is no retry of predictions."""

    gateway: str
    right: dict[str, float]
    """How often each revision is right, as the consumers see it, in even steps; that decides the A/B test."""
    report_share: float = 1.0
    """Of the units, whose outcome is reported."""
    threads: int = 3
    requests_per_second: float = 90.0
    """Of all threads together; may be changed while they run."""
    path: str = "/tiny/v1/predict"
    x: int = 3
    """The number that they ask for."""
    answered: dict[str, str] = field(default_factory=dict)
    """Revision that answered, by prediction id; each was acknowledged with a 200."""
    arms: dict[str, set[str]] = field(default_factory=dict)
    """Revisions that answered a unit."""
    failures: list[str] = field(default_factory=list)
    outcomes: set[str] = field(default_factory=set)
    """Ids of the outcomes that were acknowledged with a 202."""
    resent: dict[str, str] = field(default_factory=dict)
    """Why outcomes were sent again, by id: those may be in the lake more than once, and count once."""
    _workers: list[threading.Thread] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _units: int = 0
    _known: Counter[str] = field(default_factory=Counter)
    """Outcomes so far, by revision."""
    _crowd: str = field(default_factory=lambda: secrets.token_hex(4))
    """Tells these consumers' units from those of others on the same platform."""

    def __enter__(self) -> Self:
        self._workers = [threading.Thread(target=self._consume, args=(seed,)) for seed in range(self.threads)]
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End, when what is in flight has been answered and what is known has been reported."""
        self._end.set()
        for worker in self._workers:
            worker.join()

    @property
    def by_revision(self) -> Counter[str]:
        """Count answers by revision."""
        with self._lock:
            return Counter(self.answered.values())

    def _consume(self, seed: int) -> None:
        drawn = random.Random(seed)
        waiting: list[dict[str, Any]] = []
        with httpx2.Client(base_url=self.gateway, timeout=10.0, verify=False) as http:
            while not self._end.is_set():
                began = time.monotonic()
                unit = self._next_unit()
                revision = self._predict(http, unit)
                if revision is not None and drawn.random() < self.report_share:
                    value = self._is_right(revision)
                    waiting.append({"service": "tiny", "metric": "right", "value": value, "unit": unit, "id": unit})
                if len(waiting) >= _OUTCOMES_AT_ONCE:
                    waiting = self._report(http, waiting)
                pause = self.threads / self.requests_per_second
                self._end.wait(max(0.0, pause - (time.monotonic() - began)))
            for _ in range(20):
                if waiting:
                    waiting = self._report(http, waiting)

    def _is_right(self, revision: str) -> float:
        """Spread right answers evenly over those of a revision: what a story tells shall not depend on luck."""
        with self._lock:
            known, share = self._known[revision], self.right[revision]
            self._known[revision] += 1
        return float(int((known + 1) * share) - int(known * share))

    def _next_unit(self) -> str:
        with self._lock:
            self._units += 1
            return f"{self._crowd}-{self._units}"

    def _predict(self, http: httpx2.Client, unit: str) -> str | None:
        try:
            answer = http.post(self.path, json={"instances": [{"x": self.x}]}, headers={"x-unit-id": unit})
        except httpx2.HTTPError as error:
            return self._fail(f"{type(error).__name__}: {error}")
        if answer.status_code != httpx2.codes.OK:
            return self._fail(f"{answer.status_code}: {answer.text[:200]}")
        revision: str = answer.headers["x-revision"]
        with self._lock:
            self.answered[answer.headers["x-request-id"]] = revision
            self.arms.setdefault(unit, set()).add(revision)
        return revision

    def _fail(self, reason: str) -> None:
        with self._lock:
            self.failures.append(reason)

    def _report(self, http: httpx2.Client, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Report; give back what was not acknowledged, to be sent again with the same ids."""
        try:
            answer = http.post("/outcomes", json=outcomes)
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            with self._lock:
                self.resent |= {outcome["id"]: f"{type(error).__name__}: {error}" for outcome in outcomes}
            time.sleep(0.1)
            return outcomes
        with self._lock:
            self.outcomes |= {outcome["id"] for outcome in outcomes}
        return []
