"""What a consumer relies on: recorded requests, and the fields of a prediction that it reads, with their types. Pure.

A major's own contract says what may be asked and answered; a consumer's contract says what one of them really uses.
Types are JSON's, and "absent" for a field that need not be there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from rung.errors import CallError
from rung.schema._compare import _Document, _types, _union, _values

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT: Final = "absent"
"""In place of a type: the field is not there."""

_ANY: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string", ABSENT})
_ESCAPE: Final = re.compile(r"~(?![01])")
_LONGEST: Final = 500  # letters of a pointer


class ConsumerRequest(BaseModel):
    """A request as the consumer sends it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.~-]{1,100}$")]
    body: dict[str, Any]


class ConsumerContract(BaseModel):
    """What a consumer relies on, in one major of a service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consumer: str
    version: int
    """Counts up with each change, from 1 on."""
    requests: tuple[ConsumerRequest, ...]
    reads: dict[str, tuple[str, ...]]
    """JSON pointers into a prediction, to the types that may be there."""


def pointer_of(field: str) -> str:
    """Give a field of a prediction as a JSON pointer (RFC 6901).

    >>> pointer_of("price"), pointer_of("/scores/0")
    ('/price', '/scores/0')

    Raises:
        CallError: It names nothing.
    """
    pointer = field if field.startswith("/") else f"/{field}"
    if pointer == "/" or len(pointer) > _LONGEST or _ESCAPE.search(pointer) or not pointer.isprintable():
        raise CallError(f"{field!r} names no field of a prediction", hint="write price, or a JSON pointer as /scores/0")
    return pointer


def types_at(schema: Mapping[str, Any], pointer: str) -> frozenset[str]:
    """Give the types that a schema allows at a place; "absent" among them where nothing need be there.

    >>> price = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}
    >>> sorted(types_at(price, "/price")), sorted(types_at(price, "/tax"))
    (['number'], ['absent'])

    Args:
        schema: Of a prediction (JSON Schema).
        pointer: As `pointer_of` gives it.
    """
    return _at(_Document(dict(schema)), dict(schema), _parts(pointer))


def type_at(prediction: Any, pointer: str) -> str:
    """Give the type of what is at a place of a prediction.

    >>> type_at({"price": 12.5, "parts": [1, None]}, "/parts/1")
    'null'
    """
    value = prediction
    for part in _parts(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return _type(value)


def outside(found: frozenset[str], expected: frozenset[str]) -> frozenset[str]:
    """Give the types that were found and not expected: a whole number is a number."""
    return found - expected - ({"integer"} if "number" in expected else frozenset())


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(document: _Document, schema: Any, parts: list[str]) -> frozenset[str]:
    resolved = document.resolve(schema)
    if branches := _union(resolved):
        return frozenset().union(*(_at(document, branch, parts) for branch in branches))
    if not parts:
        values = _values(resolved)
        return frozenset(map(_type, values)) if values is not None else frozenset(_types(resolved)) or _ANY
    first, rest = parts[0], parts[1:]
    allowed = frozenset(_types(resolved)) or _ANY
    found: frozenset[str] = frozenset({ABSENT}) if allowed - {"object", "array"} else frozenset()
    if "object" in allowed:
        found |= _in_object(document, resolved, first, rest)
    if "array" in allowed:
        found |= _in_array(document, resolved, first, rest)
    return found


def _in_object(document: _Document, schema: Mapping[str, Any], name: str, rest: list[str]) -> frozenset[str]:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties", not schema.get("properties"))
    if name in fields:
        is_always_there = name in schema.get("required", ()) or "default" in fields[name]  # what is answered says it
        return _at(document, fields[name], rest) | (frozenset() if is_always_there else {ABSENT})
    return frozenset({ABSENT}) if others is False else _at(document, others, rest) | {ABSENT}


def _in_array(document: _Document, schema: Mapping[str, Any], index: str, rest: list[str]) -> frozenset[str]:
    if not index.isdigit():
        return frozenset({ABSENT})
    at, listed = int(index), schema.get("prefixItems", [])
    inner = listed[at] if at < len(listed) else schema.get("items", True)
    if inner is False or at >= schema.get("maxItems", at + 1):
        return frozenset({ABSENT})
    needed = at < schema.get("minItems", 0)
    return _at(document, inner, rest) | (frozenset() if needed else {ABSENT})


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = ((int, "integer"), (float, "number"), (str, "string"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")
