"""What the requests of an experiment say at once, long before an outcome comes: errors, latency, fallbacks, by arm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake import _requests

if TYPE_CHECKING:
    from datetime import datetime

    from rung.lake._tables import Mark, Table

__all__ = ["Health", "Minute", "Watch", "assigned", "measure", "minutes"]

_ERROR: Final = 500
"""HTTP statuses from here on are the server's failures."""

_COLUMNS: Final = pl.Schema(
    {"arm": pl.Categorical(), "minor": pl.Int32(), "status": pl.Int16(), "duration_ms": pl.Float32()}
)
"""What stays in memory of a request: fourteen bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The production requests that were assigned to one arm."""

    requests: int = 0
    errors: int = 0  # of these, answered with a status of 500 or above
    slow: int = 0  # of these, answered later than the limit
    fallback: int = 0  # of these, answered in the arm's place by another
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
        """Share of the requests that another answered in the arm's place."""
        return self.fallback / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """The production requests that one revision answered within a minute."""

    begin: datetime
    requests: int
    errors: int  # of these, answered with a status of 500 or above
    slow: int  # of these, answered later than the limit


def minutes(predictions: pl.LazyFrame, revision: str, *, slow_ms: float) -> list[Minute]:
    """Count the production requests of a revision minute by minute, oldest first; a minute without one is not there."""
    rows = predictions.filter(pl.col("revision") == revision, _requests.PRODUCTION)
    found = rows.group_by(begin=pl.col("time").dt.truncate("1m")).agg(
        requests=pl.len(),
        errors=(pl.col("status") >= _ERROR).sum(),
        slow=(pl.col("duration_ms") > slow_ms).sum(),
    )
    return [Minute(**row) for row in found.sort("begin").collect(engine="streaming").iter_rows(named=True)]


def assigned(predictions: pl.LazyFrame, experiment: str, since: datetime) -> pl.LazyFrame:
    """Select the production requests that an experiment assigned to an arm."""
    return predictions.filter(
        pl.col("date") >= since.astimezone(UTC).date(),
        pl.col("time") >= since,
        pl.col("experiment") == experiment,
        _requests.PRODUCTION,
        pl.col("arm").is_not_null() & (pl.col("arm") != "none"),
    )


class Watch:
    """The requests of one experiment since an instant; each look reads only those that are new. For one thread."""

    def __init__(self, experiment: str, since: datetime) -> None:
        self._experiment = experiment
        self._since = since
        self._mark: Mark | None = None  # up to where the table was read
        self._rows = _COLUMNS.to_frame()

    def look(self, predictions: Table, *, slow_ms: float) -> dict[str, Health]:
        """Take what is new in the table, and count everything."""
        changes = predictions.changes(self._mark)
        before = _COLUMNS.to_frame() if changes.whole else self._rows
        news = [_narrow(assigned(part, self._experiment, self._since)) for part in changes.parts]
        self._rows = pl.concat([before, *news])
        self._mark = changes.mark
        return measure(self._rows, slow_ms=slow_ms)


def measure(rows: pl.DataFrame, *, slow_ms: float) -> dict[str, Health]:
    """Count requests by the arm that they were assigned to.

    An arm is at home in the revision that it names (`m3`) or, in an A/B test, the incumbent in the revision that
    answers most of its requests. The challenger's requests that this revision answered, and the incumbent's and a named
    arm's that another one answered, fell back.
    """
    found = rows.group_by("arm").agg(
        requests=pl.len(),
        errors=(pl.col("status") >= _ERROR).sum(),
        slow=(pl.col("duration_ms") > slow_ms).sum(),
        p50_ms=pl.col("duration_ms").quantile(0.5, "linear"),
        p99_ms=pl.col("duration_ms").quantile(0.99, "linear"),
    )
    fallback = _fallback(rows)
    return {
        arm: Health(**row, fallback=fallback[arm])
        for row in found.sort("arm").iter_rows(named=True)
        for arm in [row.pop("arm")]
    }


def _fallback(rows: pl.DataFrame) -> dict[str, int]:
    """Count the requests of each arm that were not answered where it is at home."""
    counts = rows.group_by("arm", "minor").len().sort("len", "minor", descending=[True, False]).rows()
    incumbent = next((minor for arm, minor, _ in counts if arm == "incumbent"), -1)
    fallback: dict[str, int] = {}
    for arm, minor, count in counts:
        named = arm.removeprefix("m")
        home = int(named) if named.isdecimal() else incumbent
        fell_back = minor == home if arm == "challenger" else minor != home
        fallback[arm] = fallback.get(arm, 0) + count * fell_back
    return fallback


def _narrow(requests: pl.LazyFrame) -> pl.DataFrame:
    return requests.select(pl.col(name).cast(kind) for name, kind in _COLUMNS.items()).collect(engine="streaming")
