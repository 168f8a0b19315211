"""The route table: which path goes where, what is added on the way, and what is said where nothing is. Pure.

The first route that matches wins, so the table goes from the narrow to the wide: the gateway's own paths, exact
revisions, revisions that are not there, production, the rest of a service, the rest.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any, Final

from rung.gateway import _clusters
from rung.gateway.assignment import UNIT_PATTERN
from rung.gateway.routing import Arm, Backend, Production, Routing, Shadow, Split

__all__ = ["BODY_LIMIT", "OK_BODY", "ROUTES", "holders", "route_table"]

ROUTES: Final = "rung"
"""Name of the route table."""

BODY_LIMIT: Final = 10 * 1024 * 1024
"""Bytes of the largest request body; all of it is kept so that the request can be sent again."""

OK_BODY: Final = '{"status": "ok"}'

_ROUTE_CONFIGURATION = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_OTHER_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_NEXT_PRIORITY = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        "update_frequency": 1,
    },
}
_NOTHING_WAS_PROCESSED = "connect-failure,refused-stream,reset-before-request"
_MOST_SELECTIONS = 30  # of a host that was not tried yet: a dead one has the fewest requests, so it is preferred
_SILENCE_S = 60.0  # of a consumer in the middle of a request
_OUTCOMES_S = 10.0  # for the collector to answer
_MOST_LISTED = 20  # paths in one answer: Envoy takes 4 KiB of it


def route_table(routing: Routing) -> dict[str, Any]:
    """Return the route table as a discovery resource."""
    majors = _majors(routing)
    routes = [
        _direct("healthz", {"path": "/healthz"}, 200, OK_BODY),
        _outcomes(routing),
        *(_exact(backend) for backend in routing.backends),
        *(route for major in majors for route in _production(major, routing)),
        *_elsewhere(majors, routing),
    ]
    return {
        "@type": _ROUTE_CONFIGURATION,
        "name": ROUTES,
        "virtual_hosts": [
            {
                "name": ROUTES,
                "domains": ["*"],
                "routes": routes,
                "request_body_buffer_limit": BODY_LIMIT,
                "response_headers_to_remove": ["x-envoy-upstream-service-time"],
            }
        ],
    }


def holders(table: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Return which revisions answer production in a route table, by the major's name."""
    marks = [
        route["metadata"]["filter_metadata"]["rung"]
        for host in table["virtual_hosts"]
        for route in host["routes"]
        if "metadata" in route
    ]
    return {mark["production"]: frozenset(mark["answering"]) for mark in marks}


def _majors(routing: Routing) -> list[Production]:
    """Return every major that has a production path or a backend; one without incumbent can then say so."""
    listed = {production.name: production for production in routing.productions}
    for backend in routing.backends:
        service, major, _ = backend.revision.split(".")
        bare = Production(service=service, major=int(major[1:]), incumbent=None)
        listed.setdefault(bare.name, bare)
    return sorted(listed.values(), key=lambda production: (production.service, production.major))


def _outcomes(routing: Routing) -> dict[str, Any]:
    match = {"path": "/outcomes"}
    if routing.outcomes is None:
        return _direct("outcomes", match, 503, "no process takes outcomes now; send them again later")
    action = {"cluster": _clusters.OUTCOMES, **_timeouts(_OUTCOMES_S), "retry_policy": _retry(idempotent=False)}
    return {"name": "outcomes", "match": match, "route": action}


def _exact(backend: Backend) -> dict[str, Any]:
    action = {
        "cluster": _clusters.cluster_name(backend.revision),
        "prefix_rewrite": "/",
        **_timeouts(backend.timeout_s),
        "retry_policy": _retry(idempotent=backend.idempotent),
    }
    return {
        "name": backend.revision,
        "match": {"prefix": f"{backend.path}/"},
        "route": action,
        "request_headers_to_add": _headers({"x-rung-route": "exact", "x-forwarded-prefix": backend.path}),
    }


def _production(production: Production, routing: Routing) -> list[dict[str, Any]]:
    absent = {"safe_regex": {"regex": rf"{re.escape(production.path)}/m[0-9]+(/.*)?"}}
    missing = _direct(f"{production.name} absent", absent, 404, _what_exists(production.service, routing))
    match = {"prefix": f"{production.path}/"}
    if production.incumbent is None:
        because = f"{production.name} has no incumbent yet: promote a revision"
        return [
            missing,
            _direct(production.name, match, 503, f"{because}. {_what_exists(production.service, routing)}"),
        ]
    if production.split is None:
        return [missing, _answered(production, routing, match)]
    assignable = {"name": production.unit_header, "string_match": {"safe_regex": {"regex": UNIT_PATTERN}}}
    return [
        missing,
        _divided(production, production.split, routing, match={**match, "headers": [assignable]}),
        _answered(production, routing, match),
    ]


def _answered(production: Production, routing: Routing, match: dict[str, Any]) -> dict[str, Any]:
    """Return the route to the incumbent: all of production, or what no experiment can assign."""
    backend = routing.backend(production.answering[0])
    outside = {"x-rung-experiment": production.split.experiment, "x-rung-arm": "none"} if production.split else {}
    action = {
        "cluster": _clusters.cluster_name(backend.revision),
        **_timeouts(backend.timeout_s),
        "retry_policy": _retry(idempotent=backend.idempotent),
        **_forwarding(production.shadows),
    }
    return _marked(production, match, action, outside)


def _divided(production: Production, split: Split, routing: Routing, *, match: dict[str, Any]) -> dict[str, Any]:
    """Return the route of an experiment; the challengers come first, so that they own the lowest buckets."""
    backends = [routing.backend(revision) for revision in production.answering]
    salted = {"pattern": {"regex": "^(.*)$"}, "substitution": rf"{split.hash_salt}:\1"}
    action = {
        "weighted_clusters": {"clusters": _weighted(production.arms), "use_hash_policy": True},
        "hash_policy": [{"header": {"header_name": production.unit_header, "regex_rewrite": salted}}],
        **_timeouts(max(backend.timeout_s for backend in backends)),
        "retry_policy": {
            **_retry(idempotent=all(backend.idempotent for backend in backends)),
            "retry_priority": _NEXT_PRIORITY,
        },
        **_forwarding(production.shadows),
    }
    return _marked(production, match, action, {"x-rung-experiment": split.experiment})


def _weighted(arms: tuple[Arm, ...]) -> list[dict[str, Any]]:
    *challengers, incumbent = arms
    names = [_clusters.fallback_name(arm.revision, incumbent.revision) for arm in challengers]
    return [
        {
            "name": name,
            "weight": arm.weight,
            "request_headers_to_add": _headers({"x-rung-arm": arm.name, "x-rung-propensity": f"{arm.propensity:.4f}"}),
        }
        for name, arm in zip([*names, _clusters.cluster_name(incumbent.revision)], arms, strict=True)
    ]


def _marked(
    production: Production, match: dict[str, Any], action: dict[str, Any], headers: dict[str, str]
) -> dict[str, Any]:
    mark = {"production": production.name, "answering": list(production.answering)}
    added = {"x-rung-route": "production", "x-forwarded-prefix": production.path, **headers}
    return {
        "name": production.name,
        "match": match,
        "route": action,
        "metadata": {"filter_metadata": {"rung": mark}},
        "request_headers_to_add": _headers(added),
    }


def _forwarding(shadows: tuple[Shadow, ...]) -> dict[str, Any]:
    return {"prefix_rewrite": "/", "request_mirror_policies": [_mirrored(shadow) for shadow in shadows]}


def _mirrored(shadow: Shadow) -> dict[str, Any]:
    return {
        "cluster": _clusters.mirror_name(shadow.revision),
        "runtime_fraction": {"default_value": {"numerator": round(shadow.share * 1_000_000), "denominator": "MILLION"}},
        "disable_shadow_host_suffix_append": True,
        "request_headers_mutations": [{"append": header} for header in _headers({"x-rung-route": "shadow"})],
    }


def _elsewhere(majors: list[Production], routing: Routing) -> list[dict[str, Any]]:
    services = [service for service, _ in groupby(majors, key=lambda production: production.service)]
    return [
        *(
            _direct(service, {"path_separated_prefix": f"/{service}"}, 404, _what_exists(service, routing))
            for service in services
        ),
        _direct("elsewhere", {"prefix": "/"}, 404, f"there is: {_listed([f'/{name}/' for name in services])}"),
    ]


def _what_exists(service: str, routing: Routing) -> str:
    productions = [entry for entry in routing.productions if entry.service == service and entry.incumbent]
    backends = [backend for backend in routing.backends if backend.revision.startswith(f"{service}.")]
    paths = [f"{entry.path}/<route>" for entry in productions] + [f"{backend.path}/<route>" for backend in backends]
    return f"{service} answers at: {_listed(paths)}"


def _listed(paths: list[str]) -> str:
    rest = len(paths) - _MOST_LISTED
    return ", ".join(paths[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "") or "nothing yet"


def _retry(*, idempotent: bool) -> dict[str, Any]:
    return {
        "retry_on": f"{_NOTHING_WAS_PROCESSED},reset" if idempotent else _NOTHING_WAS_PROCESSED,
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.002s", "max_interval": "0.010s"},
        "retry_host_predicate": [_OTHER_HOSTS],
        "host_selection_retry_max_attempts": _MOST_SELECTIONS,
    }


def _direct(name: str, match: dict[str, Any], status: int, body: str) -> dict[str, Any]:
    return {"name": name, "match": match, "direct_response": {"status": status, "body": {"inline_string": body}}}


def _headers(values: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in values.items()
    ]


def _timeouts(answer_s: float) -> dict[str, str]:
    """Return the limit of an answer, and of silence: longer, or a slow answer would be taken for a dead consumer."""
    return {"timeout": f"{answer_s:.3f}s", "idle_timeout": f"{max(_SILENCE_S, answer_s + 1):.3f}s"}
