"""Columns: which types a dataset can have, how they are spelled, how rows come to fit those that are there. Pure."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["conform", "light", "merge", "read_type", "spell", "storable"]

_PLAIN: Final[dict[str, pl.DataType]] = {
    str(kind()): kind()
    for kind in (
        *(pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64),
        *(pl.String, pl.Binary, pl.Date),
    )
}
_STORED_AS: Final[dict[pl.DataType, pl.DataType]] = {
    pl.UInt8(): pl.Int16(),
    pl.UInt16(): pl.Int32(),
    pl.UInt32(): pl.Int64(),
    pl.UInt64(): pl.Int64(),
    pl.Int128(): pl.Int64(),
    pl.Null(): pl.String(),
    pl.Time(): pl.String(),
}
"""Types that Delta has not, and the nearest that it has. A number that does not fit is an error."""
_INTEGERS: Final[list[pl.DataType]] = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64()]


def spell(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Give each column's type as text, which `read_type` reads."""
    return {name: str(kind) for name, kind in schema.items()}


def read_type(text: str) -> pl.DataType:
    """Read what `spell` gave.

    >>> read_type("List(Struct({'a': Int64, 'b': Datetime(time_unit='us', time_zone='UTC')}))")
    List(Struct({'a': Int64, 'b': Datetime(time_unit='us', time_zone='UTC')}))
    """
    kind: pl.DataType = _read(ast.parse(text, mode="eval").body)
    return kind


def storable(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Give the types with which rows of this schema are stored.

    Raises:
        SchemaError: A column has a name or a type that cannot be stored.
    """
    folded: dict[str, str] = {}
    for name in schema:
        if not name or len(name) > 200:  # noqa: PLR2004  as in the entry
            raise SchemaError(f"a column is called {name!r}", hint="give it a name of 1 to 200 characters")
        if folded.setdefault(name.lower(), name) != name:
            raise SchemaError(f"{folded[name.lower()]!r} and {name!r} differ in case alone", hint="rename one of them")
    return {name: _storable(name, kind) for name, kind in schema.items()}


def merge(before: Mapping[str, pl.DataType], rows: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """Give the columns of a dataset after rows of another schema have come to it.

    A column that is new is null in older rows, one that is missing is null in the new rows. A type may become wider.

    Raises:
        SchemaError: A column has a type that does not go with the one that it has had.
    """
    merged = dict(before)
    for name, kind in rows.items():
        merged[name] = _wider(name, before[name], kind) if name in before else kind
    return merged


def conform(rows: pl.LazyFrame, columns: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Give the rows these columns, in order; what is missing is null."""
    own = rows.collect_schema()
    return rows.select(
        (pl.col(name).cast(kind) if name in own else pl.lit(None, dtype=kind)).alias(name)
        for name, kind in columns.items()
    )


def light(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Give rows with words in place of bytes: how many they are, and a hash that tells them from others.

    >>> light(pl.LazyFrame({"content": [b"abc", None]})).collect()["content"].str.head(7).to_list()
    ['3 bytes', None]
    """
    every = pl.selectors.binary()
    return rows.with_columns(pl.format("{} bytes, hash {}", every.bin.size(), every.hash()))


def _storable(name: str, kind: pl.DataType) -> pl.DataType:
    match kind:
        case pl.List() | pl.Array():
            return pl.List(_storable(name, _instance(kind.inner)))
        case pl.Struct():
            return pl.Struct({field.name: _storable(name, _instance(field.dtype)) for field in kind.fields})
        case pl.Datetime():
            return pl.Datetime("us", None if kind.time_zone is None else "UTC")
        case pl.Decimal() | pl.Categorical() | pl.Enum():
            return kind if isinstance(kind, pl.Decimal) else pl.String()
    if kind in _STORED_AS:
        return _STORED_AS[kind]
    if kind not in _PLAIN.values():
        raise SchemaError(f"the column {name!r} is of type {kind}, which cannot be stored", hint="cast it first")
    return kind


def _wider(name: str, one: pl.DataType, other: pl.DataType) -> pl.DataType:
    if one == other:
        return one
    pair = {one, other}
    if one in _INTEGERS and other in _INTEGERS:
        return max(one, other, key=_INTEGERS.index)
    if pair == {pl.Float32(), pl.Float64()} or (pl.Float64() in pair and pair & set(_INTEGERS[:3])):
        return pl.Float64()
    if pair == {pl.Date(), pl.Datetime("us")}:
        return pl.Datetime("us")
    raise SchemaError(
        f"the column {name!r} is of type {one}, and of type {other} in the new rows",
        hint="cast them first, give the column another name, or replace the dataset",
    )


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _PLAIN:
            return _PLAIN[name]
        case ast.Constant(value=value):
            return value
        case ast.Dict(keys=keys, values=values):
            return {_read(key): _read(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Call(func=ast.Name(id="List" | "Struct" | "Datetime" | "Decimal" as name), args=args, keywords=given):
            options = {keyword.arg: _read(keyword.value) for keyword in given if keyword.arg}
            return getattr(pl, name)(*map(_read, args), **options)
    raise SchemaError(f"{ast.unparse(node)} is no type of a column", hint="`rung doctor` tells more")


def _instance(kind: Any) -> pl.DataType:
    found: pl.DataType = kind() if isinstance(kind, type) else kind
    return found
