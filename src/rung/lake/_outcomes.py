"""What became of the outcomes that came in: how many count, how many cannot, how late they are, for how many units."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import polars as pl

from rung.lake import _attribution, _requests

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

__all__ = ["OutcomeReport", "Reported", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReport:
    """The outcomes of one major since an instant. received = counted + duplicate + early + unknown."""

    received: int = 0
    counted: int = 0  # belong to an answer of the major
    duplicate: int = 0  # sent again
    early: int = 0  # from before the first answer that their unit got
    unknown: int = 0  # their unit or prediction got no answer of the major, or none that was shipped yet
    retired: int = 0  # of the counted, belong to revisions that do not serve any more
    exposed: int = 0  # units whose first answer since then is old enough to expect an outcome
    measured: int = 0  # of these, units with an outcome that counts
    p50_s: float | None = None  # median of the seconds from an answer to an outcome that counts; None without any
    p90_s: float | None = None
    p99_s: float | None = None

    @property
    def coverage(self) -> float:
        """Share of the exposed units that have an outcome."""
        return self.measured / self.exposed if self.exposed else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Which outcomes; `Lake.outcome_counts` explains the fields."""

    service: str
    major: int
    since: datetime
    exposed_before: datetime
    metric: str | None = None
    served: Collection[str] | None = None


def report(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, question: Reported) -> OutcomeReport:
    """Count outcomes and the units that wait for one."""
    answers = predictions.filter(
        pl.col("service") == question.service,
        pl.col("major") == question.major,
        _requests.PRODUCTION,
        _requests.ANSWERED,
    )
    received = outcomes.filter(
        pl.col("service") == question.service,
        pl.col("date") >= question.since.astimezone(UTC).date(),
        pl.col("received") >= question.since,
        pl.lit(value=True) if question.metric is None else pl.col("metric") == question.metric,
    )
    told = _attribution.once(received).collect(engine="streaming")
    counted = _attribution.attribute(told.lazy(), answers, ["revision", "time"]).collect(engine="streaming")
    total = int(received.select(pl.len()).collect(engine="streaming").item())
    early = _early(told, answers) if told.height > counted.height else 0
    exposed, measured = _coverage(answers, counted, question)
    seconds = (counted["at"] - counted["time"]).dt.total_microseconds() / 1e6
    served = counted["revision"] if question.served is None else pl.Series(sorted(question.served), dtype=pl.String)
    return OutcomeReport(
        received=total,
        counted=counted.height,
        duplicate=total - told.height,
        early=early,
        unknown=told.height - counted.height - early,
        retired=counted.filter(~pl.col("revision").is_in(served.implode())).height,
        exposed=exposed,
        measured=measured,
        **{f"p{percent}_s": seconds.quantile(percent / 100, "linear") for percent in (50, 90, 99)},
    )


def _early(told: pl.DataFrame, answers: pl.LazyFrame) -> int:
    """Count the outcomes of units that got their first answer only later."""
    firsts = answers.group_by("unit_key").agg(first=pl.col("time").min())
    by_unit = told.lazy().filter(pl.col("prediction_key").is_null())
    joined = by_unit.join(firsts, on="unit_key").filter(pl.col("at") < pl.col("first"))
    return int(joined.select(pl.len()).collect(engine="streaming").item())


def _coverage(answers: pl.LazyFrame, counted: pl.DataFrame, question: Reported) -> tuple[int, int]:
    """Count the units that were answered early enough, and those of them with an outcome."""
    recent = answers.filter(pl.col("date") >= question.since.astimezone(UTC).date(), pl.col("time") >= question.since)
    units = (
        recent.group_by(unit=pl.coalesce("unit_key", "id_key"))
        .agg(first=pl.col("time").min())
        .filter(pl.col("first") <= question.exposed_before)
        .select("unit", measured=pl.col("unit").is_in(counted["unit"].unique().implode()))
    )
    found = units.select(exposed=pl.len(), measured=pl.col("measured").sum()).collect(engine="streaming")
    exposed, measured = found.row(0)
    return int(exposed), int(measured or 0)
