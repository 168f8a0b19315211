"""The schemas of OpenLineage, and what an event breaks of them: each facet is held against its own schema too."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FOLDER = Path(__file__).with_name("openlineage")


def problems(event: Mapping[str, Any]) -> list[str]:
    """List what is not as the schemas want it."""
    found = [_told(error) for error in _validator(event["schemaURL"]).iter_errors(event)]
    for name, facet in _facets(event):
        found += [f"{name}: {_told(error)}" for error in _validator(facet["_schemaURL"]).iter_errors(facet)]
    return found


def _told(error: jsonschema_rs.ValidationError) -> str:
    return f"/{'/'.join(map(str, error.instance_path))}: {error.message}"


def _facets(event: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    owners = [event["run"], event["job"], *event.get("inputs", ()), *event.get("outputs", ())]
    for owner in owners:
        for group in ("facets", "inputFacets", "outputFacets"):
            yield from owner.get(group, {}).items()


@cache
def _validator(reference: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"$ref": reference}, registry=_registry(), validate_formats=True)


@cache
def _registry() -> jsonschema_rs.Registry:
    schemas = [json.loads(path.read_text()) for path in _FOLDER.rglob("*.json")]
    return jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas])
