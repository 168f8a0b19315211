"""The work as Kedro pipelines, registered under their names: `kedro run --pipeline noop_10 --params seed=1`."""

from __future__ import annotations

import itertools

import workload
from kedro.pipeline import Pipeline, node, pipeline


def add_one(value: int) -> int:
    """Do nothing of note."""
    return value + 1


def noop(tasks: int) -> Pipeline:
    """Chain no-op tasks."""
    names = ["params:seed", *(f"task_{number}" for number in range(tasks))]
    return pipeline([node(add_one, taken, given, name=given) for taken, given in itertools.pairwise(names)])


def real() -> Pipeline:
    """Chain the tasks of the real pipeline."""
    return pipeline(
        [
            node(workload.load_rows, "params:seed", "rows"),
            node(workload.split_rows, "rows", "parts"),
            node(workload.fit_forest, ["parts", "params:seed"], "forest"),
            node(workload.score, ["parts", "forest"], "figures"),
        ]
    )


def register_pipelines() -> dict[str, Pipeline]:
    """Name the pipelines, as Kedro asks a project to."""
    return {"__default__": real(), "noop_10": noop(10), "noop_100": noop(100)}
