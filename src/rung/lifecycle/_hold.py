"""On hold: a business metric that matters has no data, so there is nothing to promote by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung.charts.durations import spell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What is known of the data of one business metric of a major."""

    name: str
    is_high: bool
    """Its priority: a low one never holds anything up."""
    available: bool
    """What its author says: the truth can be had today."""
    within: timedelta
    """How long production is answered before an outcome is missed."""
    answered_since: datetime | None
    """Since when production is answered without a break of the major's incumbents; None: it is not."""
    is_asked: bool
    """Production was asked within that time, so that an outcome could come."""
    last_outcome: datetime | None
    """When the last outcome came in, as far back as that time; None: none did."""
    fulfilled: datetime | None = None
    """When somebody last said that its data will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A metric that holds its major up."""

    metric: str
    because: str


def missing_data(facts: Iterable[MetricFacts], now: datetime) -> tuple[Missing, ...]:
    """Name the metrics of high priority that have no data; with one of them, the major is on hold.

    A metric has none when its author says so (`available=False`), or when production was asked and answered for as long
    as an outcome may take, and none came in. Somebody who says that the data will come ends the first, and lets the
    time of the second begin again.
    """
    found = ((one, _missing(one, now)) for one in facts if one.is_high)
    return tuple(Missing(metric=one.name, because=because) for one, because in found if because is not None)


def _missing(metric: MetricFacts, now: datetime) -> str | None:
    if metric.last_outcome is not None:
        return None
    if not metric.available and metric.fulfilled is None:
        return f"{metric.name} is of high priority, and its truth cannot be had yet (available=False)"
    if metric.answered_since is None or not metric.is_asked:
        return None
    since = max(metric.answered_since, metric.fulfilled or metric.answered_since)
    if now - since < metric.within:
        return None
    told = spell(metric.within.total_seconds())
    return f"{metric.name} is of high priority, and no outcome of it came in for {told} of production"
