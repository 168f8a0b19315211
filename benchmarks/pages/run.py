"""Time every page of the dashboard, and the commands that people type most. `make bench-pages` runs this.

    python benchmarks/pages/run.py [--rounds 60] [--only sqlite]

Results go to build/bench/pages.json. The exit status is 1 when a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
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
import polars as pl
import psutil
import seed

from rung.data import Append, open_catalogue
from rung.registry import open_registry
from rung.workspace import find

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
from postgresql import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTPUT = Path(__file__).resolve().parents[2] / "build" / "bench" / "pages.json"
PAGE_BAR_S, VERB_BAR_S, HELP_BAR = 0.100, 0.5, 10.0
TOKEN = "of-the-benchmark"  # noqa: S105  a platform of a minute
VERBS = (
    ("runs", "list"),
    ("runs", "list", seed.service(3)),
    ("runs", "show", seed.run(3, 7)),
    ("runs", "compare", seed.run(3, 1), seed.run(3, 2)),
    ("data", "list"),
)
"""Commands that read without a control plane."""
ASKED = (
    ("status", seed.service(3)),
    ("history", f"{seed.service(3)}.v1"),
    ("why", f"{seed.service(3)}.v1.m5"),
    ("audit",),
    ("ab", "list", seed.service(3)),
    ("cost",),
    ("alerts",),
)
"""Commands that ask one."""


def main() -> int:
    """Measure, write, and say whether all bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="requests of each kind of page")
    parser.add_argument("--only", choices=["sqlite", "postgresql"], help="one database")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    if options.only != "postgresql":
        figures["sqlite"] = measure(None, rounds=options.rounds)
    if options.only != "sqlite":
        with postgres_server() as server:
            figures["postgresql"] = measure(server.database(), rounds=options.rounds)
    figures["start"] = start()
    reached = list(goals(figures))
    for goal in reached:
        print(f"{'reached' if goal['ok'] else 'MISSED '}  {goal['measured']!s:>9}  {goal['bar']:>9}  {goal['goal']}")
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps({"goals": reached, "figures": figures, "machine": machine}, indent=1) + "\n")
    return 0 if all(goal["ok"] for goal in reached) else 1


def measure(url: str | None, *, rounds: int) -> dict[str, Any]:
    """Time pages and commands over one database."""
    with _workspace(url) as root:
        workspace = find(root)
        begun = time.perf_counter()
        with open_registry(workspace.state, url) as registry:
            seed.seed(registry)
        open_catalogue(workspace).write("sales", pl.DataFrame({"price": range(1_000)}), how=Append())
        seeded_s = time.perf_counter() - begun
        verbs = {" ".join(words): _verb(root, words) for words in VERBS}
        with _server(root) as (address, process):
            pages = _pages(address, process, rounds)
            verbs |= {" ".join(words): _verb(root, words, address) for words in ASKED}
        return {"seeded_s": round(seeded_s, 1), "pages": pages, "verbs": verbs}


def goals(figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Hold what was measured against the bars."""
    for database in ("sqlite", "postgresql"):
        for name, page in figures.get(database, {}).get("pages", {}).items():
            yield _goal(f"page: {name}, 95th percentile, {database}", page["p95_s"], PAGE_BAR_S)
        for name, seconds in figures.get(database, {}).get("verbs", {}).items():
            yield _goal(f"rung {name}, {database}", seconds, VERB_BAR_S)
    begun = figures["start"]
    times = begun["help_s"] / begun["pass_s"]
    goal = "rung --help, in starts of Python that do nothing"
    yield {"goal": goal, "bar": f"<= {HELP_BAR:g}", "measured": round(times, 1), "ok": times <= HELP_BAR}


def start() -> dict[str, float]:
    """Time the start of the command, beside that of Python."""
    return {
        "pass_s": _time([sys.executable, "-c", "pass"]),
        "help_s": _time([sys.executable, "-m", "rung.cli", "--help"]),
    }


def _goal(goal: str, seconds: float, bar: float) -> dict[str, Any]:
    told = {"bar": f"<= {bar * 1_000:.0f} ms", "measured": f"{seconds * 1_000:.1f} ms"}
    return {"goal": goal, **told, "ok": seconds <= bar}


def _pages(address: str, server: psutil.Process, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    headers = {"authorization": f"Bearer {TOKEN}", "x-rung-user": "bench"}
    with httpx2.Client(base_url=address, timeout=60, follow_redirects=True) as client:
        ticket = client.post("/tickets", headers=headers).raise_for_status().json()["path"]
        client.get(ticket).raise_for_status()
        for name, paths in seed.paths():
            times, size, used = [], 0, _cpu_s(server)
            for number in range(rounds):
                begun = time.perf_counter()
                answer = client.get(paths[number % len(paths)])
                times.append(time.perf_counter() - begun)
                answer.raise_for_status()
                size = max(size, len(answer.content))
            times.sort()
            found[name] = {
                "median_s": median(times),
                "p95_s": times[int(0.95 * len(times))],
                "max_s": times[-1],
                "cpu_s": (_cpu_s(server) - used) / rounds,
                "bytes": size,
            }
    return found


def _cpu_s(server: psutil.Process) -> float:
    """Tell what a process has used: whatever else runs on the machine."""
    used = server.cpu_times()
    return float(used.user + used.system)


def _verb(root: Path, words: tuple[str, ...], address: str | None = None) -> float:
    where = [] if address is None else ["--control", address]
    return _time([sys.executable, "-m", "rung.cli", *where, *words], root=root)


def _time(command: list[str], *, root: Path | None = None, rounds: int = 7) -> float:
    """Give the middle of some runs, seconds."""
    times = []
    environment = {**os.environ, "RUNG_TOKEN": TOKEN}
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return median(times)


@contextmanager
def _workspace(url: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rung-pages-"))
    try:
        root = folder / "w"
        root.mkdir()
        named = "" if url is None else f'registry = "{url}"\n'
        (root / "rung.toml").write_text(f"gateway_port = 0\ncontrol_port = 0\n{named}")
        yield root
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(root: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(root), TOKEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101  both are pipes
        assert server.stdout is not None  # noqa: S101  as above
        try:
            yield server.stdout.readline().strip(), psutil.Process(server.pid)
        finally:
            server.stdin.close()
            server.wait(20)


if __name__ == "__main__":
    sys.exit(main())
