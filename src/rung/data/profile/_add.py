"""The statistics of parts, added up to those of the whole; and made smaller, for keeping. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rung.data.profile import _bins, _distinct
from rung.data.profile._values import SHARES, Column, Correlation, Numbers, Profile, Values, finite
from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


__all__ = ["KEPT_BINS", "KEPT_VALUES", "add", "by_frequency", "combine", "fewer_values", "settle"]

KEPT_BINS: Final = 64
"""No bin that is kept holds more than this part of the values, unless they are all the same."""
KEPT_VALUES: Final = 64
"""Frequent values that are kept."""


def add(parts: Iterable[Profile]) -> Profile:
    """Give the statistics of several parts together, none of whose rows is in another one.

    Counts, extremes, means and deviations are exact. Quantiles are read off the bins; how many different values there
    are is estimated, unless all of them are known; a correlation is what follows from the parts' own.

    Raises:
        SchemaError: A column is of one kind here and of another there.
    """
    return settle(reduce(combine, parts))


def settle(profile: Profile, *, detail: int = 1) -> Profile:
    """Keep as many bins and values as are worth keeping, in so many times the usual detail."""
    columns = {
        name: replace(
            column,
            numbers=column.numbers and _fewer_bins(column.numbers, KEPT_BINS * detail),
            values=column.values and fewer_values(column.values, KEPT_VALUES * detail),
        )
        for name, column in profile.columns.items()
    }
    return replace(profile, columns=columns)


def combine(one: Profile, other: Profile) -> Profile:
    """Add two parts, in full detail."""
    columns = {}
    for name in {**one.columns, **other.columns}:
        pair = one.columns.get(name), other.columns.get(name)
        columns[name] = _columns(name, pair[0] or _absent(pair[1], one.rows), pair[1] or _absent(pair[0], other.rows))
    return Profile(
        rows=one.rows + other.rows,
        columns=columns,
        correlations=tuple(_correlations(one, other)),
        key=one.key or other.key,
    )


def _absent(column: Column | None, rows: int) -> Column:
    """Give a column of a part that lacks it: null in every row."""
    assert column is not None  # noqa: S101  one of the two parts has it
    return Column(kind="other", dtype=column.dtype, nulls=rows)


def _columns(name: str, one: Column, other: Column) -> Column:
    if "other" not in {one.kind, other.kind} and one.kind != other.kind:
        raise SchemaError(
            f"the column {name!r} holds {one.dtype} here and {other.dtype} there",
            hint="statistics are added where a column keeps its type; make those of the whole anew",
        )
    kind = other.kind if one.kind == "other" else one.kind
    values = _both(_values, one.values, other.values)
    numbers = _both(_numbers, one.numbers, other.numbers)
    exact = _different(values, numbers if kind in {"number", "date", "moment", "duration"} else None)
    return Column(
        kind=kind,
        dtype=one.dtype if other.kind == "other" else other.dtype,
        nulls=one.nulls + other.nulls,
        blank=one.blank + other.blank,
        distinct=_both(lambda here, there: _distinct.added(here, there, exact=exact), one.distinct, other.distinct),
        numbers=numbers,
        values=values,
    )


def _different(values: Values | None, numbers: Numbers | None) -> int | None:
    """Count different values, where all of them are known."""
    if values is not None and values.is_complete:
        return len(values.common)
    is_known = numbers is not None and not numbers.nan and not numbers.infinite
    if numbers is not None and is_known and all(one.low == one.high for one in numbers.bins):
        return len(numbers.bins)
    return None


def _both(add_up: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    return add_up(one, other) if one is not None and other is not None else one if other is None else other


def _values(one: Values, other: Values) -> Values:
    counts = Counter(dict(one.common))
    counts.update(dict(other.common))
    return Values(common=by_frequency(counts.items()), is_complete=one.is_complete and other.is_complete)


def by_frequency(counts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Order values by how often they occur, the most frequent first; those that occur as often by themselves."""
    return tuple(sorted(counts, key=lambda item: (-item[1], item[0])))


def fewer_values(values: Values, most: int) -> Values:
    """Keep the most frequent values; of those that occur once none, unless all are kept."""
    if values.is_complete and len(values.common) <= most:
        return values
    return Values(common=tuple(one for one in values.common[:most] if one[1] > 1), is_complete=False)


def _numbers(one: Numbers, other: Numbers) -> Numbers:
    if not one.finite or not other.finite:
        some = one if one.finite else other
        return replace(some, nan=one.nan + other.nan, infinite=one.infinite + other.infinite)
    bins = tuple(_bins.added(one.bins, other.bins))
    mean, deviation = _moments(one, other)
    low, high = min(one.low, other.low), max(one.high, other.high)  # type: ignore[type-var]
    return Numbers(
        finite=one.finite + other.finite,
        nan=one.nan + other.nan,
        infinite=one.infinite + other.infinite,
        zeros=one.zeros + other.zeros,
        negative=one.negative + other.negative,
        low=low,
        high=high,
        mean=mean,
        deviation=deviation,
        quantiles=quantiles_of(bins, low, high),
        is_exact=False,
        bins=bins,
    )


def quantiles_of(bins: Sequence[_bins.Bin], low: float | None, high: float | None) -> tuple[float, ...]:
    """Read the quantiles off the bins, never beyond the extremes."""
    if low is None or high is None:
        return ()
    return tuple(float(min(max(value, low), high)) for value in _bins.quantiles(bins, SHARES))


def _moments(one: Numbers, other: Numbers) -> tuple[float | None, float | None]:
    """Add means and deviations (T. Chan et al., "Updating formulae", 1979)."""
    if one.mean is None or other.mean is None:
        return None, None
    total = one.finite + other.finite
    apart = other.mean - one.mean
    squares = _squares(one) + _squares(other) + apart * apart * one.finite * other.finite / total
    return finite(one.mean + apart * other.finite / total), finite(math.sqrt(squares / (total - 1)))


def _squares(part: Numbers) -> float:
    """Give the sum of squares around the mean; infinite where it is no float."""
    if part.deviation is None:
        return 0.0 if part.finite == 1 else math.inf
    return part.deviation * part.deviation * (part.finite - 1)


def _fewer_bins(numbers: Numbers, bins: int) -> Numbers:
    if len(numbers.bins) <= bins:
        return numbers
    most = max(numbers.finite // bins, 1)
    return replace(numbers, bins=tuple(_bins.coarser(numbers.bins, most)))


def _correlations(one: Profile, other: Profile) -> Iterable[Correlation]:
    if not one.rows or not other.rows:
        yield from one.correlations or other.correlations
        return
    for pair in {(each.one, each.other): None for part in (one, other) for each in part.correlations}:
        here, there = _spread(one, *pair), _spread(other, *pair)
        r = _together(here, there) if here is not None and there is not None else None
        if r is not None:
            yield Correlation(one=pair[0], other=pair[1], r=r)


_Spread: TypeAlias = tuple[int, float, float, float, float, float]
"""Of two columns in one part: values, both means, both sums of squares, sum of products."""


def _spread(part: Profile, one: str, other: str) -> _Spread | None:
    """Give how two columns are spread, from what is kept of each and of both."""
    numbers = [part.columns[name].numbers if name in part.columns else None for name in (one, other)]
    x, y = numbers
    if x is None or y is None or x.mean is None or y.mean is None:
        return None
    count = min(x.finite, y.finite)
    width, height = ((each.deviation or 0.0) * math.sqrt(max(count - 1, 0)) for each in (x, y))
    r = next((pair.r for pair in part.correlations if (pair.one, pair.other) == (one, other)), None)
    if r is None and width and height:
        return None
    return count, x.mean, y.mean, width * width, height * height, (r or 0.0) * width * height


def _together(one: _Spread, other: _Spread) -> float | None:
    count = one[0] + other[0]
    across, up = other[1] - one[1], other[2] - one[2]
    weight = one[0] * other[0] / count
    width, height = one[3] + other[3] + across * across * weight, one[4] + other[4] + up * up * weight
    product = one[5] + other[5] + across * up * weight
    scale = math.sqrt(width) * math.sqrt(height)
    return max(-1.0, min(product / scale, 1.0)) if scale and math.isfinite(scale + product) else None
