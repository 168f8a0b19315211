"""What runs inside Locust's environment: sends the planned load and writes every latency, raw, as JSON.

`_run.py` starts it as a program. Rung is not installed there: it imports the standard library, gevent, Locust and
Locust's HTTP client alone.
Usage: python -I _locust.py PLAN RAW URL
"""

from __future__ import annotations

import itertools
import json
import math
import os
import resource
import select
import sys
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import gevent.monkey
from geventhttpclient.connectionpool import ConnectionPool
from locust import FastHttpUser, LoadTestShape
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment
from locust.event import EventHook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_S = 10.0
"""A request without an answer after so many seconds has failed; each part waits so long for its last answers."""

HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
_KINDS = 20  # of errors that are told apart
_EXAMPLE = 200  # characters of an error's text
_OK = 200
_GOLDEN = (math.sqrt(5) - 1) / 2
_POLL = gevent.monkey.get_original("select", "poll")  # that of the system, which does not yield


class Sample:
    """Every latency of one part of the test, and what went wrong."""

    def __init__(self) -> None:
        self.latencies_ms = array("d")
        self.failures = 0
        self._errors: dict[str, list[Any]] = {}  # kind -> an example's text, count

    def add(self, latency_ms: float, response: Any, exception: BaseException | None) -> None:
        self.latencies_ms.append(latency_ms)
        if exception is None and response.status_code == _OK:
            return
        self.failures += 1
        kind = f"status {response.status_code}" if exception is None else type(_cause(exception)).__name__
        if kind not in self._errors and len(self._errors) == _KINDS:
            kind = "others"
        known = self._errors.setdefault(kind, [_tell(kind, response, exception), 0])
        known[1] += 1

    def to_json(self) -> dict[str, Any]:
        errors = [{"error": text, "count": count} for text, count in self._errors.values()]
        latencies_ms = [round(latency_ms, 3) for latency_ms in self.latencies_ms]
        return {"latencies_ms": latencies_ms, "failures": self.failures, "errors": errors}


def _cause(exception: BaseException) -> BaseException:
    """Give the error that made the client give up."""
    return getattr(exception, "original", None) or exception


def _tell(kind: str, response: Any, exception: BaseException | None) -> str:
    if kind == "others":
        return kind
    if exception is None:
        return f"{kind}: {(response.content or b'')[:_EXAMPLE].decode(errors='replace')}"
    cause = _cause(exception)
    if isinstance(cause, gevent.Timeout | TimeoutError):
        return f"no answer within {ANSWER_S:g} s"
    return f"{kind}: {cause}"[:_EXAMPLE]


class Stages(LoadTestShape):  # type: ignore[misc]  # Locust is not installed where types are checked
    """The stages on one time line, the bodies that are sent in turn, and who of the users is at work when.

    All users of the largest stage are there from the beginning; who is one too many for a stage pauses in it. So stages
    end to the moment, and a user that has to leave gets its last answer.
    """

    def __init__(self, stages: Sequence[Mapping[str, float]], bodies: Sequence[bytes]) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.bodies = itertools.cycle(bodies)
        self._peak = max(int(stage["users"]) for stage in stages)
        ends = list(itertools.accumulate(stage["duration"] for stage in stages))
        self._line = list(zip([0.0, *ends], ends, stages, strict=False))  # begin, end, stage; seconds
        self._begun = False

    def tick(self) -> tuple[int, float] | None:
        """Give users and users started per second; None at the end. Locust asks once a second."""
        left = self._line[-1][1] - self.get_run_time()
        if self._begun and left < 1:
            gevent.sleep(max(left, 0))
            return None
        self._begun = True
        return self._peak, self._peak

    def pause(self, user: int, *, first: bool) -> float:
        """Give the seconds until the user's next request; beyond the end when it has none."""
        now: float = self.get_run_time()
        due = -1.0 if first else now + self._at(now)["interval"]
        for begin, end, stage in self._line:
            if user >= stage["users"]:
                continue
            if due < begin:  # users that begin together spread over the interval: the golden ratio spaces any number
                due = begin + user * _GOLDEN % 1 * stage["interval"]
            if due < end:
                return max(due - now, 0)
        return self._line[-1][1] - now + ANSWER_S

    def _at(self, now: float) -> Mapping[str, float]:
        return next((stage for _, end, stage in self._line if now < end), self._line[-1][2])


class Caller(FastHttpUser):  # type: ignore[misc]  # as above
    """One user: sends, waits for the answer, pauses."""

    network_timeout = connection_timeout = ANSWER_S
    max_retries = 0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._stages: Stages = environment.shape_class
        self._number = next(self._stages.numbers)
        self._first = True
        _prepare(self.client)

    def on_start(self) -> None:
        self.wait()

    def wait_time(self) -> float:
        first, self._first = self._first, False
        return self._stages.pause(self._number, first=first)

    def ask(self) -> None:
        with gevent.Timeout(ANSWER_S):
            self.client.post("", data=next(self._stages.bodies), headers=HEADERS)

    tasks = (ask,)


def _prepare(session: Any) -> None:
    """Take every status as an answer, not as an error to retry or a way to follow; keep no cookies."""
    session.client.valid_response_codes = range(1000)
    session.client.redirect_response_codes = frozenset()
    session.client.cookiejar = None


def run_closed(stages: Stages, url: str) -> dict[str, Any]:
    """Let users send in turn, as the stages say; every user waits for its answer."""
    sample = Sample()
    environment = Environment(user_classes=[Caller], shape_class=stages, host=url, stop_timeout=ANSWER_S + 1)
    environment.events.request.add_listener(
        lambda response_time, response, exception, **_: sample.add(response_time, response, exception)
    )
    runner = environment.create_local_runner()
    begin = time.perf_counter()
    runner.start_shape()
    runner.shape_greenlet.get()
    seconds = time.perf_counter() - begin
    runner.quit()
    for crash in runner.exceptions.values():  # a request that broke the sender is no measurement
        raise RuntimeError(f"{crash['msg']}\n{crash['traceback']}")
    return {**sample.to_json(), "seconds": round(seconds, 3)}


def run_open(rate_rps: float, count: int, bodies: Sequence[bytes], url: str) -> dict[str, Any]:
    """Send at fixed instants whatever the answers take; latencies count from the instant that was due."""
    sample, answered, late = Sample(), array("d"), array("d")
    asked = EventHook()
    session = FastHttpSession(
        url,
        asked,
        user=None,
        concurrency=count,
        network_timeout=ANSWER_S,
        connection_timeout=ANSWER_S,
        max_retries=0,
    )
    _prepare(session)
    begin = time.perf_counter()

    def listen(context: Mapping[str, float], response: Any, exception: BaseException | None, **_: Any) -> None:
        now = time.perf_counter() - begin
        answered.append(now)
        sample.add((now - context["due"]) * 1e3, response, exception)

    def ask(due: float, body: bytes) -> None:
        late.append((time.perf_counter() - begin - due) * 1e3)
        with gevent.Timeout(ANSWER_S):
            session.post("", data=body, headers=HEADERS, context={"due": due})

    asked.add_listener(listen)
    sent = []
    for number, body in zip(range(count), itertools.cycle(bodies), strict=False):
        due = number / rate_rps
        gevent.sleep(max(due - (time.perf_counter() - begin), 0))
        sent.append(gevent.spawn(ask, due, body))
    gevent.joinall(sent, raise_error=True)
    return {**sample.to_json(), "answered_s": answered.tolist(), "late_ms": [round(by_ms, 3) for by_ms in late]}


def _is_idle(_pool: Any, connection: Any) -> bool:
    """Tell whether a kept connection can be used; `select`, as the client has it, knows no descriptor over 1,023."""
    poll = _POLL()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


def _count(rate_rps: float, duration_s: float) -> int:
    return max(1, round(rate_rps * duration_s))


def _allow_files(connections: int) -> None:
    """Raise this process's soft limit as far as it needs and may."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, connections + 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))


def _end_with(parent: int) -> None:
    """End when the parent was killed: nobody waits for the sample, and the load would go on."""
    while os.getppid() == parent:
        gevent.sleep(0.5)
    os._exit(1)


def main(plan_path: str, raw_path: str, url: str) -> None:
    """Run the closed part, then the open one."""
    gevent.spawn(_end_with, os.getppid())
    ConnectionPool._is_socket_alive = _is_idle  # noqa: SLF001 - there is no other way to keep over 1,000 connections
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    _allow_files(max(stage["users"] for stage in plan["stages"]) + _count(**plan["open"]))
    bodies = [json.dumps(body).encode() for body in plan["bodies"]]
    raw = {
        "closed": run_closed(Stages(plan["stages"], bodies), url),
        "open": run_open(plan["open"]["rate_rps"], _count(**plan["open"]), bodies, url),
    }
    Path(raw_path).write_text(json.dumps(raw), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
