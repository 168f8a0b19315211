"""Business metrics of every revision, whether an experiment runs or not: what came of the predictions of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Measured", "measure"]

_FIRST_ERROR = 400


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


def measure(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, *, service: str, major: int) -> list[Measured]:
    """Give each outcome to the revision that made the prediction, and average.

    An outcome that names a prediction belongs to who made it; one that names a unit, to who answered that unit last
    before it. Outcomes that were sent twice count once.
    """
    served = predictions.filter(
        pl.col("service") == service,
        pl.col("major") == major,
        pl.col("kind") == "production",
        pl.col("status") < _FIRST_ERROR,
    )
    told = (
        outcomes.filter(pl.col("service") == service)
        .unique("same_key", keep="first")
        .select("metric", "value", "unit_key", "prediction_key", at=pl.coalesce("time", "received"))
        .sort("at")
    )
    by_prediction = told.filter(pl.col("prediction_key").is_not_null()).join(
        served.select("id_key", "revision"), left_on="prediction_key", right_on="id_key"
    )
    by_unit = (
        told.filter(pl.col("prediction_key").is_null())
        .join_asof(
            served.select("unit_key", "revision", answered="time").sort("answered"),
            left_on="at",
            right_on="answered",
            by="unit_key",
            check_sortedness=False,  # both sides are sorted just above
        )
        .filter(pl.col("revision").is_not_null())
    )
    columns: list[Any] = ["revision", "metric", "value", "at", pl.coalesce("unit_key", "prediction_key").alias("unit")]
    units = pl.concat([by_prediction.select(columns), by_unit.select(columns)])
    means = units.group_by("revision", "metric", "unit").agg(pl.col("value").mean(), pl.len(), pl.col("at").max())
    found = means.group_by("revision", "metric").agg(
        units=pl.len(),
        outcomes=pl.col("len").sum(),
        mean=pl.col("value").mean(),
        standard_error=pl.col("value").std() / pl.len().sqrt(),
        latest=pl.col("at").max(),
    )
    rows = found.sort("revision", "metric").collect(engine="streaming")
    return [Measured(**row) for row in rows.iter_rows(named=True)]
