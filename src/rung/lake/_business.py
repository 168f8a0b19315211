"""Business metrics of every revision, whether an experiment runs or not: what came of the predictions of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import polars as pl

from rung.lake import _attribution, _requests

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Measured", "Traffic", "measure", "traffic", "units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric of one revision, over all production so far."""

    revision: str
    metric: str
    units: int  # with an outcome, each counted once
    outcomes: int
    mean: float  # of the units' means
    standard_error: float | None  # of the mean; None for a single unit
    latest: datetime  # instant of the newest outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The production requests of a major since an instant."""

    units: int = 0  # distinct ones
    first: datetime | None = None  # instant of the first request; None without any

    def units_per_second(self, now: datetime) -> float:
        """Tell how many distinct units came in a second, from the first request until now."""
        return self.units / max((now - self.first).total_seconds(), 1.0) if self.first else 0.0


def measure(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, *, service: str, major: int) -> list[Measured]:
    """Give each outcome to the revision that made the prediction, and average.

    An outcome that names a prediction belongs to who made it; one that names a unit, to who answered that unit last
    before it. Outcomes that were sent twice count once. What shadows and replays answered belongs to nobody.
    """
    told = _attribution.once(outcomes.filter(pl.col("service") == service))
    found = (
        _attribution.attribute(told, _answered(predictions, service, major), ["revision"])
        .group_by("revision", "metric", "unit")
        .agg(pl.col("value").mean(), pl.len(), pl.col("at").max())
        .group_by("revision", "metric")
        .agg(
            units=pl.len(),
            outcomes=pl.col("len").sum(),
            mean=pl.col("value").mean(),
            standard_error=pl.col("value").std() / pl.len().sqrt(),
            latest=pl.col("at").max(),
        )
    )
    rows = found.sort("revision", "metric").collect(engine="streaming")
    return [Measured(**row) for row in rows.iter_rows(named=True)]


def units(
    predictions: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    major: tuple[str, int],
    *,
    metric: str,
    since: datetime,
    most: int,
) -> pl.DataFrame:
    """Sum the outcomes of each unit; `Lake.units` explains the rest."""
    recent = pl.col("date") >= since.astimezone(UTC).date()
    answers = _answered(predictions, *major).filter(recent)
    told = _attribution.once(outcomes.filter(pl.col("service") == major[0], recent, pl.col("metric") == metric))
    by_unit = (
        _attribution.attribute(told, answers, [])
        .group_by("unit")
        .agg(total=pl.col("value").sum(), mean=pl.col("value").mean(), outcomes=pl.len(), first=pl.col("at").min())
    )
    return by_unit.top_k(most, by=["first", "unit"]).collect(engine="streaming")


def traffic(predictions: pl.LazyFrame, service: str, major: int, *, since: datetime) -> Traffic:
    """Count the units of production; `Lake.traffic` explains the rest."""
    rows = predictions.filter(
        pl.col("service") == service,
        pl.col("date") >= since.astimezone(UTC).date(),
        pl.col("time") >= since,
        pl.col("major") == major,
        _requests.PRODUCTION,
        pl.col("unit_key").is_not_null(),
    )
    found = rows.select(units=pl.col("unit_key").n_unique(), first=pl.col("time").min())
    return Traffic(**found.collect(engine="streaming").row(0, named=True))


def _answered(predictions: pl.LazyFrame, service: str, major: int) -> pl.LazyFrame:
    return predictions.filter(
        pl.col("service") == service, pl.col("major") == major, _requests.PRODUCTION, _requests.ANSWERED
    )
