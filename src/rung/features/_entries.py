"""From the rows of a view to the entries of an online store, one for each entity; and which of them differ."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.features._entry import Entry, spell_key
from rung.features._rows import TIME, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.features._view import FeatureView

__all__ = ["changed", "count", "entries", "kept", "kinds", "places", "removed"]

_IS_WHOLE: Final = "__rung_is_whole"


def kept(view: FeatureView, rows: pl.LazyFrame, *, now: datetime) -> pl.DataFrame:
    """Give the rows that a store keeps, sorted by entity and time, with the newest last.

    That are those that are not known yet at this moment, and before them as many as the view's history says.

    Args:
        view: Whose rows.
        rows: As `rows` gives them.
        now: Rows after it become known later.
    """
    ordered = known(view, rows)
    if view.history is None:
        return ordered.with_columns(pl.lit(True).alias(_IS_WHOLE)).collect()  # noqa: FBT003  a literal of the engine
    entity = list(view.entities)
    is_known = pl.col(TIME) <= pl.lit(now).dt.cast_time_unit("us")
    newer = is_known.cast(pl.Int64).cum_sum(reverse=True).over(entity)
    stays = ~is_known | (newer <= view.history)
    return ordered.with_columns(stays.all().over(entity).alias(_IS_WHOLE)).filter(stays).collect()


def changed(view: FeatureView, now: pl.DataFrame, before: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare what is kept of two versions.

    Returns:
        All rows of the entities that differ, and the entities that have no row any more.
    """
    entity = list(view.entities)
    one, other = _exact(now), _exact(before)
    every = one.columns
    differing = pl.concat(
        [
            one.join(other, on=every, how="anti", nulls_equal=True).select(entity),
            other.join(one, on=every, how="anti", nulls_equal=True).select(entity),
        ]
    ).unique()
    gone = differing.join(now, on=entity, how="anti")
    return now.join(differing, on=entity, how="semi", maintain_order="left"), gone


def entries(view: FeatureView, rows: pl.DataFrame, versions: list[int]) -> Iterator[tuple[str, str]]:
    """Spell the entries of these rows: the key of each entity and its text.

    Args:
        view: Whose rows.
        rows: As `kept` gives them: all that are kept of each entity, together.
        versions: Of the sources.
    """
    width = len(view.entities)
    of, lines, is_whole = None, [], True
    for entity, line, whole in _lines(view, rows, width):
        if entity != of and of is not None:
            yield spell_key(of), Entry(versions=versions, is_whole=is_whole, rows=lines[::-1]).to_text()
            lines = []
        of, is_whole = entity, whole
        lines.append(line)
    if of is not None:
        yield spell_key(of), Entry(versions=versions, is_whole=is_whole, rows=lines[::-1]).to_text()


def removed(gone: pl.DataFrame, versions: list[int]) -> Iterator[tuple[str, str]]:
    """Spell the entries of entities that have no row any more."""
    nothing = Entry(versions=versions, is_whole=True, rows=[]).to_text()
    for entity in gone.iter_rows():
        yield spell_key(entity), nothing


def places(view: FeatureView, rows: pl.DataFrame) -> dict[str, tuple[int, int]]:
    """Tell where the rows of each entity are: the first one, and how many."""
    runs = rows.select(pl.struct(view.entities).rle().alias("run")).unnest("run")
    starts = runs["len"].cum_sum() - runs["len"]
    entities = runs["value"].struct.unnest().iter_rows()
    return {
        spell_key(entity): (start, length)
        for entity, start, length in zip(entities, starts.to_list(), runs["len"].to_list(), strict=True)
    }


def count(view: FeatureView, rows: pl.DataFrame) -> int:
    """Count the entities of rows that `kept` gave."""
    return rows.select(pl.struct(view.entities).rle_id().max()).item() + 1 if rows.height else 0


def kinds(view: FeatureView, rows: pl.DataFrame) -> list[str]:
    """Name the types of the columns that name the entity, as Python has them."""
    return ["int" if rows.schema[name].is_integer() else "str" for name in view.entities]


def _lines(view: FeatureView, rows: pl.DataFrame, width: int) -> Iterator[tuple[tuple[Any, ...], list[Any], bool]]:
    """Give entity, row as JSON has it, and whether nothing was left out, for each row."""
    plain = rows.select(
        *view.entities,
        pl.col(TIME).cast(pl.Int64),
        *(_plain(name, feature.kind) for name, feature in view.features.items()),
        _IS_WHOLE,
    )
    for row in plain.iter_rows():
        yield row[:width], list(row[width:-1]), row[-1]


def _plain(name: str, kind: type) -> pl.Expr:
    if kind is datetime:
        return pl.col(name).cast(pl.Int64)
    return pl.col(name).dt.to_string("%Y-%m-%d") if kind is date else pl.col(name)


def _exact(rows: pl.DataFrame) -> pl.DataFrame:
    """Spell floats, so that two are equal only if they are the same: 0.0 is not -0.0."""
    floats = [name for name, kind in rows.schema.items() if kind.is_float()]
    return rows.with_columns(pl.col(name).cast(pl.String) for name in floats)
