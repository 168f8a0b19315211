"""What does one of each cost: a request, a row of the log, a revision, a run? On a platform of the tiny service.

    python benchmarks/scale/costs.py [--requests 5000]

The control plane is killed before requests are sent, so that what they leave in the log can be weighed before it is
shipped; gateway and servers go on. Called by `run.py`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
import tiny_platform
from live_platform import live_platform

from rung.compute import local
from rung.lake import open_lake
from rung.registry import open_registry

if TYPE_CHECKING:
    from live_platform import LivePlatform

REQUESTS = 5_000
RECORDS = 200  # runs that are written into the registry
INCUMBENT = "tiny.v1.m1"
BODY = b'{"instances": [{"x": 1.0}]}'


def measure(requests: int = REQUESTS) -> dict[str, float]:
    """Give unit costs; processor time in seconds, sizes in bytes.

    Raises:
        RuntimeError: A request failed, or not every one was logged.
    """
    with live_platform() as platform:
        tiny_platform.begin(platform)
        run = json.loads(platform.rung("runs", "list", "--json").stdout)[0]
        found = {**_request(platform, requests), **_run(platform, run)}
        server = local.usage(platform.recorded()[INCUMBENT])
        return {**found, "revision_memory_bytes": server.memory_bytes, "revision_processes": server.processes}


def goals(found: dict[str, float]) -> list[dict[str, Any]]:
    """Tell what was measured; it is for the estimate, and has no bars of its own."""
    return [
        {
            "goal": "processor time of a request at the gateway, at the server with its log, and of shipping its row",
            "measured": f"{found['gateway_cpu_s'] * 1e6:.0f} + {found['server_cpu_s'] * 1e6:.0f} + "
            f"{found['ship_cpu_s'] * 1e6:.1f} us",
            "bar": "told",
            "ok": True,
        }
    ]


def _request(platform: LivePlatform, requests: int) -> dict[str, float]:
    address, processes = platform.gateway, platform.recorded()
    os.kill(platform.address.pid, signal.SIGKILL)
    lake = open_lake(platform.place.workspace)
    lake.adopt(platform.place.lake)
    lake.ship()
    connection = http.client.HTTPConnection("127.0.0.1", int(address.rpartition(":")[2]), timeout=30)
    _send(connection, requests // 10)
    lake.ship()
    tables, gateway, server = _bytes(platform.place.lake, "*.parquet"), processes["gateway"], processes[INCUMBENT]
    before = [local.usage(one).cpu_s for one in (gateway, server)]
    _send(connection, requests)
    after = [local.usage(one).cpu_s for one in (gateway, server)]
    time.sleep(1.0)  # the log is written by a thread behind the answers
    logged, busy = _bytes(platform.place.predictions), time.process_time()
    lake.ship()
    busy = time.process_time() - busy
    access = next(platform.sockets.rglob("access.log"))
    platform.rung("up", "--detach")
    return {
        "gateway_cpu_s": (after[0] - before[0]) / requests,
        "server_cpu_s": (after[1] - before[1]) / requests,
        "log_bytes": logged / requests,
        "ship_cpu_s": busy / requests,
        "row_bytes": (_bytes(platform.place.lake, "*.parquet") - tables) / requests,
        "access_log_bytes": access.stat().st_size / _lines(access),
    }


def _send(connection: http.client.HTTPConnection, requests: int) -> None:
    for number in range(requests):
        headers = {"content-type": "application/json", "x-unit-id": f"u{number}"}
        connection.request("POST", "/tiny/v1/predict", body=BODY, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"request {number} was answered by {answer.status}")


def _run(platform: LivePlatform, record: dict[str, Any]) -> dict[str, float]:
    state = platform.folder / "registry"
    with open_registry(state) as registry:
        empty, began = _bytes(state), time.perf_counter()
        for number in range(RECORDS):
            registry.record_run({**record, "id": f"{record['id']}-{number}"})
        seconds = time.perf_counter() - began
    return {
        "run_files_bytes": _bytes(platform.place.workspace.runs / record["id"]),
        "run_record_bytes": (_bytes(state) - empty) / RECORDS,
        "run_record_s": seconds / RECORDS,
    }


def _bytes(folder: Path, pattern: str = "*") -> int:
    """Add up files; one that goes meanwhile has no size."""
    total = 0
    for path in folder.rglob(pattern):
        if path.is_file():
            total += path.stat().st_size
    return total


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return max(1, sum(1 for _ in file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    print(json.dumps(measure(parser.parse_args().requests), indent=1))
