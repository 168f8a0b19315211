"""What came of each assignment of a bandit: rewards with the probability that their arm was chosen, and sums by arm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.lake import _attribution, _health

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["BanditArm", "Rewarded", "by_arm", "rewards"]

_HOUR_US: Final = 3_600_000_000
_EXPOSURE: Final = ("id_key", "id", "arm", "revision", "propensity", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditArm:
    """One arm of a bandit: its traffic, and weighted sums over its units that have a reward.

    A unit counts once per arm, with the mean of its rewards there. Without a discount every weight is 1.
    """

    requests: int = 0  # production requests that were assigned to the arm
    exposed: int = 0  # distinct units among them
    units: int = 0  # of these, units with a reward
    n: float = 0.0  # sum of their weights
    y: float = 0.0  # sum of weight times reward
    yy: float = 0.0  # sum of weight times squared reward


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewarded:
    """Which experiment, which metric; `Lake.rewards` explains the fields."""

    experiment: str
    metric: str
    since: datetime

    def requests(self, predictions: pl.LazyFrame) -> pl.LazyFrame:
        """Select the requests that were assigned to an arm."""
        return _health.assigned(predictions, self.experiment, self.since)


def rewards(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, question: Rewarded) -> pl.LazyFrame:
    """Give each outcome to the last request of its unit before it; a row for each request that has an outcome."""
    requests = question.requests(predictions)
    told = _attribution.once(
        outcomes.filter(
            pl.col("date") >= question.since.astimezone(UTC).date(),
            pl.col("received") >= question.since,
            pl.col("metric") == question.metric,
        ).join(requests.select("service").unique(), on="service", how="semi")
    )
    return (
        _attribution.attribute(told, requests, _EXPOSURE)
        .group_by("id_key")
        .agg(
            *(pl.col(name).first() for name in ("unit", *_EXPOSURE[1:])),
            reward=pl.col("value").mean(),
            outcomes=pl.len(),
            rewarded=pl.col("at").max(),
        )
        .drop("id_key")
    )


def by_arm(
    requests: pl.LazyFrame, rows: pl.LazyFrame, *, discount: float | None, now: datetime
) -> dict[str, BanditArm]:
    """Sum rewards by arm; a reward that is `h` hours old at `now` weighs `discount ** h`."""
    hours = (pl.lit(now).dt.cast_time_unit("us") - pl.col("rewarded")).dt.total_microseconds() / _HOUR_US
    weight = pl.lit(1.0) if discount is None else pl.lit(discount).pow(hours.clip(lower_bound=0.0))
    sums = (
        rows.group_by("arm", "unit")
        .agg(reward=pl.col("reward").mean(), rewarded=pl.col("rewarded").max())
        .with_columns(weight=weight)
        .group_by("arm")
        .agg(
            units=pl.len(),
            n=pl.col("weight").sum(),
            y=(pl.col("weight") * pl.col("reward")).sum(),
            yy=(pl.col("weight") * pl.col("reward") ** 2).sum(),
        )
    )
    traffic = requests.group_by("arm").agg(requests=pl.len(), exposed=pl.coalesce("unit_key", "id_key").n_unique())
    both = traffic.join(sums, on="arm", how="left").with_columns(
        pl.col("units").fill_null(0), *(pl.col(name).fill_null(0.0) for name in ("n", "y", "yy"))
    )
    found = both.sort("arm").collect(engine="streaming")
    return {row.pop("arm"): BanditArm(**row) for row in found.iter_rows(named=True)}
