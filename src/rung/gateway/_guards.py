"""Limits and keys in Envoy's words: the filters in front of every route, and what each route tells them. Pure.

The filters that nobody asked for do nothing: those for keys are off but where a route turns them on, and a route
without a bucket has no limit. Called by `_bootstrap` (filters) and `_routes` (what routes and the table say).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rung.gateway.limits import BODY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rung.gateway.limits import Consumer, Limits, Rate

__all__ = [
    "METADATA",
    "WAIT",
    "as_consumer",
    "buckets",
    "filters",
    "in_bucket",
    "inner_filters",
    "known_consumers",
    "of_a_route",
    "unread",
]

METADATA: Final = "rung"
"""Where a route says what Rung's filters and answers need to know of it."""

_HTTP = "type.googleapis.com/envoy.extensions.filters.http"
_KEYS, _NAMED = "envoy.filters.http.lua", "envoy.filters.http.rbac"
_RATES, _BODIES = "envoy.filters.http.local_ratelimit", "envoy.filters.http.buffer"
_BUCKET: Final = "bucket"
WAIT: Final = "retry_after"
"""Where a route says how many seconds to wait for a token."""
_EXACT = r"/[a-z][a-z0-9_-]*/v[0-9]+/m[0-9]+/.*"
_ENDLESS = 2**32 - 1
_ALL = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def filters() -> list[dict[str, Any]]:
    """Return the filters that consumers meet: who are you, how often, how much.

    The limit of bodies keeps a slow sender away from the revision's workers as well.
    """
    script = Path(__file__).with_name("keys.lua").read_text(encoding="utf-8")
    return [
        _filter(_KEYS, {"@type": f"{_HTTP}.lua.v3.Lua", "default_source_code": {"inline_string": script}}, off=True),
        _filter(_NAMED, {"@type": f"{_HTTP}.rbac.v3.RBAC"}, off=True),
        _filter(_RATES, {"@type": f"{_HTTP}.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "rate"}),
        _bodies(),
    ]


def inner_filters() -> list[dict[str, Any]]:
    """Return the filters of the door that gates use: exact revisions alone, without keys and rates."""
    exact = {"url_path": {"path": {"safe_regex": {"regex": _EXACT}}}}
    # By a name of its own, or what routes say of keys would count for it.
    return [_filter("exact", {"@type": f"{_HTTP}.rbac.v3.RBAC", "rules": _only("exact", exact)}), _bodies()]


def known_consumers(consumers: Iterable[Consumer]) -> dict[str, Any]:
    """Return what the table says to the script: whose key has this digest."""
    known = {one.digest: {"name": one.name, **({"service": one.service} if one.service else {})} for one in consumers}
    return {"filter_metadata": {_KEYS: known}} if known else {}


def as_consumer(service: str | None) -> dict[str, Any]:
    """Return what a route says that demands a key: of which service, or (None) of any."""
    named = {"header": {"name": "x-rung-consumer", "present_match": True}}
    return {
        _KEYS: {"@type": f"{_HTTP}.lua.v3.LuaPerRoute", "filter_context": {"service": service} if service else {}},
        _NAMED: {"@type": f"{_HTTP}.rbac.v3.RBACPerRoute", "rbac": {"rules": _only("named", named)}},
    }


def of_a_route(most_bytes: int, *, marks: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a route says that has a body limit."""
    told = {**(marks or {}), "max_body_bytes": str(most_bytes)}
    limit = {"@type": f"{_HTTP}.buffer.v3.BufferPerRoute", "buffer": {"max_request_bytes": most_bytes}}
    return {
        "metadata": {"filter_metadata": {METADATA: told}},
        "request_body_buffer_limit": most_bytes,
        "typed_per_filter_config": {_BODIES: limit},
    }


def unread() -> dict[str, Any]:
    """Return what a route says that needs no body: nothing is kept of it."""
    return {_BODIES: {"@type": f"{_HTTP}.buffer.v3.BufferPerRoute", "disabled": True}}


def in_bucket(name: str, limits: Limits, route: str | None, rate: Rate) -> dict[str, str]:
    """Return the marks of a route whose requests take a token each, and how long one of them waits for the next."""
    return {_BUCKET: _bucket(name, limits, route), WAIT: str(rate.wait_s)}


def _bucket(name: str, limits: Limits, route: str | None) -> str:
    """Name the bucket of a route: that of all routes together, or its own."""
    return name if limits.rate is not None else f"{name}/{route}"


def buckets(limited: Mapping[str, Limits]) -> dict[str, Any]:
    """Return all buckets of the table: one place for all of them, because the two routes of a split share theirs.

    Args:
        limited: limits of revisions and majors, by their names.
    """
    rates = {_bucket(name, limits, None): limits.rate for name, limits in limited.items() if limits.rate}
    rates |= {_bucket(name, limits, route): rate for name, limits in limited.items() for route, rate in limits.rates}
    by_route = {"key": METADATA, "path": [{"key": _BUCKET}]}
    asked = {"descriptor_key": _BUCKET, "metadata_key": by_route, "source": "ROUTE_ENTRY", "skip_if_absent": True}
    return {
        _RATES: {
            "@type": f"{_HTTP}.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "rate",
            "token_bucket": {"max_tokens": _ENDLESS, "tokens_per_fill": _ENDLESS, "fill_interval": "1s"},
            "filter_enabled": _ALL,
            "filter_enforced": _ALL,
            "rate_limits": [{"actions": [{"metadata": asked}]}],
            "descriptors": [
                {"entries": [{"key": _BUCKET, "value": bucket}], "token_bucket": _tokens(rate)}
                for bucket, rate in sorted(rates.items())
            ],
        }
    }


def _tokens(rate: Rate) -> dict[str, Any]:
    """Return a bucket that fills at this rate: whole tokens in at least a second."""
    tokens = math.ceil(rate.requests_per_s)
    return {
        "max_tokens": rate.burst,
        "tokens_per_fill": tokens,
        "fill_interval": f"{tokens / rate.requests_per_s:.6f}s",
    }


def _bodies() -> dict[str, Any]:
    return _filter(_BODIES, {"@type": f"{_HTTP}.buffer.v3.Buffer", "max_request_bytes": BODY_LIMIT})


def _only(name: str, permitted: dict[str, Any]) -> dict[str, Any]:
    return {"action": "ALLOW", "policies": {name: {"permissions": [permitted], "principals": [{"any": True}]}}}


def _filter(name: str, configuration: dict[str, Any], *, off: bool = False) -> dict[str, Any]:
    return {"name": name, "typed_config": configuration, **({"disabled": True} if off else {})}
