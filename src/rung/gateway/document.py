"""A routing as a document: what the control plane hands to gateways elsewhere, and they keep on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from rung.errors import CallError
from rung.gateway.routing import Routing

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["from_json", "to_json", "version_of"]


def to_json(routing: Routing) -> dict[str, Any]:
    """Return a routing as plain data."""
    plain: dict[str, Any] = json.loads(_spelled(routing))
    return plain


def from_json(document: Mapping[str, Any]) -> Routing:
    """Return the routing that `to_json` described.

    Raises:
        CallError: It is none, or says what this version of Rung does not know: part of a routing is not routed.
    """
    try:
        routing = _adapter().validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise CallError(f"this is no routing: {place}: {first['msg']}") from error
    if to_json(routing) != document:
        raise CallError(
            "the routing says what this version of Rung does not know", hint="use the control plane's version of Rung"
        )
    return routing


def version_of(routing: Routing) -> str:
    """Return what is equal for equal routings, wherever it is computed."""
    return hashlib.sha256(_spelled(routing).encode()).hexdigest()[:16]


def _spelled(routing: Routing) -> str:
    return json.dumps(asdict(routing), sort_keys=True, separators=(",", ":"))


@cache
def _adapter() -> TypeAdapter[Routing]:
    return TypeAdapter(Routing)
