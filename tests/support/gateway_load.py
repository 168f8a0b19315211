"""Consumers of a gateway that send predictions without a pause, for tests that change something meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from typing import Protocol, Self

import httpx2
from waiting import until


class Clients(Protocol):
    """What gives clients of a gateway."""

    def client(self) -> httpx2.Client:
        """Give one."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Load:
    """Consumers that send predictions without a pause; what went wrong is kept."""

    def __init__(self, site: Clients, *, consumers: int = 4, path: str = "/housing/v1/predict") -> None:
        self.answered: Counter[str] = Counter()
        self.failures: list[str] = []
        self.seconds: list[float] = []  # that each answer took
        self._stop = threading.Event()
        self._lock = threading.Lock()
        run = [threading.Thread(target=self._consume, args=(site, path, number)) for number in range(consumers)]
        self._threads = run

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, requests: int) -> None:
        """Wait until so many more requests have been answered."""
        goal = self.answered.total() + requests
        until(lambda: self.answered.total() >= goal or bool(self.failures))

    def _consume(self, site: Clients, path: str, number: int) -> None:
        sent = 0
        with site.client() as client:
            while not self._stop.is_set():
                sent += 1
                self._send(client, path, f"customer-{number}-{sent}")

    def _send(self, client: httpx2.Client, path: str, unit: str) -> None:
        began = time.perf_counter()
        try:
            answer = client.post(path, json={"instances": [{}]}, headers={"x-unit-id": unit})
        except httpx2.HTTPError as error:
            problem, revision = f"{type(error).__name__}: {error}", ""
        else:
            problem = "" if answer.is_success else f"{answer.status_code} {answer.text}"
            revision = answer.headers.get("x-revision", "")
        with self._lock:
            if problem:
                self.failures.append(problem)
            else:
                self.answered[revision] += 1
                self.seconds.append(time.perf_counter() - began)
