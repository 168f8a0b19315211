"""Predictions and outcomes -> the sums of each arm that an A/B decision reads. The engine aggregates, Python does not.

A unit belongs to the arm, and to the stretch of equal traffic split, in which it was first seen; it counts once,
however often it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rung.lake import _units
from rung.lake._facts import ARMS
from rung.stats import Arm, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rung.lake._ledger import Total

__all__ = ["FEWEST_COVERED", "ArmSums", "Comparison", "OutcomeCounts", "compare"]

FEWEST_COVERED: Final = 100
"""Units with a measurement from before the experiment that a covariate needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSums:
    """Sums over the units of one arm that have an outcome: of a unit, x counts its outcomes and y adds them up."""

    exposed: int = 0  # units that were assigned, with or without an outcome: for the sample-ratio check
    moved: int = 0  # of these, units that were seen under the other arm later: the split changed
    units: int = 0  # of the exposed, units with an outcome: the sums are over these
    y: float = 0.0
    yy: float = 0.0
    yyy: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    m: float = 0.0  # m is y / x, the unit's mean
    mm: float = 0.0
    mmm: float = 0.0
    covered: int = 0  # of the units with an outcome, units with a covariate z of their own; the others have its mean
    z: float = 0.0
    zz: float = 0.0
    yz: float = 0.0
    xz: float = 0.0
    mz: float = 0.0
    requests: int = 0  # production requests that were assigned to the arm
    fallback: int = 0  # of these, answered in the arm's place: by the incumbent's revision, or another than that

    @property
    def coverage(self) -> float:
        """Share of the exposed units that have an outcome."""
        return self.units / self.exposed if self.exposed else 0.0

    @property
    def fallback_share(self) -> float:
        """Share of the requests that another answered in the arm's place."""
        return self.fallback / self.requests if self.requests else 0.0

    def arm(self, kind: Kind) -> Arm:
        """Return what the statistics take: the units' means, or for a ratio their totals and counts."""
        z = {"z": self.z, "zz": self.zz}
        if kind == "ratio":
            totals = {"y": self.y, "yy": self.yy, "yyy": self.yyy, "x": self.x, "xx": self.xx, "xy": self.xy}
            return Arm(units=self.units, **totals, **z, yz=self.yz, xz=self.xz)
        return Arm(units=self.units, y=self.m, yy=self.mm, yyy=self.mmm, **z, yz=self.mz)

    @classmethod
    def total(cls, parts: Iterable[ArmSums]) -> ArmSums:
        """Add up the sums of disjoint units."""
        parts = list(parts)
        return cls(**{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(cls)})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCounts:
    """What became of the service's outcomes of the metric that came in since the experiment began."""

    counted: int = 0  # in the sums
    early: int = 0  # from before the first exposure of their unit
    duplicate: int = 0  # sent again
    unmatched: int = 0  # their unit or prediction is not in the experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One experiment, one metric."""

    strata: tuple[dict[str, ArmSums], ...]  # by stretch of equal traffic split, each with `challenger`, `incumbent`
    outcomes: OutcomeCounts

    @property
    def arms(self) -> dict[str, ArmSums]:
        """The sums of each arm over all strata."""
        return {arm: ArmSums.total(stratum[arm] for stratum in self.strata) for arm in ARMS}


def compare(total: Total) -> Comparison:
    """Tell the arms apart in what a ledger adds up to."""
    sums = total.sums
    counts = OutcomeCounts(
        counted=sums.counted,
        early=sums.early,
        duplicate=sums.duplicate,
        unmatched=total.received - sums.counted - sums.early - sums.duplicate,
    )
    return Comparison(strata=_strata(_filled(sums.cells), total.traffic), outcomes=counts)


def _filled(cells: _units.Floats) -> _units.Floats:
    """Give the units without a covariate the mean of all that have one, so that they add nothing.

    With fewer units than `FEWEST_COVERED` the covariate is left out.
    """
    column = {name: cells[:, number].copy() for number, name in enumerate(_units.FIELDS)}
    covered = column["covered"].sum()
    mean = column["z"].sum() / covered if covered >= FEWEST_COVERED else 0.0
    used = float(covered >= FEWEST_COVERED)
    without = column["units"] - column["covered"]
    column["zz"] = used * column["zz"] + mean**2 * without
    column["z"] = used * column["z"] + mean * without
    for name in ("y", "x", "m"):
        column[f"{name}z"] = used * column[f"{name}z"] + mean * (column[name] - column[f"{name}c"])
    column["covered"] = used * column["covered"]
    return np.stack([column[name] for name in _units.FIELDS], axis=1)


def _strata(sums: _units.Floats, traffic: pl.DataFrame) -> tuple[dict[str, ArmSums], ...]:
    """Put sums and traffic together, by stratum and arm."""
    home = traffic.filter(pl.col("challenger") == 0).group_by("minor").agg(pl.col("count").sum())
    incumbent = next(iter(home.sort("count", "minor", descending=True)["minor"]), -1)
    is_away = (pl.col("challenger") == 1) == (pl.col("minor") == incumbent)
    away = pl.col("count").filter(is_away).sum()
    counts = traffic.group_by("stratum", "challenger").agg(pl.col("count").sum(), away.alias("away"))
    requests = {(stratum, bit): (count, fallback) for stratum, bit, count, fallback in counts.iter_rows()}
    return tuple(
        {arm: _arm_sums(sums[2 * stratum + bit], *requests.get((stratum, bit), (0, 0))) for bit, arm in enumerate(ARMS)}
        for stratum in range(len(sums) // 2)
    )


def _arm_sums(cell: _units.Floats, requests: int, fallback: int) -> ArmSums:
    sums = dict(zip(_units.FIELDS, cell.tolist(), strict=True))
    counts = {name: round(sums.pop(name)) for name in ("exposed", "moved", "units", "covered")}
    kept = {name: value for name, value in sums.items() if name not in {"yc", "xc", "mc"}}
    return ArmSums(**counts, **kept, requests=requests, fallback=fallback)
