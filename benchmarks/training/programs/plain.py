"""Plain Python with joblib: what a careful person writes without a tool. `plain.py noop TASKS SEED` or `real SEED`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import joblib
import workload


def keep(folder: Path, name: str, value: Any) -> Any:
    """Store one task's output and pass it on."""
    joblib.dump(value, folder / f"{name}.joblib")
    return value


def noop(tasks: int, seed: int) -> None:
    """Run a chain of no-op tasks."""
    folder = Path("runs", f"noop-{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    value = seed
    for number in range(tasks):
        value = keep(folder, f"task_{number}", value + 1)


def real(seed: int) -> None:
    """Run the real pipeline."""
    folder = Path("runs", f"real-{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    rows = keep(folder, "load_rows", workload.load_rows(seed))
    parts = keep(folder, "split_rows", workload.split_rows(rows))
    forest = keep(folder, "fit_forest", workload.fit_forest(parts, seed))
    figures = keep(folder, "score", workload.score(parts, forest))
    (folder / "figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "noop":
        noop(int(sys.argv[2]), int(sys.argv[3]))
    else:
        real(int(sys.argv[2]))
