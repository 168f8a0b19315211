"""What the requests of an experiment say at once, long before an outcome comes: errors, latency, fallbacks, by arm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake import _requests

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Health", "assigned", "measure"]

_ERROR: Final = 500
"""HTTP statuses from here on are the server's failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The production requests that were assigned to one arm."""

    requests: int = 0
    errors: int = 0  # of these, answered with a status of 500 or above
    slow: int = 0  # of these, answered later than the limit
    fallback: int = 0  # of these, answered by the incumbent although assigned to another arm
    p50_ms: float | None = None  # median duration; None without a request
    p99_ms: float | None = None  # 99th percentile of the durations

    @property
    def error_share(self) -> float:
        """Share of the requests that failed."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def slow_share(self) -> float:
        """Share of the requests that were answered later than the limit."""
        return self.slow / self.requests if self.requests else 0.0

    @property
    def fallback_share(self) -> float:
        """Share of the requests that the incumbent answered in the arm's place."""
        return self.fallback / self.requests if self.requests else 0.0


def assigned(predictions: pl.LazyFrame, experiment: str, since: datetime) -> pl.LazyFrame:
    """Select the production requests that an experiment assigned to an arm."""
    return predictions.filter(
        pl.col("date") >= since.astimezone(UTC).date(),
        pl.col("time") >= since,
        pl.col("experiment") == experiment,
        _requests.PRODUCTION,
        pl.col("arm").is_not_null() & (pl.col("arm") != "none"),
    )


def measure(requests: pl.LazyFrame, *, slow_ms: float) -> dict[str, Health]:
    """Count requests by the arm that they were assigned to.

    An arm is at home in the revision that it names (`m3`) or, in an A/B test, the incumbent in the revision that
    answers most of its requests. The challenger's requests that this revision answered, and a named arm's that another
    one answered, fell back.
    """
    rows = requests.select("arm", "minor", "status", "duration_ms").collect(engine="streaming")
    incumbent = next(iter(rows.filter(pl.col("arm") == "incumbent")["minor"].mode().sort()), -1)
    named = pl.col("arm").str.extract(r"^m(\d+)$", 1).cast(pl.Int32)
    fallback = (
        pl.when(named.is_not_null())
        .then(pl.col("minor") != named)
        .otherwise((pl.col("arm") != "incumbent") & (pl.col("minor") == incumbent))
    )
    found = rows.group_by("arm").agg(
        requests=pl.len(),
        errors=(pl.col("status") >= _ERROR).sum(),
        slow=(pl.col("duration_ms") > slow_ms).sum(),
        fallback=fallback.sum(),
        p50_ms=pl.col("duration_ms").quantile(0.5, "linear"),
        p99_ms=pl.col("duration_ms").quantile(0.99, "linear"),
    )
    return {row.pop("arm"): Health(**row) for row in found.sort("arm").iter_rows(named=True)}
