"""An ingest of 1,000,000 rows of 20 columns, whole: hashed, read, checked, written, read back, measured.

    python benchmarks/data/ingest.py [--rows 1000000]

Each ingest runs in a process of its own. Its peak of memory is that of the whole process, libraries included, without
the pages of files, which the kernel takes back when it likes. `eight` has eight times the rows, more than are in memory
at once. `again` is the same file once more, `changed` the file with 1 % of its rows changed, by their key. Writes
build/bench/ingest.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from report import keep

from rung.data import Catalogue, ingest

ROWS = 1_000_000
ROUNDS = 3
seen = [0.0]
"""Memory of this process so far, MB."""
BARS = {
    "csv": ("ingest of 1,000,000 rows of 20 columns from CSV, statistics included, s", 5.0),
    "parquet": ("ingest of 1,000,000 rows of 20 columns from Parquet, statistics included, s", 5.0),
    "memory": ("peak memory of an ingest of 8,000,000 rows of 20 columns, a CSV of 1.3 GB, MB", 1_000.0),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--ingest", nargs=3, help="only ingest this source into this catalogue, with this key or none")
    arguments = parser.parse_args()
    if arguments.ingest is not None:
        print(json.dumps(once(*arguments.ingest)))
        return
    figures = measure(arguments.rows)
    entries = judged(figures)
    for name, found in figures.items():
        told = f"{found['seconds']:8.2f} s{found['cpu_s']:8.2f} s of processors{found['peak_mb']:8,.0f} MB"
        print(f"{name:10}{told}  {found['read']:,} rows read, {found['written']:,} written")
    keep("ingest", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure())


def judged(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold figures against their bars."""
    found = {name: figures[name]["seconds"] for name in ("csv", "parquet")}
    found["memory"] = figures["eight"]["peak_mb"]
    return [
        {"goal": goal, "measured": found[name], "bar": bar, "ok": found[name] <= bar}
        for name, (goal, bar) in BARS.items()
    ]


def measure(rows: int = ROWS) -> dict[str, dict[str, Any]]:
    """Ingest each source; the best of some rounds where the catalogue can be new each time."""
    with tempfile.TemporaryDirectory(prefix="rung-ingest-") as name:
        folder = Path(name)
        make(folder, rows)
        figures = {
            kind: min(
                (in_process(folder / f"sales.{kind}", folder / f"{kind}{number}") for number in range(ROUNDS)),
                key=lambda found: float(found["seconds"]),
            )
            for kind in ("csv", "parquet")
        }
        figures["eight"] = in_process(folder / "eight.csv", folder / "eight")
        in_process(folder / "sales.csv", folder / "keyed", key="id")
        figures["again"] = in_process(folder / "sales.csv", folder / "keyed")
        figures["changed"] = in_process(folder / "changed.csv", folder / "keyed")
    return figures


def make(folder: Path, rows: int) -> None:
    """Write the sources: numbers, whole numbers, words of few and of many kinds, days, instants, truths."""
    draw = np.random.default_rng(20261121)
    columns: dict[str, Any] = {"id": np.arange(rows)}
    columns |= {f"amount_{number}": draw.normal(100 * number, 10, rows).round(3) for number in range(9)}
    columns |= {f"count_{number}": draw.integers(0, 10 ** (number + 1), rows) for number in range(5)}
    columns["city"] = draw.choice([f"city {number}" for number in range(50)], rows)
    columns["name"] = [f"name {number % 5_000}" for number in range(rows)]
    columns["is_new"] = draw.random(rows) < 0.3
    days = pl.Series(draw.integers(0, 10_000, rows), dtype=pl.Int32).cast(pl.Date)
    instants = datetime(2026, 1, 1, tzinfo=UTC) + pl.duration(seconds=pl.col("id"))
    frame = pl.DataFrame(columns).with_columns(sold=days, at=instants)
    assert frame.width == 20, frame.columns  # noqa: S101  what the goal says
    frame.write_csv(folder / "sales.csv")
    frame.write_parquet(folder / "sales.parquet")
    is_drawn = pl.col("id") % 100 == 7
    frame.with_columns(amount_0=pl.when(is_drawn).then(0.5).otherwise("amount_0")).write_csv(folder / "changed.csv")
    with (folder / "eight.csv").open("wb") as eight:
        for number in range(8):
            frame.write_csv(eight, include_header=number == 0)


def watch() -> None:
    """Look at this process's own memory, fifty times a second."""
    while True:
        lines = Path("/proc/self/status").read_text().splitlines()
        seen.append(next(int(line.split()[1]) / 1_000 for line in lines if line.startswith("RssAnon")))
        time.sleep(0.02)


def in_process(source: Path, catalogue: Path, key: str = "") -> dict[str, Any]:
    """Ingest in a process of its own."""
    command = [sys.executable, __file__, "--ingest", str(source), str(catalogue), key]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def once(source: str, root: str, key: str) -> dict[str, Any]:
    """Ingest, and tell what it took; importing the libraries is not counted in seconds."""
    catalogue = Catalogue(root)
    threading.Thread(target=watch, daemon=True).start()
    began = time.perf_counter()
    done = ingest(source, name="sales", catalogue=catalogue, key=[key] if key else [])
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "cpu_s": used.ru_utime + used.ru_stime,  # of the whole process
        "peak_mb": max(seen),
        "read": done.read,
        "written": done.added + done.changed,
    }


if __name__ == "__main__":
    main()
