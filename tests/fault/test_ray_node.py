"""A node of a Ray cluster is lost: what ran on it goes on elsewhere, and nothing of it is left behind."""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from ray_cluster import RayCluster, ray_cluster

from rung.compute import local
from rung.compute.local import Command
from rung.compute.protocol import ENDPOINT, Machine, Work
from rung.compute.ray import RayCompute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rung.compute.protocol import Handle, Seen

pytestmark = [pytest.mark.fault, pytest.mark.long]

NODES = ("127.0.0.3", "127.0.0.4")
BACK_S = 30.0  # the goal is 15 s, and benchmarks/scale/nodes.py holds it where nothing else runs
SERVER = """
import http.server, json, os, sys
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(os.getpid()).encode())
address, _, port = sys.argv[1].rpartition(":")
http.server.ThreadingHTTPServer((address, int(port)), Hello).serve_forever()
"""
TRAINING = """
import os, pathlib, sys, time
kept = pathlib.Path("steps")
done = kept.read_text().split() if kept.exists() else []
with kept.open("a") as steps:
    for step in range(len(done), 60):
        print(f"{step}:{os.getpid()}", file=steps, flush=True)
        time.sleep(0.1)
sys.exit(5)
"""
SMALL = Machine(vcpus=1, memory_gib=0.25, disk_gib=0)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[RayCluster, RayCompute]]:
    """Give a head that runs nothing, and two nodes with room for all."""
    with ExitStack() as opened:
        cluster = opened.enter_context(ray_cluster(cpus=0))
        for node in NODES:
            cluster.add(node, cpus=4)
        yield cluster, opened.enter_context(closing(RayCompute(cluster.address, "nodes")))


def work(name: str, script: str, folder: Path, *arguments: str, **more: Any) -> Work:
    folder = folder / name
    folder.mkdir()
    command = Command(
        argv=(sys.executable, "-I", "-c", script, *arguments),
        folder=folder,
        environment={},
        log=folder / "log",
        exit_file=folder / "exit_code",
    )
    return Work(name=name, command=command, machine=SMALL, **more)


def until(what: str, is_so: Callable[[], bool], limit_s: float = 30.0) -> float:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() - begun < limit_s, what
        time.sleep(0.05)
    return time.monotonic() - begun


def pid_at(seen: Seen) -> int | None:
    """Ask a replica for its pid; none while it does not answer."""
    if seen.endpoint is None:
        return None
    try:
        with urllib.request.urlopen(f"http://{seen.endpoint}/", timeout=1) as answer:
            return int(json.load(answer))
    except OSError:
        return None


def test_work_goes_on_elsewhere(
    place: tuple[RayCluster, RayCompute], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cluster, compute = place
    handles: list[Handle] = []
    for number in (1, 2):
        server = work(f"server-{number}", SERVER, tmp_path, ENDPOINT, socket=str(tmp_path / f"{number}.sock"))
        compute.start(server, record=handles.append)

    def pids() -> list[int | None]:
        return [pid_at(seen) for seen in compute.observe(handles)]

    until("both replicas answer", lambda: None not in pids(), 60)
    before = compute.observe(handles)
    assert {seen.node for seen in before} == set(NODES)
    old = pids()
    compute.start(work("training", TRAINING, tmp_path, resumes=True), record=handles.append)
    steps = tmp_path / "training" / "steps"
    until("the training has begun", lambda: steps.exists() and len(steps.read_text().split()) > 3)
    lost = compute.observe(handles)[2].node
    gone, stays = (0, 1) if before[0].node == lost else (1, 0)

    cluster.kill(lost)
    begun = time.monotonic()
    ended_s = until("no orphan is left", lambda: local.find(old[gone] or 0) is None)
    states: set[str] = set()

    def back() -> bool:
        states.update(seen.state for seen in compute.observe(handles[:2]))
        assert pid_at(before[stays]) == old[stays]
        return pids()[gone] not in (None, old[gone])

    until("the replica is back", back, 60)
    back_s = time.monotonic() - begun
    until("the training has ended", lambda: compute.observe(handles)[2].state == "ended", 60)

    trained = compute.observe(handles)[2]
    told = [step.split(":") for step in steps.read_text().split()]
    time.sleep(2)
    with capsys.disabled():
        sys.stdout.write(f"\na node is lost: process gone {ended_s:.1f} s, replica elsewhere {back_s:.1f} s\n")
    assert trained.exit_code == 5
    assert [int(step) for step, _ in told] == list(range(60))
    assert len({pid for _, pid in told}) == 2
    assert steps.read_text().count("\n") == 60
    assert {seen.node for seen in compute.observe(handles[:2])} == {*NODES} - {lost}
    assert "ended" not in states
    assert back_s < BACK_S
    for handle in handles:
        compute.stop(handle, 1)
    assert pids() == [None, None, None]
