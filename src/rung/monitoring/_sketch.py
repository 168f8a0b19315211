"""What one revision answered in one hour, or in any longer time: statistics that can be added up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data.profile import Column, Profile, add, profile
from rung.monitoring._rows import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["EMPTY", "Sketch", "count_of", "sketch", "statistics", "together"]

_ANSWERED, _FAILED = (200, 299), 500
_COLUMNS: Final = 4
"""That are read at once: of a million rows that is 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """Requests and their rows."""

    requests: Profile  # of `outcome` (answered, refused, failed) and `duration_ms`
    rows: Profile  # of the fields of instances and predictions that were answered

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {"requests": self.requests.to_json(), "rows": self.rows.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sketch:
        """Read what `to_json` gave."""
        return cls(requests=Profile.from_json(data["requests"]), rows=Profile.from_json(data["rows"]))


EMPTY: Final = Sketch(requests=Profile(rows=0, columns={}), rows=Profile(rows=0, columns={}))


def sketch(answers: pl.DataFrame, vocabularies: Mapping[str, frozenset[int]]) -> Sketch:
    """Make the sketch of some logged requests: `status`, `duration_ms`, and the columns of `_rows.READ`."""
    status = pl.col("status")
    unanswered = pl.when(status >= _FAILED).then(pl.lit("failed")).otherwise(pl.lit("refused"))
    outcome = pl.when(status.is_between(*_ANSWERED)).then(pl.lit("answered")).otherwise(unanswered)
    requests = answers.select(outcome=outcome, duration_ms=pl.col("duration_ms"))
    return Sketch(
        requests=profile(requests),
        rows=statistics(columns_of(answers.filter(status.is_between(*_ANSWERED)), vocabularies)),
    )


def statistics(rows: pl.LazyFrame | pl.DataFrame) -> Profile:
    """Make the statistics of rows, however many.

    A lazy frame is read some columns at a time: in less memory, and without the correlations between all of them.
    """
    if isinstance(rows, pl.DataFrame):
        return profile(rows) if rows.width else EMPTY.rows
    names = rows.collect_schema().names()
    parts = [profile(rows.select(names[first : first + _COLUMNS])) for first in range(0, len(names), _COLUMNS)]
    if not parts:
        return EMPTY.rows
    return Profile(rows=parts[0].rows, columns={name: each for part in parts for name, each in part.columns.items()})


def together(sketches: Iterable[Sketch]) -> Sketch:
    """Add sketches of different requests up."""
    every = list(sketches)
    return Sketch(requests=_added([one.requests for one in every]), rows=_added([one.rows for one in every]))


def _added(parts: Iterable[Profile]) -> Profile:
    """Add statistics up; a column that is of several kinds has none, and is named as such."""
    there = [part for part in parts if part.rows]
    if not there:
        return EMPTY.rows
    kinds = defaultdict(set)
    for part in there:
        for name, column in part.columns.items():
            kinds[name].add(column.kind)
    mixed = {name for name, found in kinds.items() if len(found - {"other"}) > 1}
    return add(_without(part, mixed) for part in there)


def _without(part: Profile, names: set[str]) -> Profile:
    columns = {
        name: Column(kind="other", dtype="mixed", nulls=column.nulls) if name in names else column
        for name, column in part.columns.items()
    }
    pairs = tuple(pair for pair in part.correlations if not {pair.one, pair.other} & names)
    return replace(part, columns=columns, correlations=pairs)


def count_of(requests: Profile, outcome: str) -> int:
    """Count the requests that were `answered`, `refused` or `failed`."""
    column = requests.columns.get("outcome")
    return dict(column.values.common).get(outcome, 0) if column is not None and column.values is not None else 0
