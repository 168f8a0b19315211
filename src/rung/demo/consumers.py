"""Simulated consumers: they have the sales of 1997 and 1998 valued in production, and report what came of it.

Every request must be answered: there is no retry, and each failure is counted.
"""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
from pydantic_core import to_json

if TYPE_CHECKING:
    from pathlib import Path

_THREADS = 4
_OUTCOMES_AT_ONCE = 20
_CORRECT_WITHIN = 0.10  # of the sale price


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A house that is valued, and what it then sold for."""

    body: bytes
    """The request."""
    price: float
    """Dollars."""


@dataclass(slots=True)
class Consumers:
    """Threads that value sale after sale through the gateway until they are stopped.

    Args:
        gateway: Its URL.
        sales: Valued in turn, again and again, each time for a new customer.
        requests_per_second: Of all threads together, at most; may be changed while they run.
    """

    gateway: str
    sales: list[Sale]
    requests_per_second: float
    answered: Counter[str] = field(default_factory=Counter)
    """Requests by the revision that answered."""
    failures: list[str] = field(default_factory=list)
    """Why production requests failed; the demo promises that it stays empty."""
    reported: int = 0
    """Outcomes that were kept."""
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._threads = [threading.Thread(target=self._consume, name=f"consumer {n}") for n in range(_THREADS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, when what is in flight has been answered."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> int:
        """Production requests so far."""
        return self.answered.total() + len(self.failures)

    def _consume(self) -> None:
        outcomes: list[dict[str, Any]] = []
        with httpx2.Client(base_url=self.gateway, timeout=10.0, verify=False) as http:
            due = time.monotonic()
            while not self._end.is_set():
                number, sale = self._take()
                outcomes += self._value(http, f"customer-{number}", sale)
                if len(outcomes) >= _OUTCOMES_AT_ONCE:
                    outcomes = self._report(http, outcomes)
                pause = _THREADS / self.requests_per_second
                due = max(due + pause, time.monotonic() - 1.0)  # after a stall it does not catch up for ever
                self._end.wait(max(0.0, due - time.monotonic()))
            self._report(http, outcomes)

    def _take(self) -> tuple[int, Sale]:
        with self._lock:
            number = self._next
            self._next += 1
        return number, self.sales[number % len(self.sales)]

    def _value(self, http: httpx2.Client, unit: str, sale: Sale) -> list[dict[str, Any]]:
        """Have a house valued; give what is to be reported of it: was the value right, and what was the truth?"""
        headers = {"content-type": "application/json", "x-unit-id": unit}
        try:
            answer = http.post("/housing/v1/predict", content=sale.body, headers=headers)
            answer.raise_for_status()
            price = answer.json()["predictions"][0]["price"]
        except (httpx2.HTTPError, ValueError, LookupError) as error:
            with self._lock:
                self.failures.append(f"{type(error).__name__}: {error}")
            return []
        with self._lock:
            self.answered[answer.headers["x-revision"]] += 1
        correct = abs(price - sale.price) <= _CORRECT_WITHIN * sale.price
        told = {"within_10_percent": float(correct), "sale_price": sale.price}
        return [
            {"service": "housing", "metric": metric, "value": value, "unit": unit, "id": f"{unit} {metric}"}
            for metric, value in told.items()
        ]

    def _report(self, http: httpx2.Client, outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Report outcomes; give back those that were not kept, to be sent again."""
        if not outcomes:
            return outcomes
        try:
            answer = http.post("/outcomes", content=to_json(outcomes), headers={"content-type": "application/json"})
            answer.raise_for_status()
        except httpx2.HTTPError:
            return outcomes
        with self._lock:
            self.reported += len(outcomes)
        return []


def live_sales(workspace: Path) -> list[Sale]:
    """Read the sales of 1997 and 1998, in the order in which customers come: a fixed shuffle."""
    sys.path.insert(0, str(workspace))
    training = importlib.import_module("experiments.housing.train.main")
    request = importlib.import_module("experiments.housing.schema.request")
    with contextlib.chdir(workspace):
        rows = training.load_data(training.Hyperparameters(first_year=1997, last_year=1998))
    sales = [
        Sale(price=row.pop("price"), body=to_json({"instances": [request.Instance.model_validate(row)]}))
        for row in rows.iter_rows(named=True)
    ]
    random.Random(1997).shuffle(sales)  # noqa: S311  no secret is drawn
    return sales
