"""How good production's answers were, as outcomes told, and how good the newest ones probably are. Reads the lake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.lake import _attribution, _requests
from rung.monitoring._rows import READ, columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rung.lake import Lake

__all__ = ["Measured", "Sample", "measured", "sample"]

_SAMPLE: Final = 5_000
"""Requests of which an estimate is made."""
_NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A business metric of one revision, by when its predictions were made."""

    metric: str
    begin: datetime
    units: int  # each counts once, with the mean of its outcomes
    mean: float
    interval: tuple[float, float] | None  # 95 %, of units that are independent; None for fewer than two

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        plain = {name: getattr(self, name) for name in Measured.__slots__}
        return plain | {"begin": self.begin.isoformat(), "interval": self.interval and list(self.interval)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows of some requests."""

    requests: int
    columns: pl.DataFrame  # a row for each instance


def measured(lake: Lake, revision: str, times: tuple[datetime, datetime], *, every: str | None) -> list[Measured]:
    """Average the outcomes of what a revision predicted within a time.

    Args:
        lake: Where they are.
        revision: Its name.
        times: From and until when the requests came, in UTC.
        every: Cuts that time into pieces, as `1d`; None: one piece.
    """
    since, until = times
    service = revision.partition(".")[0]
    answers = lake.predictions().filter(
        pl.col("service") == service,
        pl.col("date") >= since.date(),
        _requests.PRODUCTION,
        _requests.ANSWERED,
    )
    told = _attribution.once(lake.outcomes().filter(pl.col("service") == service, pl.col("date") >= since.date()))
    begin = pl.lit(since) if every is None else pl.col("time").dt.truncate(every)
    found = (
        _attribution.attribute(told, answers, ["revision", "time"])
        .filter(pl.col("revision") == revision, pl.col("time").is_between(since, until, closed="left"))
        .group_by("metric", "unit", begin=begin)
        .agg(pl.col("value").mean())
        .group_by("metric", "begin")
        .agg(units=pl.len(), mean=pl.col("value").mean(), error=pl.col("value").std() / pl.len().sqrt())
        .sort("metric", "begin")
        .collect(engine="streaming")
    )
    return [
        Measured(
            metric=row["metric"],
            begin=row["begin"],
            units=row["units"],
            mean=row["mean"],
            interval=None if row["error"] is None else _around(row["mean"], row["error"]),
        )
        for row in found.iter_rows(named=True)
    ]


def sample(
    lake: Lake,
    asked: tuple[str, str],
    times: tuple[datetime, datetime],
    vocabularies: Mapping[str, frozenset[int]],
) -> Sample | None:
    """Give the rows of a sample of what a route of a revision answered within a time; None where it answered nothing.

    Args:
        lake: Where it is.
        asked: Revision and route.
        times: From and until when the requests came, in UTC.
        vocabularies: Words that the revision's training knew, by column.
    """
    (revision, route), (since, until) = asked, times
    requests = lake.predictions().filter(
        pl.col("service") == revision.partition(".")[0],
        pl.col("date") >= since.date(),
        pl.col("time").is_between(since, until, closed="left"),
        pl.col("revision") == revision,
        pl.col("route") == route,
        _requests.PRODUCTION,
        _requests.ANSWERED,
    )
    keys = requests.select("id_key").bottom_k(_SAMPLE, by="id_key").collect(engine="streaming")
    if keys.is_empty():
        return None
    answers = requests.filter(pl.col("id_key").is_in(keys["id_key"].implode())).select(READ)
    return Sample(requests=keys.height, columns=columns_of(answers.collect(engine="streaming"), vocabularies))


def _around(mean: float, error: float) -> tuple[float, float]:
    return mean - _NORMAL_95 * error, mean + _NORMAL_95 * error
