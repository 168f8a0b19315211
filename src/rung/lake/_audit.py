"""Whether units were assigned as the gateway's arithmetic says: recomputed for a sample, and tested for randomness.

Pure but for the reading of the sample.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from rung.errors import CallError
from rung.gateway.assignment import xxh64
from rung.gateway.routing import BUCKETS
from rung.lake import _health
from rung.lake._privacy import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from rung.gateway import Production

__all__ = ["Audit", "Stretch", "audit", "seen"]

_CLASSES: Final = 100
"""Classes of buckets whose counts are tested for uniformity."""
_SIDE: Final = 5
"""Classes of buckets of each of two experiments that are tested for independence."""
_EXPECTED: Final = 5
"""Units that a class must have on average: below, chi-square is not the distribution of the statistic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time of equal shares."""

    begin: datetime  # when the gateway was known to have these shares
    buckets: tuple[tuple[str, int], ...]  # arm, and how many buckets it owns, from the lowest bucket on
    decided: datetime | None = None  # from when the gateway may have had them; None: not before they began

    def __post_init__(self) -> None:
        if (total := sum(count for _, count in self.buckets)) != BUCKETS:
            raise CallError(f"the arms of a stretch own {total} buckets, but there are {BUCKETS}")

    @classmethod
    def of(cls, begin: datetime, production: Production) -> Self:
        """Return the stretch in which the gateway was configured like this."""
        return cls(begin=begin, buckets=tuple((arm.name, arm.weight) for arm in production.arms))

    def arm(self, bucket: int) -> str:
        """Return the arm that owns a bucket."""
        end = 0
        for arm, count in self.buckets:
            end += count
            if bucket < end:
                return arm
        raise CallError(f"there is no bucket {bucket}", hint=f"buckets are 0 to {BUCKETS - 1}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the assignments of a sample of units say about the gateway."""

    units: int  # in the sample
    disagreements: int  # of these, units seen in an arm that the arithmetic does not give
    flips: int  # of these, units seen in several arms during equal shares
    uniformity: float | None  # p-value of equally full buckets (chi-square); None: too few units
    independence: float | None  # p-value of independence of the other experiment's buckets; None: too few, or no other
    examples: tuple[str, ...]  # units that disagree or flip, ten at most


def seen(
    predictions: pl.LazyFrame, experiment: str, stretches: Sequence[Stretch], *, sample: int, grace: timedelta
) -> pl.DataFrame:
    """Return unit, number of the stretch, and the arms in which the unit was seen then, for a sample of units.

    The sample takes the units with the lowest keys, which are hashes. What was seen between the decision for new shares
    and the `grace` after they began is left out: the gateway takes a moment to take them, and to say so. Units of which
    only a hash is kept are, too.
    """
    if not stretches:
        raise CallError("an audit needs at least one stretch of equal shares")
    if any(one.begin >= other.begin for one, other in pairwise(stretches)):
        raise CallError("the stretches of an audit must be in order", hint="sort them by their begin")
    rows = _health.assigned(predictions, experiment, stretches[0].begin).filter(pl.col("unit_key").is_not_null())
    rows = rows.filter(~pl.col("unit").str.starts_with(MARK))
    units = rows.select("unit_key").unique().bottom_k(sample, by="unit_key").collect(engine="streaming")["unit_key"]
    found = rows.filter(pl.col("unit_key").is_in(units.implode())).select("unit", "time", "arm")
    requests = found.collect(engine="streaming")
    begins = pl.Series([stretch.begin for stretch in stretches], dtype=requests.schema["time"])
    number = begins.search_sorted(requests["time"], side="right") - 1
    is_settled = (requests["time"] - begins.gather(number) >= grace) | (number == 0)
    ends = [one.decided or one.begin for one in stretches[1:]]
    until = pl.Series([*ends, None], dtype=begins.dtype).gather(number)
    is_settled &= (requests["time"] < until).fill_null(value=True)
    settled = requests.with_columns(stretch=number).filter(is_settled)
    return settled.group_by("unit", "stretch").agg(arms=pl.col("arm").unique().sort()).sort("unit", "stretch")


def audit(rows: pl.DataFrame, stretches: Sequence[Stretch], *, salt: str, other: str | None) -> Audit:
    """Compare what was seen with the gateway's arithmetic: xxHash64 of "<salt>:<unit>", modulo the buckets."""
    units: list[str] = rows["unit"].unique(maintain_order=True).to_list()
    buckets = {unit: bucket(salt, unit) for unit in units}
    flips, wrong = set(), set()
    for unit, stretch, arms in rows.select("unit", "stretch", "arms").iter_rows():
        if len(arms) > 1:
            flips.add(unit)
        if arms != [stretches[stretch].arm(buckets[unit])]:
            wrong.add(unit)
    others = [bucket(other, unit) for unit in units] if other is not None else []
    return Audit(
        units=len(units),
        disagreements=len(wrong),
        flips=len(flips),
        uniformity=_uniformity(buckets.values()),
        independence=_independence(zip(buckets.values(), others, strict=True)) if others else None,
        examples=tuple(sorted(wrong | flips)[:10]),
    )


def bucket(salt: str, unit: str) -> int:
    """Return the bucket of a unit in an experiment with this salt."""
    return xxh64(f"{salt}:{unit}".encode()) % BUCKETS


def _uniformity(buckets: Iterable[int]) -> float | None:
    counts = Counter(found * _CLASSES // BUCKETS for found in buckets)
    expected = counts.total() / _CLASSES
    return _p_value([(counts[number], expected) for number in range(_CLASSES)], _CLASSES - 1)


def _independence(pairs: Iterable[tuple[int, int]]) -> float | None:
    counts = Counter((one * _SIDE // BUCKETS, other * _SIDE // BUCKETS) for one, other in pairs)
    total = counts.total()
    ones = [sum(counts[row, column] for column in range(_SIDE)) for row in range(_SIDE)]
    others = [sum(counts[row, column] for row in range(_SIDE)) for column in range(_SIDE)]
    cells = [
        (counts[row, column], ones[row] * others[column] / total) for row, column in product(range(_SIDE), repeat=2)
    ]
    return _p_value(cells, (_SIDE - 1) ** 2)


def _p_value(cells: Sequence[tuple[int, float]], freedom: int) -> float | None:
    """Return Pearson's chi-square p-value of counts against what is expected of them."""
    from scipy import special  # noqa: PLC0415  # half a second, which only an audit needs to wait for

    if min(expected for _, expected in cells) < _EXPECTED:
        return None
    statistic = sum((count - expected) ** 2 / expected for count, expected in cells)
    return float(special.chdtrc(freedom, statistic))
