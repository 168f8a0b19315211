"""Turn counted requests into ratios, goals and tables. Pure; called by `run.py`, which measures and writes.

A ratio of two servers is taken within each round and then its median over the rounds: both ran within the same
minutes, so a machine that is busy for a while does not favour one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ADDED_MS",
    "CONNECTIONS",
    "GatewayRow",
    "Goal",
    "Key",
    "Row",
    "best_of",
    "gateway_goal",
    "gateway_markdown",
    "goals_markdown",
    "peer_goals",
    "ratio",
    "ratio_goals",
    "servers_markdown",
    "spread",
]

Key = tuple[str, int, int]
"""Server, instances in one request, connections."""

CONNECTIONS = (1, 16, 64)
ADDED_MS = 0.25
"""The most that the gateway may add to the median latency at c = 1, milliseconds."""

HEAD = ("c = 1, requests/s", "c = 16", "c = 64", "c = 64, p99 ms", "spread")
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One promise, and whether it is kept; `measured` and `ok` are None where nothing was measured."""

    goal: str
    measured: float | None
    bar: float
    ok: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One server in the table."""

    name: str
    title: str
    version: str
    sizes: tuple[int, ...]  # instances in one request that it was measured with


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRow:
    """One way through the gateway."""

    title: str
    p50_ms: Sequence[float]  # one for each round
    added_ms: Sequence[float]  # to the median latency of the server asked directly, in the same round


def ratio(rates: Mapping[Key, Sequence[float]], own: Key, other: Key) -> float | None:
    """Give how many times the requests per second of `other` the server `own` answers; None when one was not measured.

    >>> ratio({("a", 1, 1): [30.0, 44.0, 20.0], ("b", 1, 1): [10.0, 11.0, 10.0]}, ("a", 1, 1), ("b", 1, 1))
    3.0
    """
    pairs = list(zip(rates.get(own, ()), rates.get(other, ()), strict=False))
    return median(mine / theirs for mine, theirs in pairs) if pairs else None


def spread(values: Sequence[float]) -> float:
    """Give how far the rounds lie apart, as a share of their median.

    >>> spread([95.0, 100.0, 105.0])
    0.1
    """
    return (max(values) - min(values)) / median(values)


def ratio_goals(
    rates: Mapping[Key, Sequence[float]], baselines: Mapping[str, tuple[str, str, Sequence[float]]]
) -> list[Goal]:
    """Hold Rung against plain FastAPI, with one instance in a request.

    Args:
        rates: Requests per second, one for each round.
        baselines: Of each promise: Rung's server, the baseline, the least ratio at each of `CONNECTIONS`.
    """
    return [
        _at_least(f"{promise}, c = {c}, times FastAPI", ratio(rates, (own, 1, c), (other, 1, c)), bar)
        for promise, (own, other, bars) in baselines.items()
        for c, bar in zip(CONNECTIONS, bars, strict=True)
    ]


def best_of(rates: Mapping[Key, Sequence[float]], names: Sequence[str], instances: int, c: int) -> str | None:
    """Name the configuration with the most requests per second at this load; None when none was measured."""
    measured = [name for name in names if rates.get((name, instances, c))]
    return max(measured, key=lambda name: median(rates[name, instances, c]), default=None)


def peer_goals(
    rates: Mapping[Key, Sequence[float]], own: str, peers: Mapping[str, Sequence[str]], sizes: Sequence[int]
) -> list[Goal]:
    """Hold Rung against each peer's best configuration at each load.

    Args:
        rates: Requests per second, one for each round.
        own: Rung's server.
        peers: Each tool's configurations.
        sizes: Instances in one request.
    """
    return [
        _at_least(
            f"ahead of {tool}, {_instances(size)}, c = {c}, times its best",
            None if best is None else ratio(rates, (own, size, c), (best, size, c)),
            1.0,
        )
        for tool, names in peers.items()
        for size in sizes
        for c in CONNECTIONS
        for best in [best_of(rates, names, size, c)]
    ]


def gateway_goal(rows: Sequence[GatewayRow]) -> Goal:
    """Hold what the gateway adds, as Rung configures it, against what it may: the first row."""
    added = median(rows[0].added_ms) if rows and rows[0].added_ms else None
    ok = None if added is None else added <= ADDED_MS
    return Goal(goal="added by the gateway at c = 1, ms", measured=added, bar=ADDED_MS, ok=ok)


def servers_markdown(
    rows: Sequence[Row], rates: Mapping[Key, Sequence[float]], p99: Mapping[Key, Sequence[float]], instances: int
) -> str:
    """Write the table of servers for requests of so many instances."""
    lines = [
        f"| {_instances(instances)} in a request | version | {' | '.join(HEAD)} |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        keys = [(row.name, instances, c) for c in CONNECTIONS]
        if instances not in row.sizes:
            continue
        cells = [f"{median(rates[key]):,.0f}" if rates.get(key) else NOT_MEASURED for key in keys]
        slow = f"{median(p99[keys[-1]]):,.1f}" if p99.get(keys[-1]) else NOT_MEASURED
        apart = [spread(rates[key]) for key in keys if rates.get(key)]
        widest = f"{max(apart):.0%}" if apart else NOT_MEASURED
        lines.append(f"| {row.title} | {row.version} | {' | '.join(cells)} | {slow} | {widest} |")
    return "\n".join(lines) + "\n"


def goals_markdown(goals: Sequence[Goal]) -> str:
    """Write the table of goals."""
    lines = ["| goal | measured | bar | |", "|---|---:|---:|---|"]
    lines += [f"| {goal.goal} | {_number(goal.measured)} | {goal.bar:g} | {_word(goal.ok)} |" for goal in goals]
    return "\n".join(lines) + "\n"


def gateway_markdown(rows: Sequence[GatewayRow]) -> str:
    """Write the table of ways through the gateway."""
    lines = ["| through the gateway, c = 1 | median latency, ms | added, ms |", "|---|---:|---:|"]
    for row in rows:
        cells = [f"{median(values):.3f}" if values else NOT_MEASURED for values in (row.p50_ms, row.added_ms)]
        lines.append(f"| {row.title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _at_least(promise: str, measured: float | None, bar: float) -> Goal:
    return Goal(goal=promise, measured=measured, bar=bar, ok=None if measured is None else measured >= bar)


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


def _number(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.2f}"


def _word(ok: bool | None) -> str:  # noqa: FBT001 - it is the value that is worded
    return {True: "kept", False: "missed", None: NOT_MEASURED}[ok]
