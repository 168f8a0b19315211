"""One stage of a DVC pipeline, a process of its own: `dvc_stage.py noop NUMBER` or `dvc_stage.py TASK`."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import workload


def load(name: str) -> Any:
    """Read what an earlier stage stored."""
    with Path("kept", f"{name}.pickle").open("rb") as file:
        return pickle.load(file)  # noqa: S301 - written by the stage before


def keep(name: str, value: Any) -> None:
    """Store this stage's output."""
    Path("kept").mkdir(exist_ok=True)
    with Path("kept", f"{name}.pickle").open("wb") as file:
        pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)


def seed() -> int:
    """Read the seed from params.yaml, whose only line is `seed: NUMBER`."""
    return int(Path("params.yaml").read_text(encoding="utf-8").split(":")[1])


def noop(number: int) -> None:
    """Run one task of the chain."""
    keep(f"task_{number}", (load(f"task_{number - 1}") if number else seed()) + 1)


def real(task: str) -> None:
    """Run one task of the real pipeline."""
    if task == "load_rows":
        keep(task, workload.load_rows(seed()))
    elif task == "split_rows":
        keep(task, workload.split_rows(load("load_rows")))
    elif task == "fit_forest":
        keep(task, workload.fit_forest(load("split_rows"), seed()))
    else:
        figures = workload.score(load("split_rows"), load("fit_forest"))
        keep(task, figures)
        Path("figures.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "noop":
        noop(int(sys.argv[2]))
    else:
        real(sys.argv[1])
