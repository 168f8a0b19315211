"""The OpenAPI document: bodies and answers of the prediction routes, from the handlers' models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from rung.explain import explained_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI

    from rung.serving._handler import Handler

_TEMPLATE = "#/components/schemas/{model}"
PROBLEM = {
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


EXPLANATION = {
    "type": "object",
    "properties": {
        "artifact": {"type": "string"},
        "method": {"type": "string"},
        "space": {"type": "string", "description": "What the terms add up to"},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "output": {"type": "string", "description": "The class, of a classifier"},
                    "value": {"type": "number", "description": "The baseline and all terms"},
                    "baseline": {"type": "number"},
                    "terms": {"type": "object", "additionalProperties": {"type": "number"}},
                    "others": {
                        "type": "object",
                        "description": "Terms beyond the 50 largest",
                        "properties": {"count": {"type": "integer"}, "sum": {"type": "number"}},
                    },
                },
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
            # All routes at once: models of one name in two modules get two names.
            references, definitions = models_json_schema(
                [pair for handler in routes for pair in _models(handler)], ref_template=_TEMPLATE
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update({"Problem": PROBLEM, **definitions.get("$defs", {})})
            for handler in routes:
                instance, parameters, prediction = (references[pair] for pair in _models(handler))
                operation = document["paths"][f"/{handler.route}"]["post"]
                body = _body(handler, instance, parameters)
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
                operation["responses"] = _responses(prediction)
                if explained_of(handler.function) is not None:
                    _tell_of_explanations(operation)
        found: dict[str, Any] = app.openapi_schema or {}
        return found

    app.openapi = openapi  # type: ignore[method-assign]


def _models(handler: Handler) -> list[tuple[Any, JsonSchemaMode]]:
    return [
        (handler.instance, "validation"),
        (handler.parameters, "validation"),
        (handler.prediction, "serialization"),
    ]


def _body(handler: Handler, instance: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    instances = {"type": "array", "items": instance, "minItems": 1, "maxItems": handler.contract.max_instances}
    needs_parameters = any(field.is_required() for field in handler.parameters.model_fields.values())
    return {
        "type": "object",
        "properties": {"instances": instances, "parameters": parameters},
        "required": ["instances", "parameters"] if needs_parameters else ["instances"],
        "additionalProperties": False,
    }


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


def _tell_of_explanations(operation: dict[str, Any]) -> None:
    """Add the query parameter `explain`, and what it adds to the answer."""
    operation.setdefault("parameters", []).append(
        {
            "name": "explain",
            "in": "query",
            "description": "Tell what made each prediction",
            "schema": {"type": "boolean", "default": False},
        }
    )
    properties = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    properties["explanations"] = {
        "description": "One for each prediction, where they were asked for; null, where there are none",
        "anyOf": [{"type": "array", "items": EXPLANATION}, {"type": "null"}],
    }
    properties["explanations_because"] = {"type": "string", "description": "Why there are no explanations"}
