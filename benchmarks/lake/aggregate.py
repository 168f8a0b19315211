"""How fast the log ships, and how fast an A/B decision reads ten million units. Writes build/bench/lake.json.

Run it as `python benchmarks/lake/aggregate.py [--units 10000000]`. Each figure stands beside its goal. The first look
at an experiment reads all its rows and keeps a ledger; a later one, in whatever process, reads the ledger and what is
new. Looks are timed in processes of their own, so that their peaks of memory are theirs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rung.lake import OUTCOMES, PREDICTIONS, AppendLog, Comparison, Lake, outcome_line, prediction_line
from rung.lake._lines import KINDS, to_rows
from rung.lake._tables import Table

START = datetime(2026, 1, 1, tzinfo=UTC)
BEGAN_US = 1_767_225_600_000_000
CHUNK = 500_000  # units that are written at once
LOOKS = 20

GOALS = {
    "append_us": ("a line is appended to the log, microseconds", 10.0, True),
    "ship_lines_per_s": ("lines are shipped into a table per second", 50_000.0, False),
    "decide_s": ("a look at an A/B test of ten million units by a new process, s", 2.0, True),
    "decide_peak_mb": ("peak memory of that look, MB", 500.0, True),
    "next_look_ms": ("the next look, after a thousand requests and outcomes more, ms", 100.0, True),
    "first_peak_mb": ("peak memory of the first look, which reads all rows, MB", 500.0, True),
    "health_ms": ("health of both arms over the last 100,000 requests, ms", 50.0, True),
}
"""Figure -> what it is, its bar, and whether that is an upper one."""

FIRST = "the first look, when no ledger is kept yet, s"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=10_000_000)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--read", metavar="LAKE", help="only look at this lake, and print what it took")
    parser.add_argument("--keep", metavar="LAKE", type=Path, help="make the lake there, or take the one that is there")
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read)))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_log(Path(folder) / "log", arguments.lines)
        lake = arguments.keep or Path(folder) / "lake"
        if not lake.exists():
            fill(lake, arguments.units)
        shutil.rmtree(lake / "ledgers", ignore_errors=True)
        first, later = child(lake), child(lake)
        figures |= {"first_look_s": first["look_s"], "first_peak_mb": first["peak_mb"]}
        figures |= {"units": later["units"], "decide_s": later["look_s"], "decide_peak_mb": later["peak_mb"]}
        figures |= follow(Lake(lake), arguments.units)
        figures |= measure_health(Path(folder) / "health")
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
                time=BEGAN_US + number,
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
        times = BEGAN_US + numbers * 8000
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
    table.append(to_rows(frame.with_columns(missing).cast(pl.Schema(fields)), KINDS[stream]), {})


def child(lake: Path) -> dict[str, float]:
    """Look in a process of its own, so that its memory is the look's."""
    command = [sys.executable, __file__, "--read", str(lake)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def look(lake: Lake) -> Comparison:
    """Aggregate the experiment."""
    return lake.compare("e1", metric="sold", since=START)


def read(root: str) -> dict[str, float]:
    """Look once."""
    began = time.perf_counter()
    comparison = look(Lake(root))
    took = time.perf_counter() - began
    return {"units": sum(arm.exposed for arm in comparison.arms.values()), "look_s": took, "peak_mb": _peak_mb()}


def follow(lake: Lake, units: int) -> dict[str, float]:
    """Look once a second, as the control plane does: each time a thousand more units, and outcomes of known ones."""
    look(lake)
    rng = np.random.default_rng(8)
    log, outcomes, took = AppendLog(lake.logs), AppendLog(lake.logs, OUTCOMES), []
    for round_ in range(LOOKS):
        log.append_lines([request(units + 1000 * round_ + number) for number in range(1000)])
        outcomes.append_lines([outcome(int(number), round_) for number in rng.integers(0, units, 1000)])
        lake.ship()
        began = time.perf_counter()
        found = look(lake)
        took.append(time.perf_counter() - began)
    log.close()
    outcomes.close()
    if sum(arm.exposed for arm in found.arms.values()) != units + 1000 * LOOKS:
        raise SystemExit("a look missed units")
    return {"next_look_ms": statistics.median(took) * 1e3}


def request(number: int) -> bytes:
    """Build the line of a unit's request."""
    return prediction_line(
        id=f"customer-{number}",
        revision="housing.v1.m2",
        time=BEGAN_US + number * 8000,
        status=200,
        duration_ms=1.25,
        kind="production",
        unit=f"customer-{number}",
        experiment="e1",
        arm="challenger",
        instances=b'[{"area":100.0}]',
        predictions=b'[{"price":1.5}]',
    )


def outcome(number: int, round_: int) -> bytes:
    """Build the line of another outcome of a unit."""
    received = BEGAN_US + number * 8000 + 7_200_000_000 + round_
    return outcome_line(service="housing", metric="sold", value=1.0, unit=f"customer-{number}", received=received)


def measure_health(root: Path) -> dict[str, float]:
    """Ask for the health of both arms over the last 100,000 requests of a million, each time with a thousand more."""
    fill(root, 1_000_000)
    lake = Lake(root)
    since = START + timedelta(microseconds=900_000 * 8000)
    log, took = AppendLog(lake.logs), []
    for round_ in range(LOOKS):
        log.append_lines([request(1_000_000 + 1000 * round_ + number) for number in range(1000)])
        lake.ship()
        began = time.perf_counter()
        found = lake.health("e1", since=since, slow_ms=100)
        took.append(time.perf_counter() - began)
    log.close()
    if sum(arm.requests for arm in found.values()) != 100_000 + 1000 * LOOKS:
        raise SystemExit("the health misses requests")
    return {"health_ms": statistics.median(took) * 1e3}


def _peak_mb() -> float:
    """Return the most memory that this process held, megabytes (Linux: getrusage would count its parent's)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def report(figures: dict[str, float], arguments: argparse.Namespace) -> None:
    """Print the figures beside their goals, and write them."""
    goals = []
    for name, (sentence, bar, at_most) in GOALS.items():
        ok = figures[name] <= bar if at_most else figures[name] >= bar
        goals.append({"goal": sentence, "measured": figures[name], "bar": bar, "ok": ok})
        direction = "at most" if at_most else "at least"
        print(f"{sentence:70}{figures[name]:12,.2f}   {direction:8} {bar:8,.0f}{'' if ok else '   missed'}")
    print(f"{FIRST:70}{figures['first_look_s']:12,.2f}")
    path = Path("build/bench/lake.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = {"goals": goals, "figures": figures, "lines": arguments.lines}
    path.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
