"""What the schemas of a route mean for columns: which are read of the input, which are written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fields", "answer_types", "read_fields"]

_SCALARS: Final[dict[str, pl.DataType]] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "string": pl.String(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of an instance."""

    kinds: Mapping[str, str]  # name to "boolean", "integer", "number", "string", or "" for what is none of them
    required: frozenset[str]
    nullable: frozenset[str]
    is_open: bool  # takes fields that it does not name

    @property
    def types(self) -> dict[str, pl.DataType]:
        """Types as which columns of text are read."""
        return {name: _SCALARS.get(kind, pl.String()) for name, kind in self.kinds.items()}


def read_fields(schema: Mapping[str, Any]) -> Fields:
    """Read the fields of an instance from its JSON Schema."""
    definitions = schema.get("$defs", {})
    whole = _resolved(schema, definitions)
    properties: Mapping[str, Any] = whole.get("properties", {})
    told = {name: _alternatives(value, definitions) for name, value in properties.items()}
    return Fields(
        kinds={name: _only([str(one.get("type", "")) for one in some]) for name, some in told.items()},
        required=frozenset(whole.get("required", ())),
        nullable=frozenset(name for name, some in told.items() if any(_takes_null(one) for one in some)),
        is_open=bool(whole.get("additionalProperties", False)),
    )


def answer_types(schema: Mapping[str, Any]) -> dict[str, pl.DataType | None]:
    """Tell the columns of a prediction from its JSON Schema.

    Returns:
        Name to type; None for what no type of a column holds: it is written as JSON. Without names: the prediction is
        no object of fixed fields, and is written as JSON as a whole.
    """
    definitions = schema.get("$defs", {})
    whole = _resolved(schema, definitions)
    if whole.get("additionalProperties"):
        return {}
    return {name: _type(value, definitions, depth=0) for name, value in whole.get("properties", {}).items()}


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int) -> pl.DataType | None:
    kinds = [one for one in _alternatives(schema, definitions) if one.get("type") != "null"]
    if len(kinds) != 1 or depth > 8:  # noqa: PLR2004  a schema may refer to itself
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


def _alternatives(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give what a value may be, one schema for each kind."""
    whole = _resolved(schema, definitions)
    if isinstance(whole.get("type"), list):
        return [{**whole, "type": kind} for kind in whole["type"]]
    some = whole.get("anyOf") or whole.get("oneOf")
    return [_resolved(one, definitions) for one in some] if some else [whole]


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None and len(schema.get("allOf", ())) == 1:
        reference = schema["allOf"][0].get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = definitions.get(str(reference).rpartition("/")[2], {})
    return found


def _only(kinds: list[str]) -> str:
    found = [kind for kind in kinds if kind != "null"]
    return found[0] if len(found) == 1 and found[0] in _SCALARS else ""


def _takes_null(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "null" or not schema.keys() & {"type", "enum", "const", "anyOf", "oneOf", "$ref"}
