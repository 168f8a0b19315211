"""The fields of an instance or a prediction, read from its JSON Schema: what tables and other tools have for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fields", "alternatives", "read_fields"]

_SCALARS: Final = frozenset({"boolean", "integer", "number", "string"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The fields of a model."""

    schemas: Mapping[str, Mapping[str, Any]]  # by name, in the model's order
    definitions: Mapping[str, Any]  # that these refer to
    kinds: Mapping[str, str]  # "boolean", "integer", "number", "string", or "" for what is none of them
    required: frozenset[str]
    nullable: frozenset[str]
    is_open: bool  # takes fields that it does not name


def read_fields(schema: Mapping[str, Any]) -> Fields:
    """Read the fields of a model from its JSON Schema, as Pydantic writes it.

    >>> read_fields({"properties": {"x": {"type": "integer"}}, "required": ["x"]}).kinds
    {'x': 'integer'}
    """
    definitions = schema.get("$defs", {})
    whole = _resolved(schema, definitions)
    properties: Mapping[str, Any] = whole.get("properties", {})
    told = {name: alternatives(value, definitions) for name, value in properties.items()}
    return Fields(
        schemas=properties,
        definitions=definitions,
        kinds={name: _only([str(one.get("type", "")) for one in some]) for name, some in told.items()},
        required=frozenset(whole.get("required", ())),
        nullable=frozenset(name for name, some in told.items() if any(_takes_null(one) for one in some)),
        is_open=bool(whole.get("additionalProperties", False)),
    )


def alternatives(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give what a value may be: one schema for each kind, null among them."""
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
