"""The OpenAPI document: bodies and answers of the prediction routes, from the handlers' models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI

    from rung.serving._handler import Handler

_TEMPLATE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "description": "Problem details, RFC 9457",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def describe_routes(app: FastAPI, handlers: Iterable[Handler]) -> None:
    """Make the application's OpenAPI document tell the bodies and answers of these handlers."""
    plain = app.openapi
    routes = list(handlers)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = _PROBLEM
            for handler in routes:
                operation = document["paths"][f"/{handler.route}"]["post"]
                body, prediction, definitions = _schemas(handler)
                schemas.update(definitions)
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
                operation["responses"] = _responses(prediction)
        found: dict[str, Any] = app.openapi_schema or {}
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def _schemas(handler: Handler) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    inputs: list[tuple[Any, Any]] = [(handler.instance, "validation"), (handler.parameters, "validation")]
    outputs: list[tuple[Any, Any]] = [(handler.prediction, "serialization")]
    references, document = models_json_schema([*inputs, *outputs], ref_template=_TEMPLATE)
    instance, parameters = references[inputs[0]], references[inputs[1]]
    body = {
        "type": "object",
        "properties": {
            "instances": {
                "type": "array",
                "items": instance,
                "minItems": 1,
                "maxItems": handler.contract.max_instances,
            },
            "parameters": parameters,
        },
        "required": ["instances"],
        "additionalProperties": False,
    }
    return body, references[outputs[0]], document.get("$defs", {})


def _responses(prediction: dict[str, Any]) -> dict[str, Any]:
    answer = {
        "type": "object",
        "properties": {"predictions": {"type": "array", "items": prediction}},
        "required": ["predictions"],
    }
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "200": {"description": "One prediction for each instance", "content": {"application/json": {"schema": answer}}},
        "4XX": {"description": "The request is not right", "content": problem},
        "5XX": {"description": "The service could not answer", "content": problem},
    }
