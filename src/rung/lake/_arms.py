"""Predictions and outcomes -> the sums of each arm that an A/B decision reads. The engine aggregates, Python does not.

A unit belongs to the arm, and to the stretch of equal traffic split, in which it was first seen; it counts once,
however often it comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rung.lake import _units
from rung.stats import Arm, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["ArmSums", "Comparison", "OutcomeCounts", "Question", "compare"]

_ARMS: Final = ("incumbent", "challenger")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_ROWS: Final = 1_000_000
"""Rows that are taken from a table in one go."""
_END: Final = np.iinfo(np.int64).max
"""The end of time."""


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
    """Aggregate the tables for the question: exposures at once, outcomes batch by batch, so that memory is bounded."""
    requests = _requests(predictions, question)
    services = _collect(requests.select("service").head(1))["service"].to_list()
    relevant = _relevant(outcomes, services, question)
    total, names_predictions = _collect(relevant.select(pl.len(), pl.col("prediction_key").count())).row(0)
    repeated, again = _repeated(relevant)
    units = _units.Units(map(_columns, _batches(requests.select("unit_key", "exposure"))))
    owners = _Owners(requests) if names_predictions else None
    counted = early = 0
    for batch in _once(relevant, repeated):
        for rows in _by_unit(batch, owners):
            more, before = units.add(*rows)
            counted += more
            early += before
    counts = OutcomeCounts(counted=counted, early=early, duplicate=again, unmatched=total - counted - early - again)
    splits = np.array([_microseconds(split) for split in question.splits], dtype=np.int64)
    traffic = _collect(requests.group_by("stratum", "challenger", "minor").agg(count=pl.len()))
    return Comparison(strata=_strata(units.sums(splits), traffic), outcomes=counts)


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


def _repeated(relevant: pl.LazyFrame) -> tuple[pl.Series, int]:
    """Return the keys of outcomes that were sent more than once, and how many are superfluous."""
    keys = np.sort(_collect(relevant.select("same_key"))["same_key"].to_numpy())
    again = keys[1:][keys[1:] == keys[:-1]]
    return pl.Series(np.unique(again), dtype=pl.Int64), again.size


def _once(relevant: pl.LazyFrame, repeated: pl.Series) -> Iterator[pl.DataFrame]:
    """Yield each outcome once, of those that are the same the earliest."""
    if repeated.len():
        same = pl.col("same_key").is_in(repeated.implode())
        several = _collect(relevant.filter(same)).sort("time", "value")
        yield several.unique("same_key", keep="first", maintain_order=True)
        relevant = relevant.filter(~same)
    yield from _batches(relevant.drop("same_key"))


class _Owners:
    """The unit of each prediction of an experiment."""

    def __init__(self, requests: pl.LazyFrame) -> None:
        predictions, units = _columns(_collect(requests.select("id_key", "unit_key")))
        order = _units.sort_order(predictions)
        self._predictions, self._units = predictions[order], units[order]

    def find(self, predictions: _units.Ints) -> tuple[NDArray[np.bool_], _units.Ints]:
        """Tell which predictions are known, and return the units of these."""
        places = _units.find(self._predictions, predictions)
        known = places >= 0
        return known, self._units[places[known]]


def _by_unit(batch: pl.DataFrame, owners: _Owners | None) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield unit, time and value of outcomes that name a unit, then of those that name a prediction.

    The latter come after their unit's exposure, whatever the consumer's clock says.
    """
    if owners is None:
        yield _columns(batch.select("unit_key", "time", "value"))
        return
    named = pl.col("unit_key").is_not_null()
    yield _columns(batch.filter(named).select("unit_key", "time", "value"))
    nameless = batch.filter(~named).sort("prediction_key")
    known, units = owners.find(nameless["prediction_key"].to_numpy())
    yield units, np.full(units.size, _END), nameless["value"].to_numpy()[known]


def _columns(frame: pl.DataFrame) -> tuple[NDArray[Any], ...]:
    return tuple(column.to_numpy() for column in frame)


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


def _batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    return frame.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=False, engine="streaming")


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _day(question: Question) -> date:
    return question.since.astimezone(UTC).date()


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
