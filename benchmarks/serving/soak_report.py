"""Say from samples whether memory stayed flat, and describe latencies. Pure; called by `soak.py`.

Memory is flat when no worker's resident memory grew by a byte for each request that it answered, after the first two
minutes: the smallest thing that Python can keep of a request, a place in a list, takes eight. The slope is that of
Theil and Sen (the median of the slopes between all pairs of samples; P. K. Sen, 1968), which one step of the allocator
or one late sample does not move.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BYTES_PER_REQUEST",
    "Goal",
    "Growth",
    "Sample",
    "goals",
    "growth",
    "markdown",
    "percentiles",
    "slope",
]

SETTLED_S = 120.0
"""Seconds after which memory must be flat: caches are full, threads and connections are there."""

WATCHED_S = 300.0
"""Seconds that memory must be watched from then on; in less, one page more or less decides."""

BYTES_PER_REQUEST = 1.0
"""The most that a worker may grow by, for each request that it answers."""

MOST_POINTS = 400  # of a slope: all their pairs are looked at
PERCENTILES = (50, 90, 99, 99.9)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A worker at one moment."""

    seconds: float  # since the load began
    rss_bytes: int  # resident memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a worker's memory went on after it had settled."""

    first_mib: float
    last_mib: float
    mib_per_hour: float
    bytes_per_request: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One promise, and whether it is kept; None where too little was measured."""

    goal: str
    measured: float | None
    bar: float
    ok: bool | None


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Give the slope of Theil and Sen through points (x, y); 0 without two different x.

    >>> slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0), (4.0, 100.0)])
    2.0
    """
    step = math.ceil(len(points) / MOST_POINTS) or 1
    pairs = itertools.combinations(points[::step], 2)
    slopes = [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs if later[0] != earlier[0]]
    return median(slopes) if slopes else 0.0


def growth(
    samples: Sequence[Sample], *, requests_per_s: float, settled_s: float = SETTLED_S, watched_s: float = WATCHED_S
) -> Growth | None:
    """Describe one worker's memory; None when it was not watched for long enough after it had settled.

    Args:
        samples: In the order of time.
        requests_per_s: That this worker answered.
        settled_s: Seconds; samples before are left out.
        watched_s: Seconds between the first and the last sample that is left, at least.
    """
    settled = [sample for sample in samples if sample.seconds >= settled_s]
    if not settled or settled[-1].seconds - settled[0].seconds < watched_s:
        return None
    bytes_per_s = slope([(sample.seconds, float(sample.rss_bytes)) for sample in settled])
    return Growth(
        first_mib=settled[0].rss_bytes / MIB,
        last_mib=settled[-1].rss_bytes / MIB,
        mib_per_hour=bytes_per_s * 3600 / MIB,
        bytes_per_request=bytes_per_s / requests_per_s,
    )


def percentiles(latencies_ms: Sequence[float]) -> dict[str, float]:
    """Give the nearest-rank percentiles and the longest.

    >>> percentiles([4.0, 1.0, 3.0, 2.0])["p50"]
    2.0
    """
    ordered = sorted(latencies_ms)
    if not ordered:
        return {}
    found = {f"p{share:g}": ordered[max(math.ceil(share * len(ordered) / 100), 1) - 1] for share in PERCENTILES}
    return found | {"longest": ordered[-1]}


def goals(*, errors: int, unlogged: int, workers: Mapping[int, Growth | None]) -> list[Goal]:
    """Hold what was measured against what is promised.

    Args:
        errors: Requests without a right answer.
        unlogged: Answers that are not in the prediction log.
        workers: Each worker's growth, by pid.
    """
    known = [one for one in workers.values() if one is not None]
    worst = max((one.bytes_per_request for one in known), default=None)
    flat = None if worst is None else worst < BYTES_PER_REQUEST
    return [
        Goal(goal="errors", measured=errors, bar=0, ok=errors == 0),
        Goal(goal="answers that are not in the log", measured=unlogged, bar=0, ok=unlogged == 0),
        Goal(goal="memory flat: bytes a request, worst worker", measured=worst, bar=BYTES_PER_REQUEST, ok=flat),
    ]


def markdown(promises: Sequence[Goal], workers: Mapping[int, Growth | None], latencies: Mapping[str, float]) -> str:
    """Write the tables of goals, of workers and of latencies."""
    word = {True: "kept", False: "missed", None: "not measured"}
    lines = ["| goal | measured | bar | |", "|---|---:|---:|---|"]
    lines += [
        f"| {goal.goal} | {'not measured' if goal.measured is None else f'{goal.measured:.2f}'} | {goal.bar:g} "
        f"| {word[goal.ok]} |"
        for goal in promises
    ]
    lines += ["", "| worker | MiB after 2 minutes | MiB at the end | MiB an hour |", "|---|---:|---:|---:|"]
    lines += [
        f"| {number} | {one.first_mib:.1f} | {one.last_mib:.1f} | {one.mib_per_hour:+.2f} |"
        for number, one in enumerate(workers.values(), start=1)
        if one is not None
    ]
    if latencies:
        lines += ["", f"| {' | '.join(f'{name}, ms' for name in latencies)} |", "|---:" * len(latencies) + "|"]
        lines += [f"| {' | '.join(f'{value:.2f}' for value in latencies.values())} |"]
    return "\n".join(lines) + "\n"
