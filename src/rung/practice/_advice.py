"""Advice on a schema: what consumers would miss, and what they should not see. Nothing of it is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rung.schema import Contract, RouteContract

_INTERNALS = re.compile(
    r"(^|_)(embeddings?|hidden|logits?|latents?|activations?|weights?|tensors?|attention|gradients?)(_|$)"
)
_SURENESS = re.compile(r"(^|_)(score|probabilit\w*|confidence|likelihood|distribution|odds)(_|$)")
_LONG = 32  # numbers in one field of an instance: rather a vector of features than something that a consumer knows


def advise(contract: Contract) -> list[str]:
    """Say in sentences what a schema could do better; nothing when it is well."""
    return [said for name, route in sorted(contract.routes.items()) for said in _of_route(name, route)]


def _of_route(name: str, route: RouteContract) -> Iterator[str]:
    if label := _only_label(route.prediction):
        yield (
            f"{name}: a prediction is only {label}, the winner of what the model weighed; give the whole distribution,"
            " or a score, so that consumers can draw their own line"
        )
    inner = [field for field in _fields(route.instance) if _INTERNALS.search(field)]
    inner += [field for field, schema in _fields(route.instance).items() if _is_vector(route.instance, schema)]
    if inner:
        named = ", ".join(dict.fromkeys(inner))
        yield f"{name}: {named} of an instance look like a model's internals, which would bind consumers to it"
    outer = [field for field in _fields(route.prediction) if _INTERNALS.search(field)]
    if outer:
        named = ", ".join(outer)
        yield f"{name}: {named} of a prediction look like a model's internals, which the next model may not have"


def _only_label(prediction: Mapping[str, Any]) -> str | None:
    """Name the one field that is a label or a boolean, where nothing says how sure it is."""
    fields = {name: _resolved(prediction, schema) for name, schema in _fields(prediction).items()}
    labels = [
        name for name, schema in fields.items() if "enum" in schema or schema.get("type") in {"boolean", "string"}
    ]
    if not labels or len(labels) < len(fields) or any(_SURENESS.search(name) for name in fields):
        return None
    is_a_choice = any("enum" in fields[name] or fields[name].get("type") == "boolean" for name in labels)
    return ", ".join(labels) if is_a_choice else None


def _is_vector(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    found = _resolved(whole, schema)
    items = _resolved(whole, found.get("items", {})) if isinstance(found.get("items", {}), dict) else {}
    return found.get("type") == "array" and items.get("type") == "number" and found.get("maxItems", 0) >= _LONG


def _fields(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = _resolved(schema, schema).get("properties", {})
    return found


def _resolved(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference, and the one type of an optional field."""
    if "$ref" in schema:
        found: Mapping[str, Any] = whole.get("$defs", {}).get(str(schema["$ref"]).rpartition("/")[2], {})
        return found
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return _resolved(whole, options[0]) if len(options) == 1 else schema
