"""Predictions and outcomes -> the sums of each arm that an A/B decision reads. The engine aggregates, Python does not.

A unit belongs to the arm, and to the stretch of equal traffic split, in which it was first seen; it counts once,
however often it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rung.lake import _units
from rung.stats import Arm, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ArmSums", "Comparison", "OutcomeCounts", "Question", "compare"]

_ARMS: Final = ("incumbent", "challenger")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE: Final = 5_000_000
"""Exposures and outcomes that are summed in one go: bounds the memory to about 300 MB."""
_ALWAYS_DUE: Final = np.iinfo(np.int64).max
"""Time of an outcome that names a prediction: it comes after the exposure, whatever the consumer's clock says."""


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
    requests: int = 0  # production requests that were assigned to the arm
    fallback: int = 0  # of these, answered by the incumbent's revision although assigned to the challenger

    @property
    def coverage(self) -> float:
        """Share of the exposed units that have an outcome."""
        return self.units / self.exposed if self.exposed else 0.0

    @property
    def fallback_share(self) -> float:
        """Share of the requests that the incumbent answered in the challenger's place."""
        return self.fallback / self.requests if self.requests else 0.0

    def arm(self, kind: Kind) -> Arm:
        """Return what the statistics take: the units' means, or for a ratio their totals and counts."""
        if kind == "ratio":
            return Arm(units=self.units, y=self.y, yy=self.yy, yyy=self.yyy, x=self.x, xx=self.xx, xy=self.xy)
        return Arm(units=self.units, y=self.m, yy=self.mm, yyy=self.mmm)

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
        return {arm: ArmSums.total(stratum[arm] for stratum in self.strata) for arm in _ARMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to compare; `Lake.compare` explains the fields."""

    experiment: str
    metric: str
    since: datetime
    splits: tuple[datetime, ...] = ()


def compare(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, question: Question) -> Comparison:
    """Aggregate the tables for the question, a share of the units at a time so that memory stays bounded."""
    requests = _requests(predictions, question)
    traffic = _collect(requests.group_by("stratum", "service", "arm", "revision").agg(count=pl.len()))
    relevant = outcomes.filter(
        pl.col("service").is_in(traffic["service"].unique().to_list()),
        pl.col("date") >= _day(question),
        pl.col("received") >= question.since,
        pl.col("metric") == question.metric,
    )
    total, by_prediction = _collect(relevant.select(pl.len(), pl.col("unit_key").null_count())).row(0)
    shares = _power_of_two(int(traffic["count"].sum() + total) // _ROWS_AT_ONCE)
    splits = np.array([_microseconds(split) for split in question.splits], dtype=np.int64)
    sums = _units.Sums(cells=np.zeros((2 * (splits.size + 1), len(_units.FIELDS))))
    duplicate = 0
    for share in range(shares):
        exposed = requests.filter(pl.col("unit_key") & (shares - 1) == share)
        found = _outcomes(relevant, shares, share)
        if by_prediction:
            found = pl.concat([found, _outcomes_of_predictions(relevant, exposed)])
        rows, repeated = _deduplicate(_collect(found))
        duplicate += repeated
        sums += _units.aggregate(_events(_collect(exposed.select("unit_key", "exposure")), rows), splits)
    counts = OutcomeCounts(
        counted=sums.counted,
        early=sums.early,
        duplicate=duplicate,
        unmatched=total - sums.counted - sums.early - duplicate,
    )
    return Comparison(strata=_strata(sums, traffic), outcomes=counts)


def _requests(predictions: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Select the production requests of the experiment whose unit was assigned to an arm."""
    stratum = pl.sum_horizontal(pl.lit(0), *((pl.col("time") >= split).cast(pl.Int32) for split in question.splits))
    return predictions.filter(
        pl.col("date") >= _day(question),
        pl.col("time") >= question.since,
        pl.col("experiment") == question.experiment,
        pl.col("kind") == "production",
        pl.col("arm").is_in(_ARMS),
        pl.col("unit_key").is_not_null(),
    ).with_columns(
        stratum=stratum, exposure=pl.col("time").to_physical() * 2 + (pl.col("arm") == "challenger").cast(pl.Int64)
    )


def _outcomes(relevant: pl.LazyFrame, shares: int, share: int) -> pl.LazyFrame:
    """Select the outcomes that name a unit of the share."""
    return relevant.filter(pl.col("unit_key") & (shares - 1) == share).select(
        "unit_key", "same_key", pl.coalesce("time", "received").to_physical().alias("time"), "value"
    )


def _outcomes_of_predictions(relevant: pl.LazyFrame, exposed: pl.LazyFrame) -> pl.LazyFrame:
    """Select the outcomes that name no unit, but a prediction that was made for a unit of the share."""
    units = exposed.select("id_key", "unit_key").unique("id_key")
    nameless = relevant.filter(pl.col("unit_key").is_null()).drop("unit_key")
    return nameless.join(units, left_on="prediction_key", right_on="id_key").select(
        "unit_key", "same_key", pl.lit(_ALWAYS_DUE).alias("time"), "value"
    )


def _deduplicate(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Keep the earliest of outcomes that are the same, and return how many were dropped."""
    keys = np.sort(rows["same_key"].to_numpy())
    repeated = int(np.count_nonzero(keys[1:] == keys[:-1]))
    if repeated:
        rows = rows.sort("time", "value").unique("same_key", keep="first", maintain_order=True)
    return rows, repeated


def _events(exposed: pl.DataFrame, outcomes: pl.DataFrame) -> _units.Events:
    return _units.Events(
        exposure_keys=exposed["unit_key"].to_numpy(),
        exposures=exposed["exposure"].to_numpy(),
        outcome_keys=outcomes["unit_key"].to_numpy(),
        outcome_times=outcomes["time"].to_numpy(),
        values=outcomes["value"].to_numpy(),
    )


def _strata(sums: _units.Sums, traffic: pl.DataFrame) -> tuple[dict[str, ArmSums], ...]:
    """Put sums and traffic together, by stratum and arm."""
    home = traffic.filter(pl.col("arm") == "incumbent").group_by("revision").agg(pl.col("count").sum())
    incumbent = next(iter(home.sort("count", "revision", descending=True)["revision"]), "")
    strata = []
    for stratum in range(len(sums.cells) // 2):
        here = traffic.filter(pl.col("stratum") == stratum)
        strata.append(
            {
                arm: _arm_sums(sums.cells[2 * stratum + bit], here.filter(pl.col("arm") == arm), incumbent)
                for bit, arm in enumerate(_ARMS)
            }
        )
    return tuple(strata)


def _arm_sums(cell: _units.Floats, traffic: pl.DataFrame, incumbent: str) -> ArmSums:
    sums = dict(zip(_units.FIELDS, cell.tolist(), strict=True))
    counts = {name: int(sums.pop(name)) for name in ("exposed", "moved", "units")}
    fallback = traffic.filter(pl.col("arm") == "challenger", pl.col("revision") == incumbent)
    return ArmSums(**counts, **sums, requests=int(traffic["count"].sum()), fallback=int(fallback["count"].sum()))


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _day(question: Question) -> date:
    return question.since.astimezone(UTC).date()


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _power_of_two(parts: int) -> int:
    """Return the smallest power of two that is greater: shares are told apart by a key's lowest bits."""
    return 1 << parts.bit_length()
