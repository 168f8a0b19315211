"""Predictions and outcomes -> the sums of each arm that an A/B decision reads. The engine aggregates, Python does not.

A unit belongs to the arm, and to the stretch of equal traffic split, in which it was first seen; it counts once,
however often it comes back.
"""

from __future__ import annotations

import operator
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rung.lake import _units
from rung.lake._spill import SHARES, Spill
from rung.stats import Arm, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["ArmSums", "Comparison", "OutcomeCounts", "Question", "compare"]

_ARMS: Final = ("incumbent", "challenger")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WORKERS: Final = 4
"""Shares that are summed at once: of ten million units each takes about 60 MB."""


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


def compare(predictions: Sequence[pl.LazyFrame], outcomes: Sequence[pl.LazyFrame], question: Question) -> Comparison:
    """Aggregate the parts of both tables for the question, in bounded memory.

    One part after the other is dealt out to shares of the units; then each share is summed on its own.
    """
    requests = [_requests(part, question) for part in predictions]
    with closing(Spill(2)) as exposed, closing(Spill(4)) as measured:
        traffic = _deal_requests(requests, exposed)
        relevant = [_relevant(part, traffic["service"].unique().to_list(), question) for part in outcomes]
        received = _deal_outcomes(relevant, requests, measured)
        splits = np.array([_microseconds(split) for split in question.splits], dtype=np.int64)
        sums = _summarize(exposed, measured, splits)
    unmatched = received - sums.counted - sums.early - sums.duplicate
    counts = OutcomeCounts(counted=sums.counted, early=sums.early, duplicate=sums.duplicate, unmatched=unmatched)
    return Comparison(strata=_strata(sums.cells, traffic), outcomes=counts)


def _requests(predictions: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Select the production requests of the experiment whose unit was assigned to an arm."""
    stratum = pl.sum_horizontal(pl.lit(0), *((pl.col("time") >= split).cast(pl.Int32) for split in question.splits))
    challenger = (pl.col("arm") == "challenger").cast(pl.Int64)
    return predictions.filter(
        pl.col("date") >= _day(question),
        pl.col("time") >= question.since,
        pl.col("experiment") == question.experiment,
        pl.col("kind") == "production",
        pl.col("arm").is_in(_ARMS),
        pl.col("unit_key").is_not_null(),
    ).with_columns(stratum=stratum, challenger=challenger, exposure=pl.col("time").to_physical() * 2 + challenger)


def _deal_requests(requests: Sequence[pl.LazyFrame], exposed: Spill) -> pl.DataFrame:
    """Deal exposures out, and count the requests by stratum, arm and the revision that answered."""
    groups = ("service", "stratum", "challenger", "minor")
    schema = pl.Schema({"service": pl.String(), **dict.fromkeys(groups[1:], pl.Int64()), "count": pl.Int64()})
    traffic = [schema.to_frame()]
    for rows in _one_ahead([part.select("unit_key", "exposure", *groups) for part in requests]):
        exposed.add(*_columns(rows, "unit_key", "exposure"))
        traffic.append(rows.group_by(groups).agg(count=pl.len()).cast(schema))
    return pl.concat(traffic)


def _relevant(outcomes: pl.LazyFrame, services: list[str], question: Question) -> pl.LazyFrame:
    """Select the outcomes that can belong to the experiment."""
    return outcomes.filter(
        pl.col("service").is_in(services),
        pl.col("date") >= _day(question),
        pl.col("received") >= question.since,
        pl.col("metric") == question.metric,
    ).select(
        "unit_key",
        "prediction_key",
        "same_key",
        pl.coalesce("time", "received").to_physical().alias("time"),
        "value",
    )


def _deal_outcomes(relevant: Sequence[pl.LazyFrame], requests: Sequence[pl.LazyFrame], measured: Spill) -> int:
    """Deal outcomes out by unit: the one that they name, or else that of the prediction. Return how many there are."""
    has_unit = pl.col("unit_key").is_not_null()
    with closing(Spill(4)) as by_prediction:
        for rows in _one_ahead(relevant):
            measured.add(*_columns(rows.filter(has_unit), "unit_key", "same_key", "time", "value"))
            by_prediction.add(*_columns(rows.filter(~has_unit), "prediction_key", "same_key", "time", "value"))
        received = measured.rows + by_prediction.rows
        if by_prediction.rows:
            _find_units(by_prediction, requests, measured)
    return received


def _find_units(by_prediction: Spill, requests: Sequence[pl.LazyFrame], measured: Spill) -> None:
    """Deal outcomes that name a prediction out again, by the unit that it was made for.

    They come after their prediction, whatever the consumer's clock says.
    """
    columns = ("id_key", "unit_key", "exposure")
    with closing(Spill(3)) as owners:
        for rows in _one_ahead([part.select(columns) for part in requests]):
            owners.add(*_columns(rows, *columns))
        for share in range(SHARES):
            predictions, units, moments = owners.take(share)
            named, same, times, values = by_prediction.take(share)
            order = _units.sort_order(predictions)
            places = _units.find(predictions[order], named)
            known = places >= 0
            owner = order[places[known]]
            measured.add(units[owner], same[known], np.maximum(times[known], moments[owner] >> 1), values[known])


def _summarize(exposed: Spill, measured: Spill, splits: _units.Ints) -> _units.Sums:
    """Sum each share, several at once: numpy sorts without holding the interpreter's lock."""

    def summarize(share: int) -> _units.Sums:
        units, moments = exposed.take(share)
        owners, same, times, values = measured.take(share)
        outcomes = _units.Outcomes(units=owners, same=same, times=times, values=values.view(np.float64))
        return _units.summarize(_units.Exposures(units=units, moments=moments), outcomes, splits)

    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        return reduce(operator.add, pool.map(summarize, range(SHARES)))


def _one_ahead(parts: Sequence[pl.LazyFrame]) -> Iterator[pl.DataFrame]:
    """Yield each part's rows, while the next part is being read."""
    with ThreadPoolExecutor(1) as pool:
        coming = [pool.submit(_collect, part) for part in parts[:1]]
        for part in parts[1:]:
            rows = coming.pop().result()
            coming.append(pool.submit(_collect, part))
            yield rows
        if coming:
            yield coming.pop().result()


def _columns(frame: pl.DataFrame, *names: str) -> list[NDArray[Any]]:
    return [frame[name].to_numpy() for name in names]


def _strata(sums: _units.Floats, traffic: pl.DataFrame) -> tuple[dict[str, ArmSums], ...]:
    """Put sums and traffic together, by stratum and arm."""
    home = traffic.filter(pl.col("challenger") == 0).group_by("minor").agg(pl.col("count").sum())
    incumbent = next(iter(home.sort("count", "minor", descending=True)["minor"]), -1)
    away = pl.col("count").filter((pl.col("challenger") == 1) & (pl.col("minor") == incumbent)).sum()
    counts = traffic.group_by("stratum", "challenger").agg(pl.col("count").sum(), away.alias("away"))
    requests = {(stratum, bit): (count, fallback) for stratum, bit, count, fallback in counts.iter_rows()}
    return tuple(
        {
            arm: _arm_sums(sums[2 * stratum + bit], *requests.get((stratum, bit), (0, 0)))
            for bit, arm in enumerate(_ARMS)
        }
        for stratum in range(len(sums) // 2)
    )


def _arm_sums(cell: _units.Floats, requests: int, fallback: int) -> ArmSums:
    sums = dict(zip(_units.FIELDS, cell.tolist(), strict=True))
    counts = {name: int(sums.pop(name)) for name in ("exposed", "moved", "units")}
    return ArmSums(**counts, **sums, requests=requests, fallback=fallback)


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _day(question: Question) -> date:
    return question.since.astimezone(UTC).date()


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
