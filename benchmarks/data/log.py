"""What the log costs: an append to its tables as they grow, shipping, and whether kill -9 loses or doubles a line.

    python benchmarks/data/log.py [--batches 10000] [--lines 600000] [--kills 30] [--uri s3://bucket/prefix]

An append is timed with upkeep after every 32, as the control plane's looks come while an A/B test runs; what upkeep
takes is told beside it. The figure of a size is the median of the last 100 appends before it; that of 10 is of the
first ten after the table was made. Growth compares the processor's time, which a busy neighbour changes less; the
wall's is beside.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from report import keep

from rung.lake import OUTCOMES, PREDICTIONS, AppendLog, Lake, prediction_line
from rung.lake._lines import KINDS, parse
from rung.lake._tables import Table
from rung.lake._upkeep import Upkeep, Upkept

SIZES = (10, 100, 1_000, 10_000)
LAST = 100  # appends that a figure is the median of
UPKEEP_EVERY = 32  # appends
ROWS = 200  # of each append
FILES = 4  # that as many workers of servers write
WRITERS = 2
BEGAN_US = 1_767_225_600_000_000
DAY_US = 86_400_000_000

SHIPPER = """
import sys
from rung.lake import Lake
lake = Lake(sys.argv[1])
lake.count()  # all is imported now
print("ready", flush=True)
while True:
    lake.ship()
    lake.upkeep()
"""
"""What is killed: it ships and looks after the tables as often as it can."""

WRITER = """
import signal, sys, time
from rung.lake import AppendLog, prediction_line
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
log, worker, number = AppendLog(sys.argv[1], max_bytes=1 << 20), sys.argv[2], 0
while not ended:
    lines = [
        prediction_line(id=f"{worker}-{number + each}", revision="housing.v1.m2", time=1_767_225_600_000_000 + number,
                        status=200, duration_ms=1.25, kind="production", unit=f"customer-{number % 997}",
                        instances=b'[{"area":100.0}]', predictions=b'[{"price":1.5}]')
        for each in range(100)
    ]
    for line in lines:
        log.append(line)
    number += 100
    time.sleep(0.01)
print(number, flush=True)
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=10_000)
    parser.add_argument("--lines", type=int, default=600_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--uri", help="make the table of appends there; else in a temporary folder")
    arguments = parser.parse_args()
    figures = measure(arguments.batches, arguments.lines, arguments.kills, uri=arguments.uri)
    entries = judged(figures)
    print(json.dumps(figures["append"], indent=1))
    keep("log", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure())


def measure(batches: int = 10_000, lines: int = 600_000, kills: int = 30, *, uri: str | None = None) -> dict[str, Any]:
    """Measure everything.

    Args:
        batches: Appends to one table.
        lines: Lines that are shipped at once.
        kills: How often the process that ships is killed.
        uri: Where the table of the appends is made; None: in a temporary folder.
    """
    with tempfile.TemporaryDirectory(prefix="rung-log-") as folder:
        return {
            "append": measure_appends(uri or f"{folder}/table", batches),
            "ship": measure_shipping(Path(folder, "shipped"), lines),
            "kill": measure_kills(Path(folder, "killed"), kills),
        }


def judged(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold figures against their bars."""
    appends, ship, kill = figures["append"], figures["ship"], figures["kill"]
    first, last = appends[0], appends[-1]
    growth = last["cpu_ms"] / first["cpu_ms"]
    with_upkeep = (last["cpu_ms"] + last["upkeep_cpu_ms"]) / (appends[1]["cpu_ms"] + appends[1]["upkeep_cpu_ms"])
    return [
        _entry(f"an append after {last['batches']:,} batches, times one after {first['batches']}", growth, 1.5),
        _entry(f"the same with upkeep's share, times that after {appends[1]['batches']}", with_upkeep, 1.5),
        _entry("files that a table of as many batches has", last["files"], 100),
        _entry("log lines shipped into a table per second", ship["lines_per_s"], 200_000, at_least=True),
        _entry(f"lines lost or doubled over {kill['kills']} kills -9 of who ships", kill["lost"] + kill["doubled"], 0),
    ]


def _entry(goal: str, measured: float, bar: float, *, at_least: bool = False) -> dict[str, Any]:
    ok = measured >= bar if at_least else measured <= bar
    return {"goal": goal, "measured": measured, "bar": bar, "ok": ok}


def measure_appends(uri: str, batches: int) -> list[dict[str, Any]]:
    """Append to one table, and look after it now and then; give the figures of each size."""
    rows = _rows()
    _append(Table(f"{uri}-warm", KINDS[PREDICTIONS].schema, ("service", "date")), rows, 0)
    table = Table(uri, KINDS[PREDICTIONS].schema, ("service", "date"))
    keeper, done = Upkeep(table), Upkept()
    _append(table, rows, 0)
    wall, cpu, tended, figures = [], [], [], []
    for number in range(1, batches + 1):
        took = _append(table, rows, number)
        wall.append(took[0])
        cpu.append(took[1])
        if number % UPKEEP_EVERY == 0:
            began, began_cpu = time.perf_counter(), time.process_time()
            done += keeper.look(deadline=time.monotonic() + 60)
            tended.append((time.perf_counter() - began, time.process_time() - began_cpu))
        if number in SIZES:
            figures.append({"batches": number, **_figure(wall, cpu, tended), "files": len(table.state()[1])})
            print(figures[-1], flush=True)
    found = table.scan().select(pl.len()).collect().item()
    if found != ROWS * (batches + 1) or table.offsets(["log"]) != {"log": batches}:
        raise SystemExit(f"the table has {found} rows")
    print(done, flush=True)
    return figures


def _figure(wall: list[float], cpu: list[float], tended: list[tuple[float, float]]) -> dict[str, float]:
    recent = tended[-4:]
    share = [sum(each) / (len(recent) * UPKEEP_EVERY) * 1e3 for each in zip(*recent, strict=True)] or [0.0, 0.0]
    return {
        "cpu_ms": statistics.median(cpu[-LAST:]) * 1e3,
        "wall_ms": statistics.median(wall[-LAST:]) * 1e3,
        "slowest_ms": max(wall[-LAST:]) * 1e3,
        "upkeep_wall_ms": share[0],  # of each append
        "upkeep_cpu_ms": share[1],
    }


def _append(table: Table, rows: pl.DataFrame, number: int) -> tuple[float, float]:
    began, began_cpu = time.perf_counter(), time.process_time()
    table.append(rows, {"log": number})
    return time.perf_counter() - began, time.process_time() - began_cpu


def _rows() -> pl.DataFrame:
    """Make the rows of one batch, of today."""
    now = int(time.time() * 1e6)
    data = b"".join(_line(f"0199{number:028x}", number, time_us=now + number) for number in range(ROWS))
    return parse(data, KINDS[PREDICTIONS])[0]


def _line(name: str, number: int, *, time_us: int) -> bytes:
    """Build the line of a request as a server of the housing template writes it: 406 bytes."""
    return prediction_line(
        id=name,
        revision="housing.v1.m2",
        time=time_us,
        status=200,
        duration_ms=1.25,
        kind="production",
        unit=f"customer-{number}",
        experiment="housing.v1.m2",
        arm="challenger",
        instances=b'[{"area":100.0,"rooms":4,"year":1987,"district":"north"}]',
        predictions=b'[{"price":231000.5}]',
    )


def measure_shipping(root: Path, lines: int) -> dict[str, Any]:
    """Ship what some workers wrote, three times; give the median rate."""
    rates, cpu = [], []
    for round_ in range(3):
        lake = Lake(root / str(round_))
        logs = [AppendLog(lake.logs) for _ in range(FILES)]
        for number in range(lines):
            logs[number % FILES].append(_line(f"0199{number:028x}", number, time_us=BEGAN_US + number))
        for log in logs:
            log.close()
        began, began_cpu = time.perf_counter(), time.process_time()
        shipped = lake.ship()
        rates.append(lines / (time.perf_counter() - began))
        cpu.append((time.process_time() - began_cpu) / lines * 1e6)
        if shipped.rows != lines or lake.count() != lines:
            raise SystemExit(f"shipped {shipped.rows} of {lines} lines")
        print(f"shipped {rates[-1]:,.0f} lines per second, {cpu[-1]:.2f} us of a processor each", flush=True)
    return {"lines_per_s": statistics.median(rates), "rates": rates, "cpu_us": statistics.median(cpu), "lines": lines}


def measure_kills(root: Path, kills: int) -> dict[str, Any]:
    """Kill who ships again and again at random moments while others write; count what is lost or there twice."""
    lake = Lake(root)
    lake.logs.mkdir(parents=True)
    command = [sys.executable, "-c", WRITER, str(lake.logs)]
    writers = [
        subprocess.Popen([*command, f"w{number}"], stdout=subprocess.PIPE, text=True) for number in range(WRITERS)
    ]
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", SHIPPER, str(root)], stdout=subprocess.PIPE, text=True) as shipper:
            next(iter(shipper.stdout or ()))  # it is ready
            time.sleep(random.uniform(0, 0.6))
            os.kill(shipper.pid, signal.SIGKILL)
    for writer in writers:
        writer.terminate()
    counts = [int(writer.communicate()[0]) for writer in writers]
    written, in_time = sum(counts), lake.count()
    lake.ship()
    ids = lake.predictions().select("id").collect()["id"]
    expected = {f"w{number}-{each}" for number, count in enumerate(counts) for each in range(count)}
    found = set(ids)
    left = len(list(lake.logs.glob("*.jsonl")))
    if left or lake.count(OUTCOMES) or not found <= expected:
        raise SystemExit(f"{left} log files are left, or there are rows that nobody wrote")
    return {
        "kills": kills,
        "written": written,
        "shipped_in_time": in_time,
        "lost": len(expected - found),
        "doubled": len(ids) - len(found),
        "quarantined": lake.quarantine().select(pl.len()).collect().item(),
    }


if __name__ == "__main__":
    main()
