"""What a training costs that does nothing: only what is needed is imported, and little is done for each task."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Place

_HEAVY = ("numpy", "fastapi", "starlette", "sklearn", "sqlalchemy", "alembic", "polars", "httpx2", "asyncio", "pytest")

_IMPORTED = """
import json, sys
from experiments.toy.train.main import experiment
experiment.run(quiet=True)
experiment.save()
print(json.dumps(sorted(sys.modules)))
"""


def chain(tasks: int) -> str:
    """Text of a training whose tasks do nothing."""
    lines = ["from rung.training import Experiment, TestResults", "def task_0() -> int:", "    return 0"]
    for number in range(1, tasks - 1):
        lines += [f"def task_{number}(task_{number - 1}: int) -> int:", f"    return task_{number - 1} + 1"]
    lines += [
        f"def evaluate(task_{tasks - 2}: int) -> TestResults:",
        "    return TestResults(rows=1, data=(), regression=(), example={})",
        f"experiment = Experiment({', '.join(f'task_{number}' for number in range(tasks - 1))}, evaluate)",
        "if __name__ == '__main__':",
        "    experiment.run(quiet=True)",
        "    experiment.save()",
    ]
    return "\n".join(lines) + "\n"


def test_nothing_heavy_is_imported(place: Place):
    place.service("toy", chain(10))
    ended = place.python("-c", _IMPORTED)
    assert ended.returncode == 0, ended.stderr
    assert set(json.loads(ended.stdout)) & set(_HEAVY) == set()


def cpu_seconds(place: Place, service: str) -> float:
    """Least of five, of the whole process: the machine has other work."""
    found = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", f"experiments.{service}.train.main"], cwd=place.root, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def test_200_tasks_cost_less_than_the_start(place: Place):
    """About 0.6 ms each and 240 ms, on a quiet machine; on a busy one both grow."""
    place.service("short", chain(10))
    place.service("long", chain(210))
    for service in ("short", "long"):
        cpu_seconds(place, service)  # to the caches
    for service in ("short", "long"):
        place.edit(f"experiments/{service}/train/main.py", "quiet=True", "quiet=True, use_cache=False")
    start = cpu_seconds(place, "short")
    assert cpu_seconds(place, "long") - start < start
