"""Send load with wrk from a core of its own, and read what it counted. Called by `run.py` and `gateway.py`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from process import LOAD_CORE, ServerError, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Cell", "Load", "missing_tools", "send"]

SCRIPT = Path(__file__).resolve().with_name("post.lua")
HOW_TO_GET = {"wrk": "wrk (Debian and Ubuntu: apt-get install wrk)", "taskset": "taskset (package util-linux)"}
MARK = "RESULT "


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent."""

    url: str
    body: Path
    connections: int  # each sends its next request when it has the answer to the last
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one server did under one load."""

    instances: int  # in one request
    connections: int
    requests_per_s: float  # answered with status 200
    p50_ms: float
    p90_ms: float
    p99_ms: float
    machine_load: float  # the one-minute load average before it


def missing_tools() -> list[str]:
    """Tell what must be installed first, and how."""
    return [how for name, how in HOW_TO_GET.items() if shutil.which(name) is None]


def send(load: Load, *, instances: int) -> Cell:
    """Send the load and count.

    Raises:
        ServerError: wrk failed, or a request was not answered with a status below 400.
    """
    words = ["wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{load.seconds}s"]
    words += ["--timeout", "10s", "--script", str(SCRIPT), load.url]
    before = os.getloadavg()[0]
    variables = os.environ | {"BENCH_BODY": str(load.body)}
    done = subprocess.run(
        pinned(LOAD_CORE, *words), capture_output=True, text=True, timeout=load.seconds + 60, env=variables, check=False
    )
    found = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode != 0 or not found:
        raise ServerError(f"wrk ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return read_cell(json.loads(found[0]), connections=load.connections, instances=instances, machine_load=before)


def read_cell(counted: Mapping[str, float], *, connections: int, instances: int, machine_load: float) -> Cell:
    """Make a cell of what wrk counted.

    Raises:
        ServerError: A request failed.
    """
    if counted["failed"] or not counted["requests"]:
        raise ServerError(f"{counted['failed']:.0f} of {counted['requests']:.0f} requests failed at c = {connections}")
    return Cell(
        instances=instances,
        connections=connections,
        requests_per_s=counted["requests"] / counted["seconds"],
        p50_ms=counted["p50_us"] / 1e3,
        p90_ms=counted["p90_us"] / 1e3,
        p99_ms=counted["p99_us"] / 1e3,
        machine_load=machine_load,
    )
