"""What do servers and trainings on a Ray cluster cost beside this machine's, and how soon is a lost node made up for?

    python benchmarks/scale/nodes.py [--seconds 4] [--rounds 3]

Called by `run.py`. A real cluster of three nodes on this machine, each with an address of its own; the same server and
the same command are begun by both computes, in turns. Needs wrk, and the extra `ray`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from ray_cluster import ray_cluster

from rung.compute.here import LocalCompute
from rung.compute.local import Command
from rung.compute.protocol import ENDPOINT, Machine, Work
from rung.compute.ray import RayCompute

if TYPE_CHECKING:
    from collections.abc import Callable

    from ray_cluster import RayCluster

    from rung.compute.protocol import Compute, Handle, Seen

NODES = ("127.0.0.3", "127.0.0.4")
CONNECTIONS = 16
LEAST_SHARE, MOST_OVERHEAD_S, BACK_S, LOOK_S = 0.95, 3.0, 15.0, 0.05
MANY = 20  # works that are looked at at once
SMALL = Machine(vcpus=0.1, memory_gib=0.1, disk_gib=0)
SERVER = """
import sys
import uvicorn
BODY = b'{"predictions": [{"price": 250000.0}]}'
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(BODY))]})
        await send({"type": "http.response.body", "body": BODY})
host, _, port = sys.argv[1].rpartition(":")
uvicorn.run(app, host=host, port=int(port), log_level="error", access_log=False, lifespan="off")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where work is begun, and what was begun."""

    folder: Path
    handles: list[tuple[Compute, Handle]] = field(default_factory=list)

    def begin(self, compute: Compute, script: str, *arguments: str, listens: bool = False) -> Handle:
        """Run a script."""
        number = len(self.handles)
        command = Command(
            argv=(sys.executable, "-c", script, *arguments),
            folder=self.folder,
            environment={"PATH": os.environ["PATH"]},
            log=self.folder / "log",
            exit_file=None if listens else self.folder / f"exit-{number}",
        )
        listening = str(self.folder / f"{number}.sock") if listens else None
        work = Work(name=f"bench-{number}", command=command, machine=SMALL, socket=listening)
        handle = compute.start(work, record=lambda handle: self.handles.append((compute, handle)))
        return {**handle}

    def close(self) -> None:
        """End all of it."""
        for compute, handle in self.handles:
            compute.stop(handle, 1)
        self.handles.clear()


def measure(seconds: int = 4, rounds: int = 3) -> dict[str, Any]:
    """Measure all of it, on a cluster of its own."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        cluster = opened.enter_context(ray_cluster(cpus=0))
        for node in NODES:
            cluster.add(node, cpus=8)
        ray = opened.enter_context(closing(RayCompute(cluster.address, "bench")))
        place = opened.enter_context(closing(Place(folder=folder)))
        _ends_s(place, ray)  # the first one waits for Ray's driver, too
        return {
            "overhead": _overhead(place, ray, rounds * 2),
            "throughput": _throughput(place, ray, seconds, rounds),
            "look": _look(place, ray),
            "loss": _loss(place, ray, cluster, rounds),
        }


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the goals."""
    share, overhead_s = found["throughput"]["share"], found["overhead"]["ray_s"] - found["overhead"]["local_s"]
    back_s, look_s = max(found["loss"]["back_s"]), found["look"]["median_s"]
    return [
        {
            "goal": "a server on Ray answers as many requests as one that was started locally, share",
            "measured": round(share, 3),
            "bar": f">= {LEAST_SHARE:g}",
            "ok": share >= LEAST_SHARE,
            "beside": f"{found['throughput']['ray']:,.0f} requests/s",
        },
        {
            "goal": "what a training on Ray takes longer than one on this machine, warm",
            "measured": f"{overhead_s:.2f} s",
            "bar": f"<= {MOST_OVERHEAD_S:g} s",
            "ok": overhead_s <= MOST_OVERHEAD_S,
        },
        {
            "goal": "a node is killed: until its replica answers elsewhere, the slowest",
            "measured": f"{back_s:.1f} s",
            "bar": f"<= {BACK_S:g} s",
            "ok": back_s <= BACK_S,
            "beside": f"{len(found['loss']['back_s'])} nodes, {found['loss']['orphans']} processes left behind",
        },
        {
            "goal": f"a look at {MANY} works on Ray, median",
            "measured": f"{look_s * 1e3:.1f} ms",
            "bar": f"<= {LOOK_S * 1e3:g} ms",
            "ok": look_s <= LOOK_S,
        },
    ]


def _overhead(place: Place, ray: Compute, times: int) -> dict[str, float]:
    here = LocalCompute()
    found = [(_ends_s(place, here), _ends_s(place, ray)) for _ in range(times)]
    return {"local_s": statistics.median(one for one, _ in found), "ray_s": statistics.median(one for _, one in found)}


def _throughput(place: Place, ray: Compute, seconds: int, rounds: int) -> dict[str, float]:
    shares, ours = [], []
    for _ in range(rounds):
        with closing(Place(folder=place.folder)) as both:
            address = _free(NODES[0])
            both.begin(LocalCompute(), SERVER, address)
            handle = both.begin(ray, SERVER, ENDPOINT, listens=True)
            endpoint = str(_until(ray, handle, lambda seen: seen.endpoint is not None).endpoint)
            local_rate, ray_rate = (_best(one, seconds) for one in (address, endpoint))
        shares.append(ray_rate / local_rate)
        ours.append(ray_rate)
    return {"share": statistics.median(shares), "ray": statistics.median(ours)}


def _look(place: Place, ray: Compute) -> dict[str, float]:
    with closing(Place(folder=place.folder)) as many:
        handles = [many.begin(ray, "import time; time.sleep(600)") for _ in range(MANY)]
        _wait(lambda: all(seen.state == "running" for seen in ray.observe(handles)))
        times = [_timed(lambda: ray.observe(handles)) for _ in range(50)]
    return {"median_s": statistics.median(times), "most_s": max(times)}


def _loss(place: Place, ray: Compute, cluster: RayCluster, rounds: int) -> dict[str, Any]:
    """Kill the node of one of two replicas, again and again."""
    handles = [place.begin(ray, SERVER, ENDPOINT, listens=True) for _ in NODES]
    back, orphans = [], 0
    for _ in range(rounds):
        before = [_until(ray, handle, lambda seen: _answers(seen.endpoint)) for handle in handles]
        lost, old = before[0].node, before[0].endpoint
        cluster.kill(lost)
        begun = time.monotonic()
        _until(ray, handles[0], partial(_is_elsewhere, old))
        back.append(time.monotonic() - begun)
        orphans += _answers(old)
        cluster.add(lost, cpus=8)
    return {"back_s": back, "orphans": orphans}


def _is_elsewhere(old: str | None, seen: Seen) -> bool:
    return seen.endpoint != old and _answers(seen.endpoint)


def _ends_s(place: Place, compute: Compute) -> float:
    """Time a command that does nothing, from its start until it is seen to have ended."""
    begun = time.perf_counter()
    _until(compute, place.begin(compute, "pass"), lambda seen: seen.state == "ended")
    return time.perf_counter() - begun


def _until(compute: Compute, handle: Handle, is_so: Callable[[Seen], bool]) -> Seen:
    seen: list[Seen] = []

    def look() -> bool:
        seen[:] = compute.observe([handle])
        return is_so(seen[0])

    _wait(look)
    return seen[0]


def _wait(is_so: Callable[[], bool], limit_s: float = 120.0) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def _answers(endpoint: str | None) -> bool:
    if endpoint is None:
        return False
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def _best(endpoint: str, seconds: int) -> float:
    """Give requests per second, the better of two stretches: others may keep the machine busy."""
    _wait(lambda: _answers(endpoint))
    return max(_rate(endpoint, seconds) for _ in range(2))


def _rate(endpoint: str, seconds: int) -> float:
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
    told = subprocess.run([*command, f"http://{endpoint}/"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    return float(found[1]) if found else 0.0


def _free(host: str) -> str:
    with socket.create_server((host, 0)) as free:
        return f"{host}:{free.getsockname()[1]}"


def _timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> int:
    """Measure, and say which goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.seconds, options.rounds)
    reached = goals(found)
    print(json.dumps([found, reached], indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
