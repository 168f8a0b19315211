"""The schema of CycloneDX 1.6, and what a bill of materials breaks of it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path(__file__).with_name("cyclonedx")
_BASE = "http://cyclonedx.org/schema"


def problems(bill: Mapping[str, Any]) -> list[str]:
    """List what is not as the schema wants it."""
    return [f"/{'/'.join(map(str, error.instance_path))}: {error.message}" for error in _validator().iter_errors(bill)]


@cache
def _validator() -> Any:
    schemas = {path.name: json.loads(path.read_text()) for path in sorted(_FOLDER.glob("*.json"))}
    registry = jsonschema_rs.Registry([(f"{_BASE}/{name}", schema) for name, schema in schemas.items()])
    return jsonschema_rs.Draft7Validator(
        schemas["bom-1.6.SNAPSHOT.schema.json"], registry=registry, validate_formats=True
    )
