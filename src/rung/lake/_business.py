"""Business metrics of every revision, whether an experiment runs or not: what came of the predictions of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from rung.lake import _attribution, _requests

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Measured", "measure"]


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
    before it. Outcomes that were sent twice count once. What shadows and replays answered belongs to nobody.
    """
    served = predictions.filter(
        pl.col("service") == service, pl.col("major") == major, _requests.PRODUCTION, _requests.ANSWERED
    )
    told = _attribution.once(outcomes.filter(pl.col("service") == service))
    found = (
        _attribution.attribute(told, served, ["revision"])
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
