"""Rows of a source made to fit a dataset's columns: what would become another value is told, never changed.

`_ingest` calls it. A number that has no place in its column, a text that is no date, half a room where rooms are
counted: each is a row that is refused, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from rung.data._types import merge, storable
from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.data.sources import Staged

__all__ = ["POSITION", "columns_for", "fitted", "misfits", "numbers", "widest"]

POSITION: Final = "__rung_position"
"""Column that numbers the rows that were staged, from 0."""
_INSTANTS: Final = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_TRUTHS: Final = {"true": True, "false": False}


def widest(schemas: list[Mapping[str, pl.DataType]]) -> dict[str, pl.DataType]:
    """Give the columns of rows from several pieces: all names, in order, with types that hold all values.

    Raises:
        SchemaError: A column has types that nothing holds.
    """
    frames = [pl.LazyFrame(schema=schema) for schema in schemas]
    try:
        return dict(pl.concat(frames, how="diagonal_relaxed").collect_schema())
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise SchemaError(f"the files do not go together ({reason})", hint="ingest them one by one") from None


def columns_for(before: Mapping[str, pl.DataType], rows: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Give the types with which rows go into a dataset: its own, or wider ones where these hold its values too."""
    fit = dict(before)
    for name, kind in storable(rows).items():
        if name not in before:
            fit[name] = kind
            continue
        try:
            fit[name] = merge({name: before[name]}, {name: kind})[name]
        except SchemaError:  # then its rows fit the dataset's type, or are refused
            fit[name] = before[name]
    return fit


def fitted(rows: pl.LazyFrame, columns: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Give rows these columns, in order; what does not fit is null, and so is a column that is missing."""
    own = rows.collect_schema()
    return rows.select(
        *([POSITION] if POSITION in own else []),
        *(
            (_cast(name, own[name], kind) if name in own else pl.lit(None, dtype=kind)).alias(name)
            for name, kind in columns.items()
        ),
    )


def misfits(rows: pl.LazyFrame, columns: Mapping[str, pl.DataType]) -> pl.LazyFrame | None:
    """Give the rows that have a value that does not fit, with the column `reason`; None when all types are the same."""
    own = rows.collect_schema()
    lost = {
        name: _is_lost(name, own[name], kind) for name, kind in columns.items() if name in own and own[name] != kind
    }
    if not lost:
        return None
    reasons = [
        pl.when(is_lost).then(
            pl.format("{}: {} is no {}", pl.lit(name), _spelled(name, own[name]), pl.lit(str(columns[name])))
        )
        for name, is_lost in lost.items()
    ]
    return rows.filter(pl.any_horizontal(lost.values())).with_columns(
        reason=pl.concat_str(reasons, separator="; ", ignore_nulls=True)
    )


def numbers(staged: Staged, positions: pl.Series) -> pl.Series:
    """Tell which rows of the piece staged rows were, from 1 on: those that could not be read count too."""
    unread = staged.unread["row"].sort()
    before = unread - pl.Series(range(unread.len()), dtype=pl.Int64)
    first = positions.cast(pl.Int64) + 1
    return first + before.search_sorted(first, side="right").cast(pl.Int64)


def _is_lost(name: str, own: pl.DataType, kind: pl.DataType) -> pl.Expr:
    """Say whether a value becomes another one, or none."""
    column, cast = pl.col(name), _cast(name, own, kind)
    lost = cast.is_null()
    if own.is_numeric() and kind.is_numeric():
        lost |= column.is_nan() if own.is_float() and not kind.is_float() else pl.lit(value=False)
        lost |= cast.cast(own, strict=False).ne_missing(column)
    if isinstance(own, pl.Datetime) and kind == pl.Date():
        lost |= column.dt.time() != pl.time(0, 0)
    return column.is_not_null() & lost


def _cast(name: str, own: pl.DataType, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if own == kind:
        return column
    if own == pl.String():
        return _read(column.str.strip_chars(), kind)
    if isinstance(own, pl.Datetime) and isinstance(kind, pl.Datetime):
        zoned = column.dt.replace_time_zone("UTC") if own.time_zone is None else column.dt.convert_time_zone("UTC")
        return (zoned if kind.time_zone else zoned.dt.replace_time_zone(None)).cast(kind)
    if not _goes(own, kind):
        raise SchemaError(
            f"the column {name!r} is of type {own} and would have to be of type {kind}",
            hint="give it another name, or --mode replace takes the new rows in place of all others",
        )
    return column.cast(kind, strict=False)


def _goes(own: pl.DataType, kind: pl.DataType) -> bool:
    """Say whether values of one type mean the same as those of another."""
    if own == pl.Null() or (own.is_nested() and own.base_type() == kind.base_type()):
        return True
    if own.is_numeric() and kind.is_numeric():
        return True
    if isinstance(own, pl.Date | pl.Datetime) and isinstance(kind, pl.Date | pl.Datetime):
        return True
    return kind == pl.String() and not own.is_nested()


def _read(text: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """Read a text; null where it is no value of that type."""
    if kind == pl.Boolean():
        return text.str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    if kind == pl.Date():
        return text.str.to_date("%Y-%m-%d", strict=False)
    if isinstance(kind, pl.Datetime):
        plain = text.str.replace("T", " ", literal=True).str.replace(r"[zZ]$", "+00:00")
        read = (plain.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC") for form in _INSTANTS)
        instant = pl.coalesce(*read)
        return instant if kind.time_zone else instant.dt.replace_time_zone(None)
    return text.cast(kind, strict=False)


def _spelled(name: str, own: pl.DataType) -> pl.Expr:
    if own.is_nested():
        return pl.lit(f"a {own.base_type().__name__.lower()}")
    text = pl.col(name).cast(pl.String, strict=False).fill_null("it").str.slice(0, 100)
    return pl.format("'{}'", text) if own == pl.String() else text
