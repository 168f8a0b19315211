"""What the schemas of a route mean for columns: which are read of the input, which are written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.schema import alternatives, read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.schema import Fields

__all__ = ["answer_types", "text_types"]

_SCALARS: Final[dict[str, pl.DataType]] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "string": pl.String(),
}
_DEEPEST: Final = 8  # a schema may refer to itself


def text_types(fields: Fields) -> dict[str, pl.DataType]:
    """Tell as which types columns of text are read that are fields of an instance."""
    return {name: _SCALARS.get(kind, pl.String()) for name, kind in fields.kinds.items()}


def answer_types(schema: Mapping[str, Any]) -> dict[str, pl.DataType | None]:
    """Tell the columns of a prediction from its JSON Schema.

    Returns:
        Name to type; None for what no type of a column holds: it is written as JSON. Without names: the prediction is
        no object of fixed fields, and is written as JSON as a whole.
    """
    fields = read_fields(schema)
    if fields.is_open:
        return {}
    return {name: _type(value, fields.definitions, depth=0) for name, value in fields.schemas.items()}


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int) -> pl.DataType | None:
    kinds = [one for one in alternatives(schema, definitions) if one.get("type") != "null"]
    if len(kinds) != 1 or depth > _DEEPEST:
        return None
    (only,) = kinds
    kind = only.get("type")
    if kind == "array" and isinstance(only.get("items"), dict):
        inner = _type(only["items"], definitions, depth=depth + 1)
        return None if inner is None else pl.List(inner)
    if kind == "object" and only.get("properties") and not only.get("additionalProperties"):
        fields = {name: _type(one, definitions, depth=depth + 1) for name, one in only["properties"].items()}
        known = {name: one for name, one in fields.items() if one is not None}
        return pl.Struct(known) if len(known) == len(fields) else None
    return _SCALARS.get(str(kind))
