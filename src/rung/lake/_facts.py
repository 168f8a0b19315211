"""Tables -> numbers: the rows that can matter to an A/B test, dealt out to shares of units. `_ledger` calls it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import polars as pl

from rung.lake import _requests
from rung.lake._spill import Spill

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ARMS", "GROUPS", "TRAFFIC", "News", "Question", "deal", "microseconds"]

ARMS: Final = ("incumbent", "challenger")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

GROUPS: Final = {
    "exposed": 2,
    "measured": 4,
    "before": 4,
    "owners": 3,
    "named": 4,
    "owners_before": 3,
    "named_before": 4,
}
"""Columns of 64 bits of each kind of row, the key first.

| rows | columns |
|---|---|
| exposed: requests of the experiment | unit, 2 * microseconds + (1 for the challenger) |
| measured: outcomes since the experiment began; before: outcomes from before | unit, sameness, time, value |
| owners: requests of the experiment, owners_before: any before it | id, unit, 2 * microseconds + (...) |
| named, named_before: as measured and before, when they name a prediction alone | id, sameness, time, value |
"""

TRAFFIC: Final = pl.Schema(
    {
        "service": pl.String(),
        "stratum": pl.Int64(),
        "challenger": pl.Int64(),
        "minor": pl.Int64(),
        "count": pl.Int64(),
    }
)
"""Requests of the experiment by stratum, arm and the revision that answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to compare; `Lake.compare` explains the fields."""

    experiment: str
    metric: str
    since: datetime
    splits: tuple[datetime, ...] = ()
    look_back: timedelta | None = None  # how far back the covariate looks; None: no covariate


@dataclass(slots=True, kw_only=True)
class News:
    """Rows dealt out, and counts."""

    rows: dict[str, Spill] = field(default_factory=lambda: {name: Spill(width) for name, width in GROUPS.items()})
    traffic: pl.DataFrame = field(default_factory=TRAFFIC.to_frame)
    received: int = 0  # outcomes since the experiment began
    names: bool = False  # there are outcomes that name a prediction alone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for spill in self.rows.values():
                stack.callback(spill.close)

    @property
    def services(self) -> set[str]:
        """The services whose requests are in the experiment."""
        return set(self.traffic["service"].unique())

    def add(self, group: str, frame: pl.DataFrame, *columns: str) -> None:
        """Deal out the rows of a frame."""
        self.rows[group].add(*_columns(frame, *columns))


def deal(
    predictions: Sequence[pl.LazyFrame],
    outcomes: Sequence[pl.LazyFrame],
    question: Question,
    *,
    services: Collection[str],
    owners: bool,
) -> News:
    """Deal out what the parts of both tables hold for the question, one part after the other.

    Args:
        predictions: Parts of the table of predictions.
        outcomes: Parts of the table of outcomes.
        question: What to compare.
        services: Those that are known to be in the experiment already.
        owners: Whether requests are dealt out by their id, too, for outcomes that name a prediction alone.
    """
    news = News()
    _deal_requests(predictions, question, news, owners=owners)
    known = sorted(news.services | set(services))
    _deal_outcomes([_told(part, known, question) for part in outcomes], news, ("measured", "named"))
    news.received = news.rows["measured"].rows + news.rows["named"].rows
    if question.look_back is not None:
        before = (question.since - question.look_back, question.since)
        _deal_outcomes([_told(part, known, question, before) for part in outcomes], news, ("before", "named_before"))
        if owners:
            _deal_owners_before([_answered(part, known, before) for part in predictions], news)
    return news


def microseconds(instant: datetime) -> int:
    """Return the microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _deal_requests(parts: Sequence[pl.LazyFrame], question: Question, news: News, *, owners: bool) -> None:
    groups = ("service", "stratum", "challenger", "minor")
    columns = ("unit_key", "exposure", *groups, *(("id_key",) if owners else ()))
    traffic = [news.traffic]
    for rows in _one_ahead([_requests_of(part, question).select(columns) for part in parts]):
        news.add("exposed", rows, "unit_key", "exposure")
        if owners:
            news.add("owners", rows, "id_key", "unit_key", "exposure")
        traffic.append(rows.group_by(groups).agg(count=pl.len()).cast(TRAFFIC))
    news.traffic = pl.concat(traffic).group_by(groups).agg(pl.col("count").sum())


def _deal_outcomes(parts: Sequence[pl.LazyFrame], news: News, groups: tuple[str, str]) -> None:
    """Deal outcomes out by the unit that they name, or else by the prediction."""
    by_unit, by_name = groups
    has_unit = pl.col("unit_key").is_not_null()
    for rows in _one_ahead(parts):
        named = rows.filter(~has_unit)
        news.add(by_unit, rows.filter(has_unit) if named.height else rows, "unit_key", "same_key", "time", "value")
        news.add(by_name, named, "prediction_key", "same_key", "time", "value")
        news.names |= named.height > 0


def _deal_owners_before(parts: Sequence[pl.LazyFrame], news: News) -> None:
    for rows in _one_ahead(parts):
        news.add("owners_before", rows, "id_key", "unit_key", "exposure")


def _requests_of(predictions: pl.LazyFrame, question: Question) -> pl.LazyFrame:
    """Select the production requests of the experiment whose unit was assigned to an arm."""
    stratum = pl.sum_horizontal(pl.lit(0), *((pl.col("time") >= split).cast(pl.Int32) for split in question.splits))
    challenger = (pl.col("arm") == "challenger").cast(pl.Int64)
    return predictions.filter(
        pl.col("date") >= _day(question.since),
        pl.col("time") >= question.since,
        pl.col("experiment") == question.experiment,
        _requests.PRODUCTION,
        pl.col("arm").is_in(ARMS),
        pl.col("unit_key").is_not_null(),
    ).with_columns(stratum=stratum, challenger=challenger, exposure=pl.col("time").to_physical() * 2 + challenger)


def _answered(predictions: pl.LazyFrame, services: list[str], window: tuple[datetime, datetime]) -> pl.LazyFrame:
    """Select the requests that outcomes from before the experiment can name."""
    begin, end = window
    return predictions.filter(
        pl.col("service").is_in(services),
        pl.col("date").is_between(_day(begin), _day(end)),
        pl.col("time").is_between(begin, end, "left"),
        _requests.PRODUCTION,
        pl.col("unit_key").is_not_null(),
    ).select("id_key", "unit_key", exposure=pl.col("time").to_physical() * 2)


def _told(
    outcomes: pl.LazyFrame,
    services: list[str],
    question: Question,
    window: tuple[datetime, datetime] | None = None,
) -> pl.LazyFrame:
    """Select the outcomes of the metric that came in within a window, or since the experiment began."""
    begin, end = window or (question.since, None)
    chosen = outcomes.filter(
        pl.col("service").is_in(services),
        pl.col("date") >= _day(begin),
        pl.col("received") >= begin,
        pl.col("metric") == question.metric,
    )
    if end is not None:
        chosen = chosen.filter(pl.col("date") <= _day(end), pl.col("received") < end)
    time = pl.coalesce("time", "received").to_physical()
    return chosen.select("unit_key", "prediction_key", "same_key", "value", time=time)


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


def _columns(frame: pl.DataFrame, *names: str) -> list[NDArray[np.int64] | NDArray[Any]]:
    return [frame[name].to_numpy() for name in names]


def _collect(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.collect(engine="streaming")


def _day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
