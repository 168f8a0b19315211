"""The rows of a view: what its sources hold, through its transform, in exactly the types that it declares.

The join of training and the materialisation for serving both begin here, so that a value has one way to come about.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from rung.data import Dataset
from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rung.features._view import FeatureView

__all__ = ["INSTANT", "TIME", "TYPES", "entity_type", "instants", "known", "rows", "typed"]

INSTANT: Final = pl.Datetime("us", "UTC")
TIME: Final = "__rung_time"
"""Column with the instant of a row: a view's own name of it may be that of a column of a spine."""
TYPES: Final[dict[type, pl.DataType]] = {
    bool: pl.Boolean(),
    int: pl.Int64(),
    float: pl.Float64(),
    str: pl.String(),
    date: pl.Date(),
    datetime: INSTANT,
}


def rows(view: FeatureView, versions: Sequence[int] | None = None) -> pl.LazyFrame:
    """Give the rows of a view: the columns of its entity, `TIME`, its features.

    Args:
        view: Whose rows.
        versions: Of its sources; None: those that they name.

    Raises:
        NotFoundError: A source is not there.
        SchemaError: The columns are not those that the view declares.
    """
    sources = view.sources
    if versions is not None:
        sources = tuple(
            Dataset(source.name, version=number, contract=source.contract)
            for source, number in zip(sources, versions, strict=True)
        )
    frames = [source.scan() for source in sources]
    return typed(view, frames[0] if view.transform is None else view.transform(*frames))


def typed(view: FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Select what a view declares, in its types.

    Raises:
        SchemaError: A column is missing, or of a type that would lose something.
    """
    if not isinstance(frame, pl.LazyFrame):
        raise SchemaError(
            f"the transform of {view.name} gave a {type(frame).__name__}", hint="give a polars LazyFrame: .lazy()"
        )
    schema = frame.collect_schema()
    missing = [name for name in (*view.entities, view.time, *view.features) if name not in schema]
    if missing:
        raise SchemaError(
            f"the rows of {view.name} have no column {', '.join(map(repr, missing))}",
            hint=f"they have {', '.join(schema.names())}",
        )
    return frame.select(
        *(
            pl.col(name).cast(entity_type(schema[name], where=f"{view.name}.{name}")).alias(name)
            for name in view.entities
        ),
        instants(view.time, schema[view.time], where=f"{view.name}.{view.time}").alias(TIME),
        *(
            _value(name, schema[name], feature.kind, where=f"{view.name}.{name}").alias(name)
            for name, feature in view.features.items()
        ),
    )


def known(view: FeatureView, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Give the rows that can be found: one for each entity and instant, the last of several; sorted by both."""
    by = [*view.entities, TIME]
    ordered = frame.drop_nulls(by).sort(by, maintain_order=True)
    return ordered.filter(~pl.struct(by).eq(pl.struct(by).shift(-1)).fill_null(value=False))


def entity_type(kind: pl.DataType, *, where: str) -> pl.DataType:
    """Give the type in which entities are compared.

    Raises:
        SchemaError: They are neither whole numbers nor text.
    """
    if kind.is_integer():
        return pl.Int64()
    if isinstance(kind, pl.String | pl.Categorical | pl.Enum):
        return pl.String()
    raise SchemaError(f"{where} is of type {kind}", hint="an entity is named by whole numbers or text")


def instants(name: str, kind: pl.DataType, *, where: str) -> pl.Expr:
    """Give a column as instants: without a time zone it is UTC, a date is its midnight.

    Raises:
        SchemaError: It holds neither.
    """
    column = pl.col(name)
    if isinstance(kind, pl.Date):
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(kind, pl.Datetime):
        micro = column.dt.cast_time_unit("us")
        return micro.dt.replace_time_zone("UTC") if kind.time_zone is None else micro.dt.convert_time_zone("UTC")
    raise SchemaError(f"{where} is of type {kind}", hint="a time is a date or a datetime")


def _value(name: str, kind: pl.DataType, wanted: type, *, where: str) -> pl.Expr:
    """Give a feature in its type; a number that is not finite is missing."""
    if wanted is datetime and isinstance(kind, pl.Datetime):
        return instants(name, kind, where=where)
    column = pl.col(name)
    if wanted is float and kind.is_numeric():
        number = column.cast(pl.Float64)
        return pl.when(number.is_finite()).then(number)
    fits: Mapping[type, bool] = {
        bool: isinstance(kind, pl.Boolean),
        int: kind.is_integer(),
        str: isinstance(kind, pl.String | pl.Categorical | pl.Enum),
        date: isinstance(kind, pl.Date),
    }
    if not fits.get(wanted, False) and not isinstance(kind, pl.Null):
        raise SchemaError(
            f"{where} is of type {kind}, and the view declares {wanted.__name__}",
            hint="declare what it is, or cast it in the view's transform",
        )
    return column.cast(TYPES[wanted])
