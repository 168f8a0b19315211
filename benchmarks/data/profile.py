"""The statistics of a million rows of twenty mixed columns, beside what others say of them.

    python benchmarks/data/profile.py [--alone] [--rows 1000000]

Each runs in a process of its own, from a Parquet file to figures in memory (Rung and ydata-profiling: to JSON); its
peak of memory is that of the whole process, libraries included. `polars.describe` says far less: count, mean, deviation
and quartiles. ydata-profiling, in its quickest form, says about as much; it has an environment of its own
(`peers/ydata.txt`), because it needs an older pandas. A contract of ten rules is measured too: all rows at once, and a
batch of 64 as while serving. Writes build/bench/profile.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import keep, peer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROUNDS = 3
BATCH = 64
BARS = {
    "seconds": ("profile of 1,000,000 rows x 20 columns, from Parquet to JSON, s", 3.0),
    "check_s": ("contract of 10 rules on 1,000,000 rows, s", 0.5),
    "check_us": ("the same contract while serving, microseconds per instance", 10.0),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="without ydata-profiling, which takes minutes")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--run", nargs=2, metavar=("WHAT", "FILE"), help="only run this, and print what it took")
    arguments = parser.parse_args()
    if arguments.run is not None:
        what, file = arguments.run
        print(json.dumps({"rung": profiled, "polars.describe": described, "contract": checked}[what](Path(file))))
        return
    figures = measure(arguments.rows, with_peer=not arguments.alone)
    entries = judged(figures)
    for who, found in figures.items():
        print(f"{who:18}" + "  ".join(f"{name} {figure:,.2f}" for name, figure in found.items()))
    keep("profile", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure(with_peer=False))


def judged(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold Rung's figures against their bars."""
    measured = figures["contract"] | figures["rung"]
    return [
        {"goal": goal, "measured": measured[name], "bar": bar, "ok": measured[name] <= bar}
        for name, (goal, bar) in BARS.items()
    ]


def measure(rows: int = 1_000_000, *, with_peer: bool = True) -> dict[str, dict[str, Any]]:
    """Run each several times, in turn; give the run of the median time of each."""
    with tempfile.TemporaryDirectory(prefix="rung-profile-") as folder:
        file = Path(folder, "rows.parquet")
        words = [sys.executable, "-c", f"import profile_rows; profile_rows.write({str(file)!r}, {rows})"]
        subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(HERE)})
        own = [sys.executable, str(Path(__file__)), "--run"]
        commands = {what: [*own, what, str(file)] for what in ("rung", "polars.describe", "contract")}
        if with_peer:
            commands["ydata-profiling"] = [str(peer("ydata")), str(HERE / "peers" / "ydata_profile.py"), str(file)]
        runs: dict[str, list[dict[str, Any]]] = {who: [] for who in commands}
        for turn in range(ROUNDS):
            for who, command in commands.items():
                if who == "ydata-profiling" and turn:
                    continue  # once is enough of what takes so long
                ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
                runs[who].append(json.loads(ended.stdout.splitlines()[-1]))
    figures = {who: sorted(found, key=lambda one: one["seconds"])[len(found) // 2] for who, found in runs.items()}
    if with_peer:
        assert figures["rung"]["nulls"] == figures["ydata-profiling"]["nulls"], figures  # noqa: S101
    return figures


def profiled(file: Path) -> dict[str, Any]:
    """Profile once, and tell what it took."""
    import polars as pl  # noqa: PLC0415  its import is not measured, as those of the others

    from rung.data.profile import profile  # noqa: PLC0415

    began = time.perf_counter()
    found = profile(pl.scan_parquet(file))
    told = json.dumps(found.to_json(), allow_nan=False)
    return _took(began) | {
        "columns": len(found.columns),
        "nulls": found.columns["n0"].nulls,
        "json_kb": len(told) / 1e3,
    }


def described(file: Path) -> dict[str, Any]:
    """Describe once, and tell what it took."""
    import polars as pl  # noqa: PLC0415  as above

    began = time.perf_counter()
    found = pl.read_parquet(file).describe()
    return _took(began) | {"columns": found.width - 1}


def checked(file: Path) -> dict[str, Any]:
    """Hold all rows against a contract, and then batches as while serving."""
    import polars as pl  # noqa: PLC0415  as above
    from profile_rows import Row  # noqa: PLC0415

    from rung.data import check, check_rows  # noqa: PLC0415

    rows = pl.read_parquet(file)
    began = time.perf_counter()
    found = check(rows, Row)
    figures = _took(began)
    assert found.refused == 0, found.bad.head()  # noqa: S101
    batch = rows.head(BATCH).to_dicts()
    times = []
    for _ in range(300):
        begin = time.perf_counter()
        check_rows(batch, Row)
        times.append(time.perf_counter() - begin)
    return figures | {"check_s": figures["seconds"], "check_us": statistics.median(times) / BATCH * 1e6}


def _took(began: float) -> dict[str, Any]:
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


if __name__ == "__main__":
    main()
