"""How long does it take to list runs where there are 100,000? On SQLite and PostgreSQL, in the registry and as a page.

    python benchmarks/scale/runs.py [--rounds 60]

The registry is that of benchmarks/pages: 100 services, 2,000 revisions, 100,000 runs. Called by `run.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx2

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pages"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
import seed
from postgresql import postgres_server

from rung.registry import open_registry
from rung.workspace import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 60
MOST_S = 0.100
TOKEN = "of-the-benchmark"  # noqa: S105  a platform of a minute


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """List on both databases; give the middle and the 95th percentile, seconds."""
    found = {"sqlite": _listed(None, rounds)}
    with postgres_server() as server:
        found["postgresql"] = _listed(server.database(), rounds)
    return found


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold the 95th percentiles against the goal."""
    return [
        {
            "goal": f"100,000 runs listed, {way}, {database}, 95th percentile",
            "measured": f"{seconds['p95_s'] * 1e3:.1f} ms",
            "bar": f"<= {MOST_S * 1e3:.0f} ms",
            "ok": seconds["p95_s"] <= MOST_S,
        }
        for database, ways in found.items()
        for way, seconds in ways.items()
    ]


def _listed(url: str | None, rounds: int) -> dict[str, dict[str, float]]:
    folder = Path(tempfile.mkdtemp(prefix="rung-runs-"))
    try:
        named = "" if url is None else f'registry = "{url}"\n'
        (folder / "rung.toml").write_text(f"gateway_port = 0\ncontrol_port = 0\n{named}")
        with open_registry(find(folder).state, url) as registry:
            seed.seed(registry)
            found = {
                "100 of all": _timed(lambda: registry.runs(limit=100), rounds),
                "100 of a service": _timed(lambda: registry.runs(seed.service(3), limit=100), rounds),
            }
        with _pages(folder) as client:
            found["a page of all"] = _timed(lambda: client.get("/ui/runs").raise_for_status(), rounds)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(work: Callable[[], object], rounds: int) -> dict[str, float]:
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    times.sort()
    return {"median_s": median(times), "p95_s": times[int(0.95 * len(times))]}


@contextmanager
def _pages(root: Path) -> Iterator[httpx2.Client]:
    """Give a client of the dashboard, which runs in a process of its own."""
    command = [sys.executable, str(Path(seed.__file__).with_name("server.py")), str(root), TOKEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101  both are pipes
        assert server.stdout is not None  # noqa: S101  as above
        address = server.stdout.readline().strip()
        try:
            with httpx2.Client(base_url=address, timeout=60, follow_redirects=True) as client:
                headers = {"authorization": f"Bearer {TOKEN}", "x-rung-user": "bench"}
                ticket = client.post("/tickets", headers=headers).raise_for_status().json()["path"]
                client.get(ticket).raise_for_status()
                yield client
        finally:
            server.stdin.close()
            server.wait(20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    print(json.dumps(measure(parser.parse_args().rounds), indent=1))
