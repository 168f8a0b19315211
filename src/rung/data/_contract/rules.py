"""The rules of a Pydantic model as polars expressions, each true where a value breaks it. Called by `_contract`.

What a model says is read from the schema that Pydantic validates by (`__pydantic_core_schema__`), so that an annotation
means here what it means there. What this module does not know for certain becomes no expression, and `Rules.by_row`
says why: then Pydantic itself looks at every row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rung.data._contract.demands import demands_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

__all__ = ["Rule", "Rules", "column", "rules_of"]

_KNOWN_SETTINGS: Final = {
    *("title", "extra_fields_behavior", "frozen", "from_attributes"),
    *("strict", "allow_inf_nan", "str_strip_whitespace"),
}
_KNOWN_DEFAULT: Final = {"type", "schema", "default", "default_factory", "default_factory_takes_data", "metadata"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that is demanded of one column."""

    column: str
    broken: pl.Expr  # true where the row breaks it, else false or null
    reason: str  # "must be at least 0"
    is_of_all: bool = False  # no row can keep it: the column is missing, of a wrong type, or not allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a model demands of a frame."""

    rules: tuple[Rule, ...] = ()
    by_row: str = ""  # why Pydantic must look at each row; empty when the rules say everything


@dataclass(slots=True)
class _Found:
    """What was read of a model's schema so far."""

    definitions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] | None = None
    by_row: list[str] = field(default_factory=list)


def rules_of(model: type[BaseModel], columns: Mapping[str, pl.DataType]) -> Rules:
    """Give the rules of a model for a frame.

    Args:
        model: Its fields are columns, by their alias where they have one.
        columns: The columns of the frame, with their types.
    """
    found = _read(model)
    if found.fields is None:
        return Rules(by_row=found.by_row[0])
    if not all(isinstance(one.get("validation_alias", ""), str) for one in found.fields.values()):
        return Rules(by_row="it has an alias that is not one name")
    names: dict[str, Any] = {one.get("validation_alias", name): one["schema"] for name, one in found.fields.items()}
    rules: list[Rule] = []
    for name, schema in names.items():
        if name in columns:
            rules += _column_rules(found, name, schema, columns[name])
        else:
            rules += _missing_rules(found, name, schema)
    if found.settings.get("extra_fields_behavior") == "forbid":
        rules += [
            _of_all(name, "is not in the contract, which allows no other columns")
            for name in columns
            if name not in names
        ]
    return Rules(rules=tuple(rules), by_row="; ".join(dict.fromkeys(found.by_row)))


def column(name: str) -> pl.Expr:
    """Name a column literally: polars takes `*` and `^...$` for patterns.

    >>> pl.DataFrame({"*": [1], "a": [2]}).select(column("*")).columns
    ['*']
    """
    is_pattern = name == "*" or (name.startswith("^") and name.endswith("$"))
    return pl.col(f"^{re.escape(name)}$" if is_pattern else name)


def _read(model: type[BaseModel]) -> _Found:
    """Go down to the fields of a model; `fields` stays None where something before them may change the row."""
    found = _Found()
    if not model.__pydantic_complete__:
        model.model_rebuild()
    schema: Mapping[str, Any] = model.__pydantic_core_schema__
    while schema["type"] != "model-fields":
        schema, refused = _step(found, schema)
        if refused:
            found.by_row = [refused]
            return found
    if {"extras_schema", "extras_keys_schema"} & set(schema):
        found.by_row = ["it says what further columns hold"]
        return found
    found.fields = schema["fields"]
    return found


def _step(found: _Found, schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Go one level down, or say why the rows must go through Pydantic."""
    match schema["type"]:
        case "definitions":
            found.definitions = {one["ref"]: one for one in schema["definitions"]}
        case "definition-ref":
            return found.definitions[schema["schema_ref"]], ""
        case "function-after":
            found.by_row.append("it has a validator of whole rows")
        case "model" if not (schema.get("root_model") or schema.get("custom_init")):
            found.settings = schema.get("config", {})
            if schema.get("post_init"):
                found.by_row.append("it does something of its own with each row")
            if not set(found.settings) <= _KNOWN_SETTINGS:
                return schema, "it has settings that only Pydantic knows"
        case _:
            return schema, "it has a validator that comes before its fields"
    return schema["schema"], ""


def _of_all(column: str, reason: str) -> Rule:
    return Rule(column=column, broken=pl.lit(value=True), reason=reason, is_of_all=True)


def _missing_rules(found: _Found, name: str, schema: Mapping[str, Any]) -> Iterator[Rule]:
    if schema["type"] != "default":
        yield _of_all(name, "must be there, but is no column")
    elif not set(schema) <= _KNOWN_DEFAULT:
        found.by_row.append(f"the default of {name} is validated")


def _column_rules(found: _Found, name: str, schema: Mapping[str, Any], kind: pl.DataType) -> Iterator[Rule]:
    if schema["type"] == "default":
        if not set(schema) <= _KNOWN_DEFAULT | {"validate_default"}:
            found.by_row.append(f"{name} has a default for what is refused")
            return
        schema = schema["schema"]
    demands = demands_of(schema, kind, column(name), definitions=found.definitions, settings=found.settings)
    if demands is None:
        found.by_row.append(f"{name} ({kind}) has a rule that is no expression")
        return
    for one in demands:
        yield Rule(column=name, broken=one.broken, reason=one.reason, is_of_all=one.is_of_all)
