"""The work as ZenML pipelines on the local stack, cached. `zenml_pipeline.py noop TASKS SEED` or `real SEED`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import workload
from zenml import log_metadata, pipeline, step


@step
def add_one(value: int) -> int:
    """Do nothing of note."""
    return value + 1


@step
def load_rows(seed: int) -> Annotated[dict[str, Any], "rows"]:
    """Make the rows."""
    return workload.load_rows(seed)


@step
def split_rows(rows: dict[str, Any]) -> Annotated[dict[str, Any], "parts"]:
    """Hold some rows out."""
    return workload.split_rows(rows)


@step
def fit_forest(parts: dict[str, Any], seed: int) -> Annotated[Any, "forest"]:
    """Fit the forest."""
    return workload.fit_forest(parts, seed)


@step
def score(parts: dict[str, Any], forest: Any) -> Annotated[dict[str, float], "figures"]:
    """Score the forest and log its figures."""
    figures = workload.score(parts, forest)
    log_metadata(metadata=figures)
    return figures


@pipeline
def noop(tasks: int, seed: int) -> None:
    """Run a chain of no-op tasks."""
    value = seed
    for _ in range(tasks):
        value = add_one(value)


@pipeline
def real(seed: int) -> None:
    """Run the real pipeline."""
    parts = split_rows(load_rows(seed))
    score(parts, fit_forest(parts, seed))


if __name__ == "__main__":
    if sys.argv[1] == "noop":
        noop(tasks=int(sys.argv[2]), seed=int(sys.argv[3]))
    else:
        real(seed=int(sys.argv[2]))
