"""Send requests at a constant rate, whatever comes back. `python open_load.py URL BODY RATE SECONDS RESULT`.

`soak.py` runs it as a process on a core of its own. A request's latency counts from the instant at which it was due, so
a server that stalls is charged for all that had to wait. RESULT gets the count of errors, every latency, and how late
this process itself was.
"""

from __future__ import annotations

import array
import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

CONNECTIONS = 128
LOOK_S = 0.01  # between two looks whether the last answers are there
LAST_ANSWER_S = 10.0  # for what is under way at the end
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length: "


@dataclass(slots=True)
class Tally:
    """What came of the requests."""

    latencies_ms: array.array[float] = field(default_factory=lambda: array.array("f"))  # of answers with status 200
    late_ms: array.array[float] = field(default_factory=lambda: array.array("f"))  # of the sender itself, each request
    errors: int = 0
    first_error: str = ""
    queue: deque[float] = field(default_factory=deque)  # when each waiting request was due
    idle: deque[Connection] = field(default_factory=deque)  # taken in turn, so that none is idle for long
    busy: int = 0

    def fail(self, why: str) -> None:
        """Count an error."""
        self.errors += 1
        self.first_error = self.first_error or why


class Connection(asyncio.Protocol):
    """One connection that has at most one request under way."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request, self._tally = request, tally
        self._received = b""
        self._due: float | None = None
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request."""
        self._transport = transport
        self._tally.idle.append(self)

    def send(self, due: float) -> None:
        """Send a request that was due at this instant of the monotonic clock."""
        self._due = due
        self._tally.busy += 1
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole, and take the next request that waits."""
        self._received += data
        head, found, body = self._received.partition(END_OF_HEAD)
        if not found or len(body) < _length(head):
            return
        self._received = b""
        due, self._due = self._due, None
        self._tally.busy -= 1
        if due is None or not head.startswith(b"HTTP/1.1 200"):
            self._tally.fail(head[:80].decode(errors="replace") + " " + body[:300].decode(errors="replace"))
        else:
            self._tally.latencies_ms.append((time.monotonic() - due) * 1e3)
        if self._tally.queue:
            self.send(self._tally.queue.popleft())
        else:
            self._tally.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the request that was under way; without one, nothing is lost but the connection."""
        if self in self._tally.idle:
            self._tally.idle.remove(self)
        if self._due is not None:
            self._tally.busy -= 1
            self._tally.fail(f"the connection was closed ({exc})")


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(LENGTH)
    return int(rest.split(b"\r\n", 1)[0])


async def send(url: str, body: bytes, *, rate: float, seconds: float) -> Tally:
    """Send `rate` requests per second for so many seconds, then wait for the last answers."""
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    tally = Tally()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(request, tally), where.hostname, where.port)
    begun = time.monotonic()
    due, count = 0, round(rate * seconds)
    while due < count:
        elapsed = time.monotonic() - begun
        now = min(count, int(elapsed * rate))
        for number in range(due, now):
            instant = begun + number / rate
            tally.late_ms.append((elapsed - number / rate) * 1e3)
            if tally.idle:
                tally.idle.popleft().send(instant)
            else:
                tally.queue.append(instant)
        due = now
        await asyncio.sleep(0)  # not longer: a timer rounds to milliseconds, and the core is this process's own
    await _last_answers(tally)
    return tally


async def _last_answers(tally: Tally) -> None:
    deadline = time.monotonic() + LAST_ANSWER_S
    while (tally.queue or tally.busy) and time.monotonic() < deadline:  # noqa: ASYNC110  two counters, not one event
        await asyncio.sleep(LOOK_S)
    for _ in range(len(tally.queue) + tally.busy):
        tally.fail("no answer")


def main() -> None:
    """Send what the command line says."""
    url, body, rate, seconds, result = sys.argv[1:]
    tally = uvloop.run(send(url, Path(body).read_bytes(), rate=float(rate), seconds=float(seconds)))
    found = {
        "errors": tally.errors,
        "first_error": tally.first_error,
        "latencies_ms": list(tally.latencies_ms),
        "late_ms": list(tally.late_ms),
    }
    Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
