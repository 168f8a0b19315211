"""Where are the first limits on the way to internet scale? Computed from the unit costs that the others measured. Pure.

    python benchmarks/scale/estimate.py build/bench/scale.json

Called by `run.py`. Nothing here was run at that size: every figure is a unit cost times a count, and the document that
shows it says so (docs/scale.md).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_S = 86_400
FULL = 0.7
"""Of a processor that may be busy on average: the rest is for peaks, and for what is lost when a machine is."""
CORES = 16  # of one gateway or node
TICK_S = 1.0
"""So long a look of the control plane may take."""
CHANGE_S = 10.0
"""So long a gateway may take to take a change: the deadline of `Gateway.apply`."""
REPORTS_PER_S = 2.0  # of each gateway
KEPT_DAYS = 90  # rows, unless `log.keep_days` says otherwise
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What one of each costs; processor time in seconds, sizes in bytes."""

    gateway_cpu_s: float  # a request
    server_cpu_s: float  # a request, with its line in the log
    ship_cpu_s: float  # a row
    log_bytes: float  # a line, before it is shipped
    row_bytes: float  # a row in a table
    revision_memory_bytes: float  # its server
    routed_memory_bytes: float  # a revision, at each gateway
    checks_cpu: float  # processors that the health checks of a revision keep busy, at each gateway
    change_s: float  # of a change of routes, for each revision that is routed
    tick_cpu_s: float  # of a look, for each revision that is served

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Units:
        """Take them from what was measured."""
        costs, routes, ticks = figures["costs"], figures["routes"], figures["ticks"]
        own = ("gateway_cpu_s", "server_cpu_s", "ship_cpu_s", "log_bytes", "row_bytes", "revision_memory_bytes")
        return cls(
            **{name: float(costs[name]) for name in own},
            routed_memory_bytes=routes["memory_bytes_each"],
            checks_cpu=routes["idle_cpu_each"],
            change_s=routes["change_s_each"],
            tick_cpu_s=ticks["cpu_s_each"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How large it shall be."""

    revisions: int = 10_000  # that are served
    requests_per_s: float = 1e6
    rows_per_day: float = 1e9  # of predictions that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What it takes."""

    gateways: int  # of `CORES` processors each
    gateway_memory_gib: float  # of each, for the routes
    gateway_checks_cores: float  # of each, for health checks
    server_cores: float
    server_memory_gib: float  # with one server for each revision
    nodes: int  # of `CORES` processors each, for these cores
    ship_cores: float
    log_mib_per_s: float  # of all servers together
    table_gib_per_day: float
    table_tib_kept: float
    tick_s: float
    change_s: float
    reports_per_s: float  # of all gateways, at the control plane


def needed(units: Units, wanted: Wanted) -> Needed:
    """Say what it takes to be so large, if each cost goes on growing as it was seen to."""
    checks = units.checks_cpu * wanted.revisions
    room = CORES * FULL - checks
    gateways = math.ceil(wanted.requests_per_s * units.gateway_cpu_s / room) if room > 0 else 0
    rows_per_s = wanted.rows_per_day / DAY_S
    table = units.row_bytes * wanted.rows_per_day
    server_cores = wanted.requests_per_s * units.server_cpu_s / FULL
    return Needed(
        gateways=gateways,
        gateway_memory_gib=units.routed_memory_bytes * wanted.revisions / GIB,
        gateway_checks_cores=checks,
        server_cores=server_cores,
        server_memory_gib=units.revision_memory_bytes * wanted.revisions / GIB,
        nodes=math.ceil(server_cores / CORES),
        ship_cores=rows_per_s * units.ship_cpu_s / FULL,
        log_mib_per_s=rows_per_s * units.log_bytes / (1 << 20),
        table_gib_per_day=table / GIB,
        table_tib_kept=table * KEPT_DAYS / (GIB * 1024),
        tick_s=units.tick_cpu_s * wanted.revisions,
        change_s=units.change_s * wanted.revisions,
        reports_per_s=gateways * REPORTS_PER_S,
    )


def limits(units: Units) -> dict[str, float]:
    """Say at which size each single part, of which there is one, has its limit; the lowest comes first."""
    found = {
        "revisions served, before a look takes longer than a second": TICK_S / units.tick_cpu_s,
        "revisions routed, before a change takes longer than its deadline": CHANGE_S / units.change_s,
        "rows a day, before one process that ships is full": DAY_S * FULL / units.ship_cpu_s,
        f"requests a second, before one gateway of {CORES} processors is full": CORES * FULL / units.gateway_cpu_s,
    }
    return dict(sorted(found.items(), key=lambda one: one[1]))


def measure(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Compute what the goal takes, and the limits of what there is one of."""
    units = Units.of(figures)
    return {
        "units": asdict(units),
        "wanted": asdict(Wanted()),
        "needed": asdict(needed(units, Wanted())),
        "limits": limits(units),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", type=Path, help="build/bench/scale.json")
    print(json.dumps(measure(json.loads(parser.parse_args().measured.read_text())["figures"]), indent=1))
