"""What a route takes and gives, as MLflow's signatures have it. Pure.

https://mlflow.org/docs/latest/ml/model/signatures: columns with types, required or not, and parameters with defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rung.schema import alternatives, read_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.schema import Fields, RouteContract

__all__ = ["signature"]

_SCALARS: Final = {"boolean": "boolean", "integer": "long", "number": "double", "string": "string"}
_ANY: Final = {"type": "any"}
_DEEPEST: Final = 8  # a schema may refer to itself


def signature(contract: RouteContract) -> dict[str, list[dict[str, Any]]]:
    """Give inputs, outputs and params of a route.

    A whole number that may be missing is a double: a table of pandas holds no integers beside a missing value.
    """
    return {
        "inputs": _columns(read_fields(contract.instance), is_given=True),
        "outputs": _columns(read_fields(contract.prediction), is_given=False),
        "params": _parameters(read_fields(contract.parameters)),
    }


def _columns(fields: Fields, *, is_given: bool) -> list[dict[str, Any]]:
    found = []
    for name, schema in fields.schemas.items():
        is_required = name in fields.required and name not in fields.nullable
        column = _type(schema, fields.definitions, depth=0)
        if is_given and not is_required and column == {"type": "long"}:
            column = {"type": "double"}
        found.append({**column, "name": name, "required": is_required})
    return found


def _parameters(fields: Fields) -> list[dict[str, Any]]:
    """Give the parameters with a plain default: MLflow knows no others."""
    return [
        {"name": name, "default": schema["default"], "shape": None, "type": _SCALARS[fields.kinds[name]]}
        for name, schema in fields.schemas.items()
        if fields.kinds[name] and schema.get("default") is not None
    ]


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, depth: int) -> dict[str, Any]:
    kinds = [one for one in alternatives(schema, definitions) if one.get("type") != "null"]
    if len(kinds) != 1 or depth > _DEEPEST:
        return _ANY
    (only,) = kinds
    kind = str(only.get("type"))
    if kind == "array" and isinstance(only.get("items"), dict):
        return {"type": "array", "items": _type(only["items"], definitions, depth=depth + 1)}
    if kind == "object" and only.get("properties") and not only.get("additionalProperties"):
        required = only.get("required", ())
        properties = {
            name: {**_type(one, definitions, depth=depth + 1), "required": name in required}
            for name, one in only["properties"].items()
        }
        return {"type": "object", "properties": properties}
    return {"type": _SCALARS[kind]} if kind in _SCALARS else _ANY
