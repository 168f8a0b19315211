"""Statistics of rows, in one pass: parts that fit into memory are measured one by one and added up.

What one part says is exact; of several parts, what is estimated is marked so.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.data.profile import _add
from rung.data.profile._column import measure_column
from rung.data.profile._values import Correlation, Profile
from rung.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["profile"]

_CELLS: Final = 24_000_000
"""Values of a part; of numbers that is 190 MB."""
_LEAST_ROWS: Final = 10_000
"""Of a part, however many columns there are."""
_DETAIL: Final = 8
"""While parts are added, bins and values are kept in this many times the detail."""
_CORRELATED: Final = 30
"""Columns of numbers whose correlations are measured: 435 pairs."""
_CORRELATED_ROWS: Final = 100_000
"""Rows of a part that they are measured on, evenly spread: the error is below 0.004."""


def profile(
    frame: pl.LazyFrame | pl.DataFrame, *, key: Sequence[str] = (), progress: Callable[[int], None] | None = None
) -> Profile:
    """Measure the columns of a frame.

    Args:
        frame: The rows; a lazy frame is read once, in parts.
        key: Columns that should tell rows apart: rows whose key an earlier row has are counted.
        progress: Called with the rows that were measured so far.

    Raises:
        NotFoundError: A column of the key is not there.

    >>> found = profile(pl.DataFrame({"rooms": [1, 2, 2, None]}))
    >>> found.columns["rooms"].nulls, found.columns["rooms"].numbers.median
    (1, 2.0)
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    lengths = lazy.with_columns(pl.selectors.binary().bin.size())  # of bytes no more is measured, and they are large
    missing = [name for name in key if name not in schema]
    if missing:
        raise NotFoundError(f"the key {', '.join(missing)} is no column", hint=f"there are {', '.join(schema)}")
    keys: list[pl.Series] = []

    def measured(part: pl.DataFrame, detail: int) -> Profile:
        keys.append(pl.DataFrame([part.get_column(name) for name in key]).hash_rows() if key else pl.Series())
        return _measure(part, schema, detail)

    parts = iter(lengths.collect_batches(chunk_size=max(_CELLS // max(len(schema), 1), _LEAST_ROWS)))
    ahead = deque(itertools.islice(parts, 2)) or deque([lengths.collect_schema().to_frame()])
    detail = 1 if len(ahead) == 1 else _DETAIL
    whole: Profile | None = None
    while ahead:
        found = measured(ahead.popleft(), detail)
        whole = found if whole is None else _add.settle(_add.combine(whole, found), detail=detail)
        ahead.extend(itertools.islice(parts, 1))
        if progress is not None:
            progress(whole.rows)
    return _with_key(_add.settle(whole or Profile(rows=0, columns={})), key, keys)


def _with_key(found: Profile, key: Sequence[str], keys: Sequence[pl.Series]) -> Profile:
    """Count the rows whose key an earlier row has."""
    repeated = found.rows - pl.concat(keys).n_unique() if key else None
    return replace(found, key=tuple(key), repeated=repeated)


def _measure(part: pl.DataFrame, schema: pl.Schema, detail: int) -> Profile:
    columns = {
        name: measure_column(part.get_column(name).alias("values"), dtype, detail) for name, dtype in schema.items()
    }
    numeric = [name for name, column in columns.items() if column.kind == "number"][:_CORRELATED]
    return Profile(rows=part.height, columns=columns, correlations=tuple(_correlations(part, numeric)))


def _correlations(part: pl.DataFrame, names: Sequence[str]) -> Iterator[Correlation]:
    """Correlate columns pair by pair; by their places, because a name may mean something to polars, as `*`."""
    every = max(part.height // _CORRELATED_ROWS, 1)
    numbers = pl.DataFrame(
        [part.get_column(name).alias(str(n)).gather_every(every).cast(pl.Float64) for n, name in enumerate(names)]
    )
    numbers = numbers.select(pl.when(pl.all().is_finite()).then(pl.all()))
    pairs = list(itertools.combinations(range(len(names)), 2))
    found = numbers.select(pl.corr(str(one), str(other)).alias(f"{one} {other}") for one, other in pairs)
    for (one, other), r in zip(pairs, found.rows()[0] if pairs else (), strict=True):
        if r is not None and math.isfinite(r):
            yield Correlation(one=names[one], other=names[other], r=max(-1.0, min(r, 1.0)))
