"""The work as Prefect flows, results persisted and cached. `prefect_flow.py noop TASKS SEED` or `real SEED`."""

from __future__ import annotations

import sys
from typing import Any

import workload
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import INPUTS, TASK_SOURCE

keeping = task(persist_result=True, cache_policy=INPUTS + TASK_SOURCE)


@keeping
def add_one(value: int) -> int:
    """Do nothing of note."""
    return value + 1


@keeping
def load_rows(seed: int) -> dict[str, Any]:
    """Make the rows."""
    return workload.load_rows(seed)


@keeping
def split_rows(rows: dict[str, Any]) -> dict[str, Any]:
    """Hold some rows out."""
    return workload.split_rows(rows)


@keeping
def fit_forest(parts: dict[str, Any], seed: int) -> Any:
    """Fit the forest."""
    return workload.fit_forest(parts, seed)


@keeping
def score(parts: dict[str, Any], forest: Any) -> dict[str, float]:
    """Score the forest and log its figures: a table is Prefect's nearest thing to metrics."""
    figures = workload.score(parts, forest)
    create_table_artifact([{"figure": name, "value": value} for name, value in figures.items()], key="figures")
    return figures


@flow
def noop(tasks: int, seed: int) -> None:
    """Run a chain of no-op tasks."""
    value = seed
    for _ in range(tasks):
        value = add_one(value)


@flow
def real(seed: int) -> None:
    """Run the real pipeline."""
    parts = split_rows(load_rows(seed))
    score(parts, fit_forest(parts, seed))


if __name__ == "__main__":
    if sys.argv[1] == "noop":
        noop(int(sys.argv[2]), int(sys.argv[3]))
    else:
        real(int(sys.argv[2]))
