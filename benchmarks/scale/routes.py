"""What do many revisions cost a gateway: memory, health checks, the time of a change, and do changes lose requests?

    python benchmarks/scale/routes.py [--sizes 10,100,300,1000]

A real Envoy; all revisions share one server that answers. Called by `run.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from fit import fitted

from rung.gateway import Backend, Gateway, Production, Routing, Split

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "monitoring"))
from answering import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIZES = (10, 100, 300, 1_000)
MINORS = 10  # of each service
CHANGES = 10
WATCHED_S = 5.0
REQUESTS = 20_000
READY_S = 20.0
MOST_CHANGE_S = 2.0


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Route so many revisions, one size after the other, and change a split under load."""
    folder = Path(tempfile.mkdtemp(prefix="rs", dir="/tmp"))
    try:
        with answering(folder / "a") as server, _envoy(folder) as (gateway, envoy):
            points = [_point(gateway, envoy, folder / "a", size) for size in sizes]
            request = _request(gateway, envoy, psutil.Process(server.pid))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    memory = fitted([(one["revisions"], one["memory_bytes"]) for one in points])
    checks = fitted([(one["revisions"], one["idle_cpu"]) for one in points])
    change = fitted([(one["revisions"], one["change_s"]) for one in points])
    return {
        "points": points,
        "memory_bytes_each": memory.slope,
        "idle_cpu_each": checks.slope,
        "change_s_each": change.slope,
        **request,
    }


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the goals."""
    last = found["points"][-1]
    failed = sum(one["failed"] for one in found["points"])
    answered = sum(one["answered"] for one in found["points"])
    return [
        {
            "goal": f"requests that failed of {answered:,} while splits changed, up to {last['revisions']:,} revisions",
            "measured": failed,
            "bar": "0",
            "ok": failed == 0,
        },
        {
            "goal": f"a change of a split at {last['revisions']:,} revisions is taken, median",
            "measured": f"{last['change_s'] * 1e3:.0f} ms",
            "bar": f"<= {MOST_CHANGE_S * 1e3:.0f} ms",
            "ok": last["change_s"] <= MOST_CHANGE_S,
        },
    ]


def _point(gateway: Gateway, envoy: psutil.Process, server: Path, size: int) -> dict[str, Any]:
    began = time.perf_counter()
    gateway.apply(_routing(size, server, share=0.1))
    first_s = time.perf_counter() - began
    busy, began = _cpu_s(envoy), time.perf_counter()
    time.sleep(WATCHED_S)
    idle_cpu = (_cpu_s(envoy) - busy) / (time.perf_counter() - began)
    seconds = [_change(gateway, server, size, number) for number in range(CHANGES)]
    with _consumer(gateway) as seen:  # apart: it and the changes take turns at one interpreter
        for number in range(CHANGES):
            _change(gateway, server, size, number)
    return {
        "revisions": size,
        "first_s": first_s,
        "change_s": statistics.median(seconds),
        "memory_bytes": envoy.memory_info().rss,
        "idle_cpu": idle_cpu,
        "answered": seen["answered"],
        "failed": seen["failed"],
    }


def _change(gateway: Gateway, server: Path, size: int, number: int) -> float:
    began = time.perf_counter()
    gateway.apply(_routing(size, server, share=0.1 + 0.8 * (number % 2)))
    return time.perf_counter() - began


def _routing(size: int, server: Path, *, share: float) -> Routing:
    """Route services of some revisions each; the first one tries its second revision."""
    names = [f"service_{number // MINORS}.v1.m{number % MINORS}" for number in range(size)]
    majors = sorted({name.rpartition(".")[0] for name in names})
    split = Split.ab(experiment="e1", challenger="service_0.v1.m1", share=share)
    return Routing(
        backends=tuple(Backend(revision=name, endpoints=(f"unix:{server}",)) for name in names),
        productions=tuple(
            Production(
                service=major.partition(".")[0],
                major=1,
                incumbent=f"{major}.m0",
                split=split if major == "service_0.v1" else None,
            )
            for major in majors
        ),
    )


def _request(gateway: Gateway, envoy: psutil.Process, server: psutil.Process) -> dict[str, float]:
    """Give the processor time of one request at the gateway, beside that of health checks."""
    gateway.apply(_routing(MINORS, gateway.folder.parent / "a", share=0.5))
    busy, answered = _cpu_s(envoy), _cpu_s(server)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    for number in range(REQUESTS):
        _ask(connection, f"u{number}")
    connection.close()
    return {
        "request_cpu_s": (_cpu_s(envoy) - busy) / REQUESTS,
        "bare_answer_cpu_s": (_cpu_s(server) - answered) / REQUESTS,
        "access_log_bytes": gateway.access_log.stat().st_size / _lines(gateway.access_log),
    }


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return max(1, sum(1 for _ in file))


@contextmanager
def _consumer(gateway: Gateway) -> Iterator[Counter[str]]:
    """Send requests for as long as the block lasts, and count how they ended."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def consume() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
        while not stop.is_set():
            try:
                is_well = _ask(connection, f"u{seen.total()}") == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                is_well = False
            seen["answered" if is_well else "failed"] += 1
        connection.close()

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _ask(connection: http.client.HTTPConnection, unit: str) -> int:
    body = b'{"instances": [{"x": 1.0}]}'
    connection.request("POST", "/service_0/v1/predict", body=body, headers={"x-unit-id": unit})
    answer = connection.getresponse()
    answer.read()
    return answer.status


@contextmanager
def _envoy(folder: Path) -> Iterator[tuple[Gateway, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    gateway = Gateway(folder=folder / "g", port=port, deadline_s=60.0)
    gateway.prepare()
    with subprocess.Popen(gateway.command()) as process:
        try:
            deadline = time.monotonic() + READY_S
            while not gateway.ready():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Envoy was not ready within {READY_S} s: see {gateway.log}")
                time.sleep(0.02)
            yield gateway, psutil.Process(process.pid)
        finally:
            process.terminate()


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    options = parser.parse_args()
    print(json.dumps(measure([int(size) for size in options.sizes.split(",")]), indent=1))
