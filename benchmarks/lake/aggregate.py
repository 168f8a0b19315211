"""How fast the log ships, and how fast an A/B decision reads ten million units. Writes build/bench/lake.json.

Run it as `python benchmarks/lake/aggregate.py [--units 10000000]`. Each figure stands beside its goal.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rung.lake import OUTCOMES, PREDICTIONS, AppendLog, Lake, prediction_line
from rung.lake._lines import KINDS, to_rows
from rung.lake._tables import Table

START = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 500_000  # units that are written at once


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=10_000_000)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--read", metavar="LAKE", help="only aggregate this lake, and print what it took")
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_log(Path(folder) / "log", arguments.lines)
        fill(Path(folder) / "lake", arguments.units)
        command = [sys.executable, __file__, "--read", str(Path(folder) / "lake")]
        figures |= json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    report(figures, arguments)


def measure_log(folder: Path, lines: int) -> dict[str, float]:
    """Append and ship lines as a revision server writes them."""
    lake = Lake(folder)
    log = AppendLog(lake.logs)
    began = time.perf_counter()
    for number in range(lines):
        log.append(
            prediction_line(
                id=f"0199{number:028x}",
                revision="housing.v1.m2",
                time=1_767_225_600_000_000 + number,
                status=200,
                duration_ms=1.25,
                kind="production",
                unit=f"customer-{number}",
                experiment="housing.v1.m2",
                arm="challenger",
                instances=b'[{"area":100.0,"rooms":4,"year":1987,"district":"north"}]',
                predictions=b'[{"price":231000.5}]',
            )
        )
    appended = time.perf_counter() - began
    log.close()
    began = time.perf_counter()
    shipped = lake.ship()
    if shipped.rows != lines:
        raise SystemExit(f"shipped {shipped.rows} of {lines} lines")
    return {
        "append_us": appended / lines * 1e6,
        "ship_lines_per_s": lines / (time.perf_counter() - began),
    }


def fill(root: Path, units: int) -> None:
    """Write the tables that an experiment over this many units leaves: one request and one outcome of each."""
    schema = {stream: kind.schema for stream, kind in KINDS.items()}
    tables = {stream: Table(str(root / stream), schema[stream], ("service", "date")) for stream in schema}
    rng = np.random.default_rng(7)
    for first in range(0, units, CHUNK):
        numbers = pl.int_range(first, min(first + CHUNK, units), eager=True)
        times = 1_767_225_600_000_000 + numbers * 8000
        unit = pl.select(pl.format("customer-{}", numbers)).to_series()
        challenger = pl.Series(rng.random(len(numbers)) < 0.5)
        revision = challenger.replace_strict({True: "housing.v1.m2", False: "housing.v1.m1"})
        requests = {
            "id": unit,
            "time": times,
            "revision": revision,
            "unit": unit,
            "arm": challenger.replace_strict({True: "challenger", False: "incumbent"}),
        }
        outcomes = {"unit": unit, "received": times + 3_600_000_000, "value": pl.Series(rng.random(len(numbers)) < 0.1)}
        constant = {"route": "predict", "experiment": "e1", "kind": "production", "status": 200, "duration_ms": 1.25}
        texts = {"instances": '[{"area":100.0}]', "predictions": '[{"price":1.5}]'}
        _append(tables[PREDICTIONS], PREDICTIONS, requests, constant | texts)
        _append(tables[OUTCOMES], OUTCOMES, outcomes, {"service": "housing", "metric": "sold"})


def _append(table: Table, stream: str, columns: dict[str, pl.Series], constants: dict[str, Any]) -> None:
    fields = KINDS[stream].fields
    frame = pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in constants.items())
    missing = [pl.lit(None).alias(name) for name in fields if name not in frame.columns]
    table.append(to_rows(frame.with_columns(missing).cast(dict(fields)), KINDS[stream]), {})


def read(root: str) -> dict[str, float]:
    """Aggregate in a process of its own, so that its memory is the aggregation's."""
    began, processor = time.perf_counter(), time.process_time()
    comparison = Lake(root).compare("e1", metric="sold", since=START)
    took, used = time.perf_counter() - began, time.process_time() - processor
    exposed = sum(arm.exposed for arm in comparison.arms.values())
    return {"units": exposed, "decide_s": took, "decide_processor_s": used, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """Return the most memory that this process held, megabytes (Linux: getrusage would count its parent's)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def report(figures: dict[str, float], arguments: argparse.Namespace) -> None:
    """Print the figures with their goals, and write them."""
    goals = {"append_us": 10.0, "ship_lines_per_s": 50_000.0, "decide_s": 2.0, "peak_mb": 500.0}
    for name, value in figures.items():
        print(f"{name:20}{value:14,.2f}   {'goal ' + format(goals[name], ',.0f') if name in goals else ''}")
    path = Path("build/bench/lake.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"figures": figures, "goals": goals, "lines": arguments.lines}, indent=2) + "\n")


if __name__ == "__main__":
    main()
