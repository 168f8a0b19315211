"""What differs between two runs, from their records: `rung runs compare` and the dashboard tell it alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.training.learning import learning_curves

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Compared", "compared"]

_PLAIN = ("commit", "patch", "environment", "requirements", "seed")
_GROUPS = ("hyperparameters", "overrides", "metrics")
_PARTS = ("closure", "data", "digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One thing, of each run."""

    what: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """The runs are not all the same in it."""
        return any(value != self.values[0] for value in self.values[1:])


def compared(records: Sequence[Mapping[str, Any]]) -> list[Compared]:
    """Put records of runs side by side: settings, code, data, environment, outputs and metrics.

    >>> record = {"commit": "a", "patch": None, "environment": "", "requirements": None, "seed": 0, "tasks": [],
    ...           "hyperparameters": {"depth": 3}, "overrides": {}, "metrics": {"error": 0.2}}
    >>> [one.what for one in compared([record, {**record, "metrics": {"error": 0.1}}]) if one.differs]
    ['metrics.error']
    """
    rows = [Compared(what=name, values=tuple(record[name] for record in records)) for name in _PLAIN]
    for group in _GROUPS:
        names = sorted({name for record in records for name in record[group]})
        rows += [
            Compared(what=f"{group}.{name}", values=tuple(record[group].get(name) for record in records))
            for name in names
        ]
    tasks = [{task["name"]: task for task in record["tasks"]} for record in records]
    for name in dict.fromkeys(name for found in tasks for name in found):
        rows += [
            Compared(what=f"{name} {part}", values=tuple(found.get(name, {}).get(part) for found in tasks))
            for part in _PARTS
        ]
    return [*rows, *_reported(records)]


def _reported(records: Sequence[Mapping[str, Any]]) -> list[Compared]:
    """Put what tasks reported last side by side."""
    last = [{one.task: one.points[-1][1] for one in learning_curves(record)} for record in records]
    return [
        Compared(what=f"{task} reported last", values=tuple(found.get(task) for found in last))
        for task in dict.fromkeys(task for found in last for task in found)
    ]
