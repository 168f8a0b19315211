"""Write pipelines for the tools that need one definition per task. Pure; called by `catalogue.py`."""

from __future__ import annotations

import itertools

__all__ = ["dvc_chain", "dvc_real", "hamilton_chain", "metaflow_chain"]


def metaflow_chain(tasks: int) -> str:
    """Give the source of a Metaflow flow of `tasks` steps, at least two: Metaflow wants `start` and `end`."""
    names = ["start", *(f"task_{number}" for number in range(1, tasks - 1)), "end"]
    steps = [_metaflow_step(name, after) for name, after in zip(names, [*names[1:], ""], strict=True)]
    return (
        "from metaflow import FlowSpec, Parameter, step\n\n\n"
        'class ChainFlow(FlowSpec):\n    seed = Parameter("seed", type=int, required=True)\n\n'
        + "\n".join(steps)
        + '\n\nif __name__ == "__main__":\n    ChainFlow()\n'
    )


def hamilton_chain(tasks: int) -> str:
    """Give the source of a module of `tasks` Hamilton functions."""
    names = ["seed", *(f"task_{number}" for number in range(tasks))]
    return "\n\n".join(
        f"def {name}({taken}: int) -> int:\n    return {taken} + 1\n" for taken, name in itertools.pairwise(names)
    )


def dvc_chain(tasks: int) -> str:
    """Give a `dvc.yaml` of `tasks` stages, each a process of its own, as DVC has it."""
    return _dvc_yaml(
        [
            _dvc_stage(f"task_{number}", f"dvc_stage.py noop {number}", [f"task_{number - 1}"] if number else [])
            for number in range(tasks)
        ]
    )


def dvc_real() -> str:
    """Give the `dvc.yaml` of the real pipeline."""
    stages = [
        _dvc_stage("load_rows", "dvc_stage.py load_rows", []),
        _dvc_stage("split_rows", "dvc_stage.py split_rows", ["load_rows"]),
        _dvc_stage("fit_forest", "dvc_stage.py fit_forest", ["split_rows"], seeded=True),
        _dvc_stage("score", "dvc_stage.py score", ["split_rows", "fit_forest"]),
    ]
    return _dvc_yaml(stages) + "    metrics:\n    - figures.json:\n        cache: false\n"


def _metaflow_step(name: str, after: str) -> str:
    taken = "seed" if name == "start" else "value"
    passed_on = f"        self.next(self.{after})\n" if after else ""
    return f"    @step\n    def {name}(self):\n        self.value = self.{taken} + 1\n{passed_on}"


def _dvc_yaml(stages: list[str]) -> str:
    return "stages:\n" + "".join(stages)


def _dvc_stage(name: str, command: str, takes: list[str], *, seeded: bool = False) -> str:
    inputs = "".join(f"    - kept/{taken}.pickle\n" for taken in takes)
    parameters = "    params:\n    - seed\n" if seeded or not takes else ""
    return (
        f"  {name}:\n    cmd: python {command}\n    deps:\n    - dvc_stage.py\n    - workload.py\n{inputs}"
        f"{parameters}    outs:\n    - kept/{name}.pickle\n"
    )
