"""What changed in the rows between two versions: by their key where there is one, else as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data._ingest.fit import fitted
from rung.data._types import light, read_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.data._catalogue import Catalogue
    from rung.data._version import Version

__all__ = ["Difference", "as_json", "difference"]

_OLD: Final = "__rung_old_"
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Counts are rows."""

    one: Version
    other: Version
    key: tuple[str, ...]  # by which rows were told apart; empty: rows as a whole
    added: int
    removed: int
    changed: int  # always 0 without a key
    changed_in: dict[str, int] = field(default_factory=dict)  # column -> rows whose value changed
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # "added", "removed", "changed": the first

    @property
    def new_columns(self) -> dict[str, str]:
        """Columns that only the other has, and their types."""
        return {name: kind for name, kind in self.other.columns.items() if name not in self.one.columns}

    @property
    def gone_columns(self) -> dict[str, str]:
        """Columns that only the one has, and their types."""
        return {name: kind for name, kind in self.one.columns.items() if name not in self.other.columns}

    @property
    def retyped_columns(self) -> dict[str, tuple[str, str]]:
        """Columns whose type changed: before and after."""
        both = self.one.columns.keys() & self.other.columns.keys()
        pairs = {name: (self.one.columns[name], self.other.columns[name]) for name in self.one.columns if name in both}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def difference(catalogue: Catalogue, one: Version, other: Version, *, key: Sequence[str]) -> Difference:
    """Compare the rows of two versions.

    Args:
        catalogue: Where they lie.
        one: The one before.
        other: The one after.
        key: Columns that tell rows apart; without any, or where a version lacks one, rows are compared as a whole.
    """
    columns = {name: read_type(kind) for name, kind in other.columns.items()}
    shared = {name: kind for name, kind in columns.items() if name in one.columns}
    if one.digest == other.digest:
        return Difference(one=one, other=other, key=tuple(key), added=0, removed=0, changed=0)
    before = light(fitted(catalogue.scan(one), shared))
    after = light(catalogue.scan(other).select(list(shared)))
    if key and all(name in shared for name in key):
        return _by_key(one, other, (before, after), tuple(key))
    return _as_wholes(one, other, before, after)


def _by_key(one: Version, other: Version, rows: tuple[pl.LazyFrame, pl.LazyFrame], key: tuple[str, ...]) -> Difference:
    before, after = rows
    values = [name for name in before.collect_schema() if name not in key]
    added = after.join(before, on=key, how="anti", nulls_equal=True)
    removed = before.join(after, on=key, how="anti", nulls_equal=True)
    both = after.join(before.rename({name: _OLD + name for name in values}), on=key, how="inner", nulls_equal=True)
    moved = {name: pl.col(name).ne_missing(pl.col(_OLD + name)) for name in values}
    changed = both.filter(pl.any_horizontal(moved.values())) if moved else both.filter(pl.lit(value=False))
    sums = changed.select(pl.len().alias(_OLD), *(is_moved.sum().alias(name) for name, is_moved in moved.items()))
    counted = sums.collect(engine="streaming").to_dicts()[0]
    number = counted.pop(_OLD)
    shown = [
        {
            **{name: row[name] for name in key},
            **{name: [row[_OLD + name], row[name]] for name in values if row[name] != row[_OLD + name]},
        }
        for row in _first(changed)
    ]
    return Difference(
        one=one,
        other=other,
        key=key,
        added=_count(added),
        removed=_count(removed),
        changed=number,
        changed_in={name: rows for name, rows in counted.items() if rows},
        examples={"added": _first(added), "removed": _first(removed), "changed": shown},
    )


def _as_wholes(one: Version, other: Version, before: pl.LazyFrame, after: pl.LazyFrame) -> Difference:
    """Count how often each row is there, before and after."""
    columns = before.collect_schema().names()
    counts = (
        pl.concat([before.with_columns(pl.lit(-1).alias(_OLD)), after.with_columns(pl.lit(1).alias(_OLD))])
        .group_by(pl.struct(columns).hash(0).alias("a"), pl.struct(columns).hash(1).alias("b"))
        .agg(pl.col(_OLD).sum(), pl.struct(columns).first().alias("row"))
        .filter(pl.col(_OLD) != 0)
    )
    changed = counts.collect(engine="streaming")
    more, less = changed.filter(pl.col(_OLD) > 0), changed.filter(pl.col(_OLD) < 0)
    return Difference(
        one=one,
        other=other,
        key=(),
        added=int(more[_OLD].sum()),
        removed=-int(less[_OLD].sum()),
        changed=0,
        examples={"added": more["row"].head(_EXAMPLES).to_list(), "removed": less["row"].head(_EXAMPLES).to_list()},
    )


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def _first(rows: pl.LazyFrame) -> list[dict[str, Any]]:
    return rows.head(_EXAMPLES).collect(engine="streaming").to_dicts()


def as_json(found: Difference) -> dict[str, Any]:
    """Give it as plain JSON data."""
    return {
        "one": found.one.ref,
        "other": found.other.ref,
        "key": list(found.key),
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "changed_in": found.changed_in,
        "examples": found.examples,
        "new_columns": found.new_columns,
        "gone_columns": found.gone_columns,
        "retyped_columns": {name: list(pair) for name, pair in found.retyped_columns.items()},
    }
