"""Statistics of one column of rows that are in memory. Called by `_measure`.

A column is sorted once, which gives its quantiles, its bins and its different values together; texts are sorted by
their hashes.
"""

from __future__ import annotations

import hashlib
import math
import sys
from bisect import bisect_left
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.profile import _add, _bins
from rung.data.profile._bins import Bin
from rung.data.profile._distinct import INDEX_BITS, REGISTERS, Distinct, registers_of
from rung.data.profile._values import SHARES, Column, Kind, Numbers, Values, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["measure_column"]

_KINDS: Final[dict[type[pl.DataType], Kind]] = {
    **dict.fromkeys((pl.String, pl.Categorical, pl.Enum), "text"),
    **dict.fromkeys((pl.Duration, pl.Time), "duration"),
    pl.Boolean: "truth",
    pl.Date: "date",
    pl.Datetime: "moment",
    pl.List: "list",
    pl.Binary: "binary",
}
_LARGEST: Final = sys.float_info.max
_NEXT: Final = math.ulp(0.0)
"""The smallest number above 0."""
_FEW: Final = 50_000
"""Numbers up to which a list is searched faster than a series."""
_LONGEST: Final = 100
"""Characters of a frequent text that are kept."""


def measure_column(values: pl.Series, of: pl.DataType, detail: int) -> Column:
    """Measure a column of this type; of one of bytes, the values are their lengths.

    Bins and frequent values are kept in so many times the usual detail.
    """
    dtype, kind, nulls = str(of), _kind_of(of), values.null_count()
    there = values.drop_nulls()
    match kind:
        case "other":
            return Column(kind=kind, dtype=dtype, nulls=nulls)
        case "list" | "binary":
            lengths = there.list.len() if kind == "list" else there
            return Column(kind=kind, dtype=dtype, nulls=nulls, numbers=_numbers(lengths.sort(), 1, detail))
        case "truth":
            counts = {"true": int(there.sum()), "false": there.len() - int(there.sum())}
            return Column(kind=kind, dtype=dtype, nulls=nulls, values=_truths(counts))
        case "text":
            return _text_column(there.cast(pl.String), dtype, nulls, detail)
    ordered = (there.cast(pl.Float64) if values.dtype.is_decimal() else there.to_physical()).sort()
    return Column(
        kind=kind,
        dtype=dtype,
        nulls=nulls,
        distinct=_distinct(ordered.filter(ordered.ne_missing(ordered.shift(1)))),
        numbers=_numbers(ordered, _scale_of(values.dtype), detail),
    )


def _kind_of(dtype: pl.DataType) -> Kind:
    return _KINDS.get(dtype.base_type(), "number" if dtype.is_numeric() else "other")


def _scale_of(dtype: pl.DataType) -> int:
    """Give how many of the type's own steps make one unit: a second, a day, one."""
    if isinstance(dtype, pl.Time):
        return 10**9
    if isinstance(dtype, (pl.Datetime, pl.Duration)):
        return {"ms": 10**3, "us": 10**6, "ns": 10**9}[dtype.time_unit]
    return 1


def _truths(counts: dict[str, int]) -> Values:
    return Values(common=_add.by_frequency(item for item in counts.items() if item[1]), is_complete=True)


def _numbers(ordered: pl.Series, scale: int, detail: int) -> Numbers:
    """Measure sorted numbers without nulls."""
    bins = _add.KEPT_BINS * detail
    everything = ordered.len()
    nan = int(ordered.is_nan().sum()) if ordered.dtype.is_float() else 0
    numbers = ordered.head(everything - nan).cast(pl.Float64)
    begin, zero, positive, end = numbers.search_sorted(pl.Series([-_LARGEST, 0.0, _NEXT, math.inf])).to_list()
    numbers = numbers.slice(begin, end - begin)
    if scale != 1:
        numbers = pl.Series(numbers.to_numpy() / scale)  # polars would multiply by 1 / scale, which is not the same
    found = ordered.slice(begin, end - begin)
    low, high = ((found if scale == 1 else numbers)[place] for place in (0, -1)) if end > begin else (None, None)
    return Numbers(
        finite=end - begin,
        nan=nan,
        infinite=everything - nan - (end - begin),
        zeros=positive - zero,
        negative=zero - begin,
        low=low,
        high=high,
        mean=finite(_number(numbers.mean())),
        deviation=finite(_number(numbers.std())),
        quantiles=tuple(_quantiles(numbers)),
        is_exact=True,
        bins=tuple(_split(numbers, max(numbers.len() // bins, 1) if numbers.n_unique() > bins else 1)),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _quantiles(ordered: pl.Series) -> Iterator[float]:
    """Give the quantiles, straight between the two values that lie around each."""
    if not ordered.len():
        return
    places = [share * (ordered.len() - 1) for share in SHARES]
    below = ordered.gather([math.floor(place) for place in places]).to_list()
    above = ordered.gather([math.ceil(place) for place in places]).to_list()
    for place, low, high in zip(places, below, above, strict=True):
        share = place % 1
        yield low * (1 - share) + high * share


def _split(ordered: pl.Series, most: int) -> list[Bin]:
    """Make bins of sorted numbers, none of which holds more than `most` of them unless they are all the same.

    All bins that are still too full are split at once, by one search.
    """
    at, places = _access(ordered)
    made: list[Bin] = []
    waiting = [(0, ordered.len())] if ordered.len() else []
    while waiting:
        full: list[tuple[int, int]] = []
        edges: list[float] = []
        firsts, lasts = at([first for first, _ in waiting]), at([end - 1 for _, end in waiting])
        for (first, end), low, high in zip(waiting, firsts, lasts, strict=True):
            if low == high or (end - first <= most and not low < 0 <= high):
                made.append(Bin(*_bins.cell(low + 0.0, high + 0.0), end - first))
            else:
                full.append((first, end))
                edges.append(_bins.middle(low, high))
        waiting = [
            each
            for (first, end), split in zip(full, places(edges), strict=True)
            for each in ((first, split), (split, end))
        ]
    return sorted(made, key=attrgetter("low"))


def _access(ordered: pl.Series) -> tuple[Callable[[list[int]], list[float]], Callable[[list[float]], list[int]]]:
    """Give how to look values up by their places, and places by values; of few values, without a query for each."""
    few = ordered.to_list() if ordered.len() <= _FEW else []

    def at(places: list[int]) -> list[float]:
        return [few[place] for place in places] if few else ordered.gather(places).to_list()

    def places(edges: list[float]) -> list[int]:
        if few:
            return [bisect_left(few, edge) for edge in edges]
        return ordered.search_sorted(pl.Series(edges, dtype=pl.Float64)).to_list()

    return at, places


def _text_column(texts: pl.Series, dtype: str, nulls: int, detail: int) -> Column:
    hashes = texts.hash()
    runs = hashes.sort().rle().struct.unnest()  # len, value
    most = _add.KEPT_VALUES * detail
    is_complete = runs.height <= most
    common = runs.sort("len", "value", descending=[True, False]).head(most).filter(is_complete | (pl.col("len") > 1))
    first = pl.Series([hashes.index_of(value) for value in common["value"]], dtype=pl.UInt32)
    counts = zip(map(_cut, texts.gather(first)), common["len"].to_list(), strict=True)
    return Column(
        kind="text",
        dtype=dtype,
        nulls=nulls,
        blank=int((texts.str.strip_chars() == "").sum()),
        distinct=_distinct_hashes(runs["value"]),
        numbers=_numbers(texts.str.len_chars().sort(), 1, detail),
        values=Values(common=_add.by_frequency(counts), is_complete=is_complete),
    )


def _cut(text: str) -> str:
    """Shorten a text so that it still differs from others that begin as it does."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _distinct(values: pl.Series) -> Distinct:
    if values.dtype.is_float():
        values = values.cast(pl.Float64)
    elif values.dtype not in {pl.UInt64, pl.Int128, pl.UInt128}:
        values = values.cast(pl.Int64)
    return _distinct_hashes(values.hash())


def _distinct_hashes(hashes: pl.Series) -> Distinct:
    """Sketch hashes that are all different."""
    hashed = pl.col("hash")
    register, rest = hashed & (REGISTERS - 1), hashed // REGISTERS
    ranks = (
        pl.DataFrame({"hash": hashes})
        .lazy()
        .group_by(register=register.cast(pl.UInt16))
        .agg(rank=rest.bitwise_leading_zeros().max() - INDEX_BITS + 1)
        .collect()
    )
    return Distinct(count=hashes.len(), is_exact=True, registers=registers_of(ranks.rows()), hashed=_hasher())


@lru_cache(maxsize=1)
def _hasher() -> str:
    """Name the function that hashes: another version of polars, or another processor, may have another one."""
    return f"{pl.Series(['rung']).hash()[0] ^ pl.Series([1790], dtype=pl.Int64).hash()[0]:016x}"
