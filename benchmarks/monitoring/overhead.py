"""Measure what watching costs a server: the same revision with and without it, in turns, under the same load.

Watching is what every server does unasked: counts, latencies, waits, sizes of calls, memory and processor time, shared
by all workers. The log of predictions is kept in both. Throughput of a server that has a core for itself is one over
the processor time of a request; that is what is compared, since it holds on a machine that others use too. What wrk
counted is told beside it. Called by `run.py`, or alone: `python benchmarks/monitoring/overhead.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "serving"))

from load import Load, send
from process import Command, ServerError, await_answer, free_port, running

CONNECTIONS = (1, 16)
ROUNDS = 6
SECONDS = 3
MOST_SHARE = 0.05
MOST_US = 20.0
BODY = json.dumps({"instances": [{"x": 1.5}]}).encode()
APP = """\
import os

from pydantic import BaseModel

from rung.schema import Request
from rung.serving import create_serving_app
from rung.serving._metrics import RouteMetrics
from rung.serving._observe import Observer


class Instance(BaseModel):
    x: float


class Parameters(BaseModel):
    pass


class Prediction(BaseModel):
    y: float


def predict(request: Request[Instance, Parameters]) -> list[Prediction]:
    return [Prediction(y=instance.x) for instance in request.instances]


def nothing(*_, **__):
    pass


if os.environ["BENCH_WATCHED"] == "no":
    Observer._count = Observer.sample = RouteMetrics.called = nothing
app = create_serving_app(predict=predict)
"""


def goals(found: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    """Hold what was measured against the goals."""
    one, many = (found[connections] for connections in CONNECTIONS)
    return [
        {
            "goal": "watching costs little throughput at 16 connections",
            "measured": f"{many['share']:.1%} ({many['costs_us']:.1f} of {many['watched_us']:.0f} us a request)",
            "bar": f"at most {MOST_SHARE:.0%}",
            "ok": many["share"] <= MOST_SHARE,
        },
        {
            "goal": "watching costs little time a request at 1 connection",
            "measured": f"{one['costs_us']:.1f} us",
            "bar": f"at most {MOST_US:g} us",
            "ok": one["costs_us"] <= MOST_US,
        },
    ]


def measure(*, rounds: int = ROUNDS, seconds: int = SECONDS) -> dict[int, dict[str, float]]:
    """Time both kinds in turns; give the least processor time and the middle rate of all rounds, by connections.

    Args:
        rounds: In each, both servers are started anew.
        seconds: Of load, for each number of connections.
    """
    cells: dict[tuple[int, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="rung-overhead-") as name:
        folder = Path(name)
        (folder / "app.py").write_text(APP, encoding="utf-8")
        (folder / "body.json").write_bytes(BODY)
        for number in range(rounds):
            for watched in ("yes", "no") if number % 2 else ("no", "yes"):
                for connections, cell in _round(folder, watched, seconds).items():
                    cells.setdefault((connections, watched), []).append(cell)
    return {connections: _compared(cells[connections, "yes"], cells[connections, "no"]) for connections in CONNECTIONS}


def _compared(watched: list[tuple[float, float]], unwatched: list[tuple[float, float]]) -> dict[str, float]:
    with_us, without_us = (min(us for us, _ in cells) for cells in (watched, unwatched))  # others only add to it
    return {
        "watched_us": with_us,
        "unwatched_us": without_us,
        "costs_us": with_us - without_us,
        "share": 1 - without_us / with_us,
        "watched_requests_per_s": median(rate for _, rate in watched),
        "unwatched_requests_per_s": median(rate for _, rate in unwatched),
    }


def _round(folder: Path, watched: str, seconds: int) -> dict[int, tuple[float, float]]:
    """Give microseconds of processor time a request and requests a second, by connections."""
    port = free_port()
    with tempfile.TemporaryDirectory(dir=folder) as metrics:
        variables = {
            **os.environ,
            "BENCH_WATCHED": watched,
            "RUNG_LOG": str(folder / "log"),
            "PROMETHEUS_MULTIPROC_DIR": metrics,
        }
        words = (*("-m", "rung.serving.server", "--application", "app:app"), *("--bind", f"127.0.0.1:{port}"))
        command = Command(arguments=(sys.executable, *words), folder=folder, variables=variables)
        with running(command, folder / "server.log") as process:
            url = f"http://127.0.0.1:{port}/predict"
            await_answer(url, BODY, _check, process=process, log=folder / "server.log")
            return {count: _cell(process.pid, url, folder, (count, seconds)) for count in CONNECTIONS}


def _check(answer: Any) -> None:
    if answer["predictions"] != [{"y": 1.5}]:
        raise ServerError(f"the server answered {answer}")


def _cell(pid: int, url: str, folder: Path, load: tuple[int, int]) -> tuple[float, float]:
    connections, seconds = load
    body = folder / "body.json"
    send(Load(url=url, body=body, connections=connections, seconds=1), instances=1)  # warms it up
    before = _cpu_s(pid)
    cell = send(Load(url=url, body=body, connections=connections, seconds=seconds), instances=1)
    return (_cpu_s(pid) - before) / (cell.requests_per_s * seconds) * 1e6, cell.requests_per_s


def _cpu_s(pid: int) -> float:
    """Give the processor time of a server: its master and its workers."""
    master = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (master, *master.children(recursive=True)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    options = parser.parse_args()
    print(json.dumps(measure(rounds=options.rounds, seconds=options.seconds), indent=1))
