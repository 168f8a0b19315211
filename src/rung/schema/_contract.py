"""A schema as data: what a major promises, stored with every revision and compared with the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from rung.schema._request import instance_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel
    from pydantic_core import core_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteContract:
    """One route: JSON Schemas of what goes in and what comes out."""

    instance: dict[str, Any]
    parameters: dict[str, Any]
    prediction: dict[str, Any]
    max_instances: int
    """Instances in one request at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The schema of one major of a service."""

    major: int
    routes: Mapping[str, RouteContract]

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {"major": self.major, "routes": {name: asdict(route) for name, route in sorted(self.routes.items())}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Contract:
        """Read what `to_json` gave."""
        routes = {name: RouteContract(**route) for name, route in data["routes"].items()}
        return cls(major=data["major"], routes=routes)


def route_contract(
    *, instance: type[BaseModel], parameters: type[BaseModel], prediction: type[BaseModel]
) -> RouteContract:
    """Describe one route by the models of its handler."""
    return RouteContract(
        instance=instance.model_json_schema(mode="validation", schema_generator=_WithDates),
        parameters=parameters.model_json_schema(mode="validation", schema_generator=_WithDates),
        prediction=prediction.model_json_schema(mode="serialization", schema_generator=_WithDates),
        max_instances=instance_limit(instance),
    )


_FORMAT_BOUNDS = {
    "ge": "formatMinimum",
    "gt": "formatExclusiveMinimum",
    "le": "formatMaximum",
    "lt": "formatExclusiveMaximum",
}
"""Keywords of JSON Schema's proposal for formats that have an order; Pydantic leaves the bounds of dates out."""


class _WithDates(GenerateJsonSchema):
    def date_schema(self, schema: core_schema.DateSchema) -> dict[str, Any]:
        return super().date_schema(schema) | _format_bounds(schema)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> dict[str, Any]:
        return super().datetime_schema(schema) | _format_bounds(schema)


def _format_bounds(schema: Mapping[str, Any]) -> dict[str, str]:
    return {name: schema[bound].isoformat() for bound, name in _FORMAT_BOUNDS.items() if bound in schema}
