"""Questions to the driver, a process of its own that speaks with Ray: each has a time limit, whatever Ray does.

A driver that did not answer in time is killed, and the next question begins another one.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future
from typing import IO, Any

from rung.errors import UnavailableError, WorkspaceError

_CONNECT_S = 10.0  # for a driver to import Ray and to know the cluster: a second or two, more on a busy machine
_GIVE_UP_S = 30.0  # a driver that does not know the cluster by then never will
_REACH_S = 2.0
_JOIN = "ray start --address="


class Bridge:
    """Asks a driver; any number of threads may."""

    def __init__(self, address: str, namespace: str) -> None:
        self.address = address
        self._namespace = namespace
        self._lock = threading.Lock()
        self._driver: _Driver | None = None

    def ask(self, question: str, limit_s: float, **arguments: Any) -> Any:
        """Put a question to Ray.

        Raises:
            UnavailableError: Ray does not answer in time, or says that it cannot.
            WorkspaceError: The extra `ray` is not installed.
        """
        driver = self._running()
        begun = time.monotonic()
        try:
            answer = driver.ask(question, arguments).result(limit_s + driver.connects_in_s())
        except TimeoutError:
            if driver.is_hopeless():
                driver.end()
            raise self._unavailable(f"it did not answer within {time.monotonic() - begun:.0f} s") from None
        if "lost" in answer:
            raise self._unavailable(answer["lost"])
        if "error" in answer:
            raise UnavailableError(answer["error"], hint="look at the cluster: ray status, and its logs")
        return answer["value"]

    def close(self) -> None:
        """End the driver, if there is one."""
        with self._lock:
            if self._driver is not None:
                self._driver.end()

    def _running(self) -> _Driver:
        with self._lock:
            if self._driver is None or not self._driver.is_alive():
                if importlib.util.find_spec("ray") is None:
                    raise WorkspaceError("Ray is not installed", hint="pip install 'rung[platform,ray]'")
                self._reach()
                self._driver = _Driver(self.address, self._namespace)
            return self._driver

    def _reach(self) -> None:
        """See that somebody is there: Ray itself would try for a minute."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _REACH_S).close()
        except (OSError, ValueError) as error:
            raise self._unavailable(str(error)) from None

    def _unavailable(self, because: str) -> UnavailableError:
        return UnavailableError(
            f"the Ray cluster at {self.address} is not to be had: {because}",
            hint=f"see that it runs, and that this machine has its token and is a node of it: {_JOIN}{self.address}",
        )


class _Driver:
    """One process that speaks with Ray, and the questions that wait for its answers."""

    def __init__(self, address: str, namespace: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rung.compute.ray._driver", address, namespace],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"RAY_AUTH_MODE": "token", **os.environ},
            start_new_session=True,
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._lost = ""
        self._connected = False
        self._begun = time.monotonic()
        self._reader = threading.Thread(target=self._read, name="ray answers", daemon=True)
        self._reader.start()
        weakref.finalize(self, _kill, self._process)

    def is_alive(self) -> bool:
        return not self._lost

    def is_hopeless(self) -> bool:
        """Whether it knew the cluster and is silent, or has not known it for long."""
        return self._connected or time.monotonic() > self._begun + _GIVE_UP_S

    def connects_in_s(self) -> float:
        """How long its connection to the cluster may still take."""
        return 0.0 if self._connected else max(0.0, self._begun + _CONNECT_S - time.monotonic())

    def ask(self, question: str, arguments: dict[str, Any]) -> Future[dict[str, Any]]:
        answer: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._lost:
                answer.set_result({"lost": self._lost})
                return answer
            number = next(self._numbers)
            self._waiting[number] = answer
            line = json.dumps({"number": number, "question": question, "arguments": arguments})
            with contextlib.suppress(OSError):  # it is dead: the reader tells all that wait
                stdin = _open(self._process.stdin)
                stdin.write(line.encode() + b"\n")
                stdin.flush()
        return answer

    def end(self) -> None:
        _kill(self._process)
        self._reader.join()

    def _read(self) -> None:
        because = "its driver ended without a word"
        with _open(self._process.stdout) as answers:
            for line in answers:
                answer = json.loads(line)
                self._connected = True
                if "lost" in answer:
                    because = answer["lost"]
                else:
                    self._waiting.pop(answer["number"]).set_result(answer)
        with self._lock:
            self._lost = because
            for future in self._waiting.values():
                future.set_result({"lost": because})
            self._waiting.clear()
        _kill(self._process)


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 - the process was given pipes
    return stream


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    with contextlib.suppress(OSError):
        _open(process.stdin).close()
