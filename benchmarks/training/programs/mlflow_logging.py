"""Plain Python, logged by MLflow into sqlite and a folder. `mlflow_logging.py noop TASKS SEED` or `real SEED`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import mlflow
import workload


def keep(folder: str, name: str, value: Any) -> Any:
    """Store one task's output as an artifact of the run and pass it on."""
    path = Path(folder, f"{name}.joblib")
    joblib.dump(value, path)
    mlflow.log_artifact(str(path))
    return value


def noop(tasks: int, seed: int, folder: str) -> None:
    """Run a chain of no-op tasks."""
    value = seed
    for number in range(tasks):
        value = keep(folder, f"task_{number}", value + 1)


def real(seed: int, folder: str) -> None:
    """Run the real pipeline."""
    rows = keep(folder, "load_rows", workload.load_rows(seed))
    parts = keep(folder, "split_rows", workload.split_rows(rows))
    forest = keep(folder, "fit_forest", workload.fit_forest(parts, seed))
    mlflow.log_metrics(keep(folder, "score", workload.score(parts, forest)))


if __name__ == "__main__":
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("bench")
    with mlflow.start_run(), TemporaryDirectory() as scratch:
        mlflow.log_param("seed", int(sys.argv[-1]))
        if sys.argv[1] == "noop":
            noop(int(sys.argv[2]), int(sys.argv[3]), scratch)
        else:
            real(int(sys.argv[2]), scratch)
