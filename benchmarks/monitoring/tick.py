"""Measure the control plane's look at a registry of many revisions: the real loop, registry, gateway and collector.

Rows are written straight into the registry; most revisions are torn down. Those that are served share one process on
record, which only sleeps, and one server that answers, since no machine for benchmarks holds hundreds of servers: what
a look costs is the control plane's own work. Called by `run.py`, by benchmarks/scale, or alone:
`python benchmarks/monitoring/tick.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answering import answering
from sqlalchemy import insert

from rung.compute import local
from rung.control._lead import Lead
from rung.control._platform import Platform
from rung.control.place import Place
from rung.lifecycle import State
from rung.registry import _tables as tables
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.serving import Bundle, write_bundle
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Iterator

REVISIONS = 1_000
SERVED = 50
MINORS = 20  # of each service
LOOKS = 20
SETTLING = 3  # looks after the first one that routes: what is due once is begun by then
WARM_UP_S = 30.0  # in which gateway and collector start
MOST_S = 1.0
ANSWERING = "answering"
HARDWARE: dict[str, Any] = {"vcpus": 1, "memory_gib": 1, "gpus": 0, "disk_gib": 1}
INFRASTRUCTURE: dict[str, Any] = {
    "training": HARDWARE,
    "serving": {
        **HARDWARE,
        "request_timeout_s": 5,
        "gunicorn_workers": 2,
        "autoscaling": {"minimum": 1, "maximum": 1, "target_concurrency": 8},
    },
}


def goals(found: dict[str, float]) -> list[dict[str, Any]]:
    """Hold what was measured against the goal."""
    return [
        {
            "goal": f"a look of the control plane at {REVISIONS:,} revisions, {SERVED} of them served",
            "measured": f"{found['median_s'] * 1e3:.0f} ms in the middle, {found['longest_s'] * 1e3:.0f} ms at most",
            "bar": f"at most {MOST_S:g} s",
            "ok": found["longest_s"] <= MOST_S,
        }
    ]


def measure(*, revisions: int = REVISIONS, served: int = SERVED, looks: int = LOOKS) -> dict[str, float]:
    """Look so many times; give seconds of the look in the middle and of the longest, and processor seconds of one.

    Args:
        revisions: On record.
        served: Of these.
        looks: That are measured, after those in which gateway and collector start.
    """
    folder = Path(tempfile.mkdtemp(prefix="rung-tick-"))
    try:
        with _platform(folder) as platform, _sleeper(platform) as sleeper:
            _fill(platform, sleeper, revisions=revisions, served=served)
            _warm_up(platform)
            for _ in range(SETTLING):
                platform.loop.tick()
            seconds, busy = [], time.process_time()
            for _ in range(looks):
                began = time.perf_counter()
                platform.loop.tick()
                seconds.append(time.perf_counter() - began)
            busy = time.process_time() - busy
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"median_s": statistics.median(seconds), "longest_s": max(seconds), "cpu_s": busy / looks}


@contextmanager
def _platform(folder: Path) -> Iterator[Platform]:
    (folder / "rung.toml").write_text("gateway_port = 0\ncontrol_port = 0\n", encoding="utf-8")
    place = Place(workspace=find(folder))
    place.make()
    with open_registry(place.workspace.state) as registry:
        lead = Lead(place, registry)
        if not lead.take(threading.Event()):
            raise RuntimeError("another leads a workspace that was just made")
        platform = Platform.open(place, registry=registry, fence=lead.fence, gateway_port=_free_port())
        try:
            with answering(place.socket(ANSWERING)):
                yield platform
        finally:
            platform.loop.end()
            platform.loop.run()  # ends at once, with its threads
            platform.deployments.servers.stop_all()
            lead.give_back()


@contextmanager
def _sleeper(platform: Platform) -> Iterator[local.Process]:
    """Give a process that does nothing; it is on record for nobody when the block ends."""
    command = local.Command(argv=("sleep", "3600"), folder=platform.place.workspace.root, environment={"PATH": "/bin"})
    process = local.start(command)
    try:
        yield process
    finally:
        local.stop(process)
        for name in platform.registry.processes():
            if ".v" in name:
                platform.registry.forget_process(name)


def _fill(platform: Platform, sleeper: local.Process, *, revisions: int, served: int) -> None:
    """Put revisions on record: the newest of each service's are the ones that are served."""
    names = [
        RevisionName(service=f"service_{number // MINORS}", major=1, minor=number % MINORS)
        for number in range(revisions)
    ]
    alive = set(sorted(names, key=lambda name: (-name.minor, name.service))[:served])
    now = datetime.now(UTC).isoformat()
    rows = [_row(name, State.CANDIDATE if name in alive else State.TORN_DOWN, now) for name in names]
    with platform.registry._write() as connection:  # noqa: SLF001  a thousand moves would take minutes
        connection.execute(insert(tables.revisions), rows)
    for name in alive:
        _serve(platform, name, sleeper)
        platform.place.socket(str(name)).symlink_to(platform.place.socket(ANSWERING))


def _row(name: RevisionName, state: State, now: str) -> dict[str, Any]:
    return {
        "service": name.service,
        "major": name.major,
        "minor": name.minor,
        "state": state,
        "reason": "for a benchmark",
        "since": now,
        "created": now,
        "actor": "benchmark",
        "run": str(name),
        "dirty": False,
    }


def _serve(platform: Platform, name: RevisionName, sleeper: local.Process) -> None:
    bundle = Bundle(
        revision=str(name), run=str(name), artifacts={}, contract={}, infrastructure=INFRASTRUCTURE, example={}
    )
    write_bundle(platform.place.workspace.state, bundle)
    platform.registry.keep_process(str(name), sleeper.to_json())


def _warm_up(platform: Platform) -> None:
    deadline = time.monotonic() + WARM_UP_S
    platform.loop.tick()
    while not (platform.loop.gateway.ready() and platform.loop.gateway.version()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the gateway did not route within {WARM_UP_S} s: see what was logged")
        time.sleep(0.2)
        platform.loop.tick()


def _free_port() -> int:
    import socket  # noqa: PLC0415  for this alone

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revisions", type=int, default=REVISIONS)
    parser.add_argument("--served", type=int, default=SERVED)
    options = parser.parse_args()
    print(json.dumps(measure(revisions=options.revisions, served=options.served), indent=1))
