"""Turn timings into figures, goals and a table. Pure; called by `run.py`, which measures and writes.

A figure that compares a program with plain Python is taken within each round and then its median over the rounds:
both ran within the same minutes, so a machine that is busy for a while does not favour one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["AGAIN", "LONG", "REAL", "SHORT", "Figures", "Goal", "Row", "goals", "markdown", "quietness", "summarise"]

SHORT, LONG, REAL, AGAIN = "chain of 10", "chain of 100", "real pipeline", "real pipeline again"
FURTHER_TASKS = 90  # that LONG has over SHORT
HEAD = (
    "program",
    "version",
    "10 tasks, s",
    "x plain",
    "x plain, CPU",
    "ms per further task",
    "real pipeline, s over plain",
    "again, s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is said of one program; None is what was not measured."""

    short: float | None = None  # seconds of ten no-op tasks, whole process
    short_ratio: float | None = None  # of those seconds to plain Python's
    further_task: float | None = None  # milliseconds for each further no-op task
    real_over_plain: float | None = None  # seconds of the real pipeline over plain Python's
    again: float | None = None  # seconds of the real pipeline, run again unchanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One program in the table."""

    title: str
    version: str
    cached: bool
    wall: Figures
    cpu: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One promise, and whether it is kept; `measured` and `ok` are None where nothing was measured."""

    goal: str
    measured: float | None
    bar: float
    ok: bool | None


def summarise(runs: Mapping[str, Sequence[float]], plain: Mapping[str, Sequence[float]]) -> Figures:
    """Give the medians of a program's seconds, `workload -> one number for each round`, beside plain Python's.

    >>> rounds = {"chain of 10": [0.3, 0.5], "chain of 100": [0.48, 0.68]}
    >>> figures = summarise(rounds, {"chain of 10": [0.2, 0.2]})
    >>> round(figures.short_ratio, 3), round(figures.further_task, 3), figures.again
    (2.0, 2.0, None)
    """
    return Figures(
        short=_median(runs.get(SHORT, ())),
        short_ratio=_paired(runs.get(SHORT, ()), plain.get(SHORT, ()), lambda own, other: own / other),
        further_task=_paired(runs.get(LONG, ()), runs.get(SHORT, ()), lambda a, b: 1000 * (a - b) / FURTHER_TASKS),
        real_over_plain=_paired(runs.get(REAL, ()), plain.get(REAL, ()), lambda own, other: own - other),
        again=_median(runs.get(AGAIN, ())),
    )


def goals(rung: Figures, *, help_ratio: float | None, deployment: float | None) -> list[Goal]:
    """Hold Rung's figures against what it promises.

    Args:
        rung: Wall times.
        help_ratio: CPU time of `rung --help` as a multiple of `python -c pass`.
        deployment: Seconds of a deployment with a known lock, to its first answer.
    """
    return [
        _goal("10 no-op tasks, times plain Python", rung.short_ratio, 2.0),
        _goal("each further no-op task, ms", rung.further_task, 1.0),
        _goal("real pipeline, s over plain Python", rung.real_over_plain, 0.3),
        _goal("real pipeline again unchanged, s", rung.again, 0.6),
        _goal("`rung --help`, times the CPU of `python -c pass`", help_ratio, 10.0),
        _goal("deployment with a known lock to its first answer, s", deployment, 5.0),
    ]


def markdown(rows: Sequence[Row], promises: Sequence[Goal], failures: Sequence[str] = ()) -> str:
    """Write the table of programs, the table of goals, and what could not be run."""
    lines = [
        f"| {' | '.join(HEAD)} |",
        f"|---|---|{'---:|' * (len(HEAD) - 2)}",
        *(_line(row) for row in rows),
        "",
        "| goal | measured | at most | |",
        "|---|---:|---:|---|",
        *(f"| {goal.goal} | {_number(goal.measured)} | {goal.bar:g} | {_word(goal.ok)} |" for goal in promises),
    ]
    if failures:
        lines += ["", "Could not be installed or run:", "", *(f"- {failure}" for failure in failures)]
    return "\n".join(lines) + "\n"


def quietness(load: float | None, processors: int) -> str:
    """Say how busy the machine was: the median load average, to which the timed process itself adds about one."""
    if load is None:
        return "Nothing was timed.\n"
    busy = load > processors
    advice = "wall times are too long; trust the CPU times, or measure again" if busy else "it was quiet enough"
    return f"Load average while measuring: {load:.1f} on {processors} processors: {advice}.\n"


def _goal(goal: str, measured: float | None, bar: float) -> Goal:
    return Goal(goal=goal, measured=measured, bar=bar, ok=None if measured is None else measured <= bar)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _paired(values: Sequence[float], others: Sequence[float], compare: Callable[[float, float], float]) -> float | None:
    return _median([compare(value, other) for value, other in zip(values, others, strict=False)])


def _line(row: Row) -> str:
    wall = row.wall
    again = _number(wall.again) if row.cached else "no cache"
    cells = (wall.short, wall.short_ratio, row.cpu.short_ratio, wall.further_task, wall.real_over_plain)
    return f"| {row.title} | {row.version} | {' | '.join(_number(cell) for cell in cells)} | {again} |"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _word(ok: bool | None) -> str:  # noqa: FBT001 - it is the value that is worded
    return {True: "kept", False: "missed", None: "not measured"}[ok]
