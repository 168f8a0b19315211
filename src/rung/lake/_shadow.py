"""What a shadow answered, beside what production answered to the same requests, and beside what came of it.

The copy of a request that a shadow gets carries the id of the request: rows of both are joined by it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.lake import _attribution, _requests
from rung.lake._agreement import Agreement, Answered, compare_predictions
from rung.lake._shift import Shift, shifts

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Latency", "Mirror", "Pairs", "Truth", "pairs", "truth"]

_APART: Final = timedelta(minutes=5)
"""A request and its copy are logged within this time of each other."""
_MOST_INSTANCES: Final = 10_000
"""Instances of the sample that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Durations of requests that both revisions answered, milliseconds; None without any."""

    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Requests that a shadow got, beside the same requests in production."""

    mirrored: int  # requests that the shadow logged
    paired: int  # of these, logged by production too
    answered: int  # of these, answered by both with a status of 2xx
    shadow_failed: int  # of the paired, answered by production, not by the shadow
    production_failed: int  # of the paired, answered by the shadow, not by production
    shadow: Latency
    production: Latency
    sampled: int  # of the answered, requests whose predictions were compared
    unequal: int  # of these, requests with another number of predictions than instances: left out
    agreement: Agreement  # of the sampled: `one` is production's, `other` the shadow's
    shifts: dict[str, Shift]  # of the sampled, by field


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """An outcome, and what production and the shadow had predicted."""

    id: str  # of the request
    unit: str | None
    instances: list[Any]
    production: list[Any]  # predictions, one per instance
    shadow: list[Any]  # predictions, one per instance
    value: float  # the outcome's
    at: datetime  # when it happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """Whose requests are looked at."""

    service: str
    major: int
    shadow: str  # revision, as `housing.v1.m3`
    since: datetime

    def copies(self, predictions: pl.LazyFrame) -> pl.LazyFrame:
        """Select the shadow's rows."""
        return self._rows(predictions, self.since).filter(pl.col("kind") == "shadow", pl.col("revision") == self.shadow)

    def originals(self, predictions: pl.LazyFrame) -> pl.LazyFrame:
        """Select the rows of production."""
        return self._rows(predictions, self.since - _APART).filter(_requests.PRODUCTION)

    def _rows(self, predictions: pl.LazyFrame, since: datetime) -> pl.LazyFrame:
        return predictions.filter(
            pl.col("service") == self.service,
            pl.col("date") >= since.astimezone(UTC).date(),
            pl.col("time") >= since,
            pl.col("major") == self.major,
        )


def pairs(predictions: pl.LazyFrame, mirror: Mirror, *, sample: int, tolerance: float) -> Pairs:
    """Join the shadow's rows with production's; `Lake.shadow` explains the rest."""
    both = _joined(predictions, mirror).collect(engine="streaming")
    paired = both.filter(pl.col("production").is_not_null())
    answered = paired.filter(pl.col("production"), pl.col("shadow"))
    chosen = answered.bottom_k(sample, by="id_key")["id_key"]
    rows = _texts(predictions, mirror, chosen)
    read = list(_instances(rows))
    compared = [pair for found in read if found for pair in found]
    return Pairs(
        mirrored=both.height,
        paired=paired.height,
        answered=answered.height,
        shadow_failed=paired.filter(pl.col("production"), ~pl.col("shadow")).height,
        production_failed=paired.filter(pl.col("shadow"), ~pl.col("production")).height,
        shadow=_latency(answered["shadow_ms"]),
        production=_latency(answered["production_ms"]),
        sampled=len(read),
        unequal=sum(found is None for found in read),
        agreement=compare_predictions(compared, tolerance=tolerance),
        shifts=shifts(compared),
    )


def truth(predictions: pl.LazyFrame, outcomes: pl.LazyFrame, mirror: Mirror, *, metric: str, most: int) -> list[Truth]:
    """Join outcomes with what both revisions had predicted; `Lake.shadow_truth` explains the rest."""
    told = _attribution.once(
        outcomes.filter(
            pl.col("service") == mirror.service,
            pl.col("date") >= mirror.since.astimezone(UTC).date(),
            pl.col("received") >= mirror.since,
            pl.col("metric") == metric,
        )
    )
    originals = mirror.originals(predictions).filter(_requests.ANSWERED)
    mirrored = mirror.copies(predictions).filter(_requests.ANSWERED).select("id_key")
    newest = (
        _attribution.attribute(told, originals, ["id_key"])
        .join(mirrored, on="id_key", how="semi")
        .select("id_key", "value", "at")
        .top_k(most, by=["at", "id_key"])
        .collect(engine="streaming")
    )
    rows = newest.join(_texts(predictions, mirror, newest["id_key"].unique()), on="id_key")
    return [_truth(row) for row in rows.sort("at", "id", descending=True).iter_rows(named=True)]


def _joined(predictions: pl.LazyFrame, mirror: Mirror) -> pl.LazyFrame:
    """Join narrow columns: whether each answered, and how long that took. Of rows with one id the last counts."""
    copies = _once(mirror.copies(predictions), "shadow")
    originals = mirror.originals(predictions).join(copies, on="id_key", how="semi")
    return copies.join(_once(originals, "production"), on="id_key", how="left")


def _once(rows: pl.LazyFrame, side: str) -> pl.LazyFrame:
    last = rows.select("id_key", "time", "status", "duration_ms").sort("time")
    return last.unique("id_key", keep="last", maintain_order=True).select(
        "id_key", _requests.ANSWERED.alias(side), pl.col("duration_ms").alias(f"{side}_ms")
    )


def _texts(predictions: pl.LazyFrame, mirror: Mirror, keys: pl.Series) -> pl.DataFrame:
    """Return id, unit and the JSON of the requests with these keys, in the order of the keys."""
    columns = ("id_key", "time", "id", "unit", "instances", "predictions")
    originals = _requests.read(mirror.originals(predictions).filter(_requests.ANSWERED), keys, columns)
    copies = _requests.read(
        mirror.copies(predictions).filter(_requests.ANSWERED), keys, ("id_key", "time", "predictions")
    )
    return originals.join(copies.select("id_key", shadow="predictions"), on="id_key").sort("id_key")


def _instances(rows: pl.DataFrame) -> Iterator[list[Answered] | None]:
    """Yield each request's instances, up to the limit of all; None for one whose lists are not equally long."""
    left = _MOST_INSTANCES
    for row in rows.iter_rows(named=True):
        if left <= 0:
            return
        found = [json.loads(row[name]) for name in ("instances", "predictions", "shadow")]
        if len({len(values) for values in found}) != 1:
            yield None
            continue
        answered = [
            Answered(id=row["id"], instance=instance, one=one, other=other)
            for instance, one, other in zip(*found, strict=True)
        ]
        yield answered[:left]
        left -= len(answered)


def _latency(durations: pl.Series) -> Latency:
    p50, p99 = (durations.quantile(share, "linear") for share in (0.5, 0.99))
    return Latency(p50_ms=p50, p99_ms=p99)


def _truth(row: dict[str, Any]) -> Truth:
    return Truth(
        id=row["id"],
        unit=row["unit"],
        instances=json.loads(row["instances"]),
        production=json.loads(row["predictions"]),
        shadow=json.loads(row["shadow"]),
        value=row["value"],
        at=row["at"],
    )
