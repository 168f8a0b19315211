"""A point-in-time join of 100,000 entities with 500,000 rows of 5 features, beside Feast.

    python benchmarks/data/join.py [--alone]

Each runs in a process of its own, from Parquet files to a frame in memory; its peak of memory is that of the whole
process, libraries included. Feast has an environment of its own (`peers/feast.txt`): it needs an older pandas. Both
must find the same rows. Writes build/bench/join.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from report import keep, peer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENTITIES, ROWS, FEATURES = 100_000, 500_000, 5
ROUNDS = 3
BARS = {
    "seconds": ("point-in-time join of 100,000 entities x 500,000 rows x 5 features, s", 1.0),
    "peak_mb": ("peak memory of the whole process, MB", 300.0),
}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="without Feast, whose environment takes minutes to make")
    parser.add_argument("--join", type=Path, help="only join what lies in this folder, and print what it took")
    arguments = parser.parse_args()
    if arguments.join is not None:
        print(json.dumps(join(arguments.join)))
        return
    figures = measure(with_peer=not arguments.alone)
    entries = judged(figures)
    for who, found in figures.items():
        told = f"{found['found']:,} rows found, {found['rows']:,} given back"
        print(f"{who:8}{found['seconds']:8.2f} s{found['peak_mb']:8,.0f} MB  {told}")
    keep("join", entries, figures)


def goals() -> list[dict[str, Any]]:
    """Measure, and hold the figures against their bars."""
    return judged(measure(with_peer=False))


def judged(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Hold Rung's figures against their bars."""
    own = figures["rung"]
    return [
        {"goal": goal, "measured": own[name], "bar": bar, "ok": own[name] <= bar} for name, (goal, bar) in BARS.items()
    ]


def measure(*, with_peer: bool = True) -> dict[str, dict[str, Any]]:
    """Join with each, in turns: the round with the median time, its peak of memory, and what was found."""
    with tempfile.TemporaryDirectory(prefix="rung-join-") as name:
        folder = Path(name)
        lay(folder)
        commands = {"rung": [sys.executable, str(Path(__file__).resolve()), "--join", str(folder)]}
        if with_peer:
            commands["feast"] = [str(peer("feast")), str(HERE / "peers" / "feast_join.py"), str(folder)]
        runs: dict[str, list[dict[str, Any]]] = {who: [] for who in commands}
        for _ in range(ROUNDS):
            for who, command in commands.items():
                ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
                runs[who].append(json.loads(ended.stdout.splitlines()[-1]))
    figures = {who: sorted(found, key=lambda one: one["seconds"])[len(found) // 2] for who, found in runs.items()}
    for found in figures.values():
        same = found["found"] == figures["rung"]["found"] and abs(found["sum"] - figures["rung"]["sum"]) < 1e-6
        assert same, f"they do not find the same rows: {figures}"  # noqa: S101
    return figures


def lay(folder: Path) -> None:
    """Write rows and spine, in a process of its own: what it takes to make them is nobody's memory."""
    words = [sys.executable, "-c", f"import join, pathlib; join.write(pathlib.Path({str(folder)!r}))"]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(HERE)})


def write(folder: Path) -> None:
    """Write the dataset, the same rows as one file, and the spine."""
    import numpy as np  # noqa: PLC0415  in the process that writes
    import polars as pl  # noqa: PLC0415

    from rung.data import Append, Catalogue  # noqa: PLC0415

    draw = np.random.default_rng(7)
    span_us = 365 * 86_400 * 1_000_000
    instant = pl.Datetime("us", "UTC")
    begin_us = 1_735_689_600_000_000

    def times(count: int) -> pl.Series:
        return pl.Series(begin_us + draw.integers(0, span_us, count)).cast(instant)

    rows = pl.DataFrame(
        {
            "house": draw.integers(0, ENTITIES, ROWS),
            "known": times(ROWS),
            **{f"f{number}": draw.normal(size=ROWS) for number in range(FEATURES)},
        }
    )
    rows.write_parquet(folder / "rows.parquet")
    Catalogue(folder / "datasets").write("houses", rows, how=Append())
    pl.DataFrame({"house": np.arange(ENTITIES), "time": times(ENTITIES)}).write_parquet(folder / "spine.parquet")


def join(folder: Path) -> dict[str, Any]:
    """Join once, and tell what it took."""
    from datetime import timedelta  # noqa: PLC0415

    import polars as pl  # noqa: PLC0415  the process that measures must not have its memory

    from rung.data import Catalogue, Dataset, reading_from  # noqa: PLC0415
    from rung.features import Feature, FeatureView  # noqa: PLC0415

    view = FeatureView(
        name="stats",
        entity="house",
        source=Dataset("houses"),
        time="known",
        ttl=timedelta(days=3650),
        features={f"f{number}": Feature(float) for number in range(FEATURES)},
    )
    spine = pl.read_parquet(folder / "spine.parquet")
    with reading_from(Catalogue(folder / "datasets")):
        began = time.perf_counter()
        joined = view.join(spine)
        seconds = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    found = joined.height - joined["f0"].null_count()
    return {"seconds": seconds, "peak_mb": peak_mb, "rows": joined.height, "found": found, "sum": joined["f0"].sum()}


if __name__ == "__main__":
    main()
