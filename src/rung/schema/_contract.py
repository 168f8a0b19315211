"""A schema as data: what a major promises, stored with every revision and compared with the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rung.schema._request import instance_limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel


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
        instance=instance.model_json_schema(mode="validation"),
        parameters=parameters.model_json_schema(mode="validation"),
        prediction=prediction.model_json_schema(mode="serialization"),
        max_instances=instance_limit(instance),
    )
