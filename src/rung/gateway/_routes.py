"""The route table: which path goes where, what is added on the way, and what is said where nothing is. Pure.

The first route that matches wins, so the table goes from the narrow to the wide: the gateway's own paths, exact
revisions, revisions that are not there, production, the rest of a service, the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from rung.gateway import _clusters, _guards
from rung.gateway.assignment import UNIT_PATTERN
from rung.gateway.routing import Backend, Production, Routing, Shadow, Split

if TYPE_CHECKING:
    from rung.gateway.limits import Limits

__all__ = ["OK_BODY", "ROUTES", "holders", "route_table"]

ROUTES: Final = "rung"
"""Name of the route table."""

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
_NOTHING_WAS_PROCESSED = "connect-failure,refused-stream,reset-before-request,retriable-headers"
_NOT_READY = {"name": "x-rung-not-ready", "present_match": True}  # a server that has no artifacts yet says so
_MOST_SELECTIONS = 30  # of a host that was not tried yet: a dead one has the fewest requests, so it is preferred
_SILENCE_S = 60.0  # of a consumer in the middle of a request
_OUTCOMES_S = 10.0  # for the collector to answer
_OUTCOMES_BYTES = 1024 * 1024  # of one body, as the collector takes it
_MOST_LISTED = 20  # paths in one answer: Envoy takes 4 KiB of it


def route_table(routing: Routing) -> dict[str, Any]:
    """Return the route table as a discovery resource."""
    majors = _majors(routing)
    routes = [
        _direct("healthz", {"path": "/healthz"}, 200, OK_BODY),
        _outcomes(routing),
        *(route for backend in routing.backends for route in _exact(backend, routing)),
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
                "metadata": _guards.known_consumers(routing.consumers),
                "typed_per_filter_config": _guards.buckets(_limited(routing)),
                "response_headers_to_remove": ["x-envoy-upstream-service-time"],
                **_token(routing),
            }
        ],
    }


def _token(routing: Routing) -> dict[str, Any]:
    """Let requests bring what servers with an address demand, in place of whatever a consumer sent in that header."""
    return {"request_headers_to_add": _clusters.token_headers(routing)} if routing.server_token else {}


def holders(table: dict[str, Any]) -> dict[str, frozenset[str]]:
    """Return which revisions answer production in a route table, by the major's name."""
    marks = [
        route["metadata"]["filter_metadata"][_guards.METADATA]
        for host in table["virtual_hosts"]
        for route in host["routes"]
        if "metadata" in route
    ]
    return {mark["production"]: frozenset(mark["answering"]) for mark in marks if "production" in mark}


def _limited(routing: Routing) -> dict[str, Limits]:
    """Return the limits of everything that has a path."""
    productions = [production for production in routing.productions if production.incumbent]
    return {
        **{backend.revision: backend.limits for backend in routing.backends},
        **{production.name: routing.limits(production) for production in productions},
    }


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
    guards = _guards.of_a_route(_OUTCOMES_BYTES)
    if routing.guarded:
        guards["typed_per_filter_config"] |= _guards.as_consumer(None)
    return {"name": "outcomes", "match": match, "route": action, **guards}


def _exact(backend: Backend, routing: Routing) -> list[dict[str, Any]]:
    action = {
        "cluster": _clusters.cluster_name(backend.revision),
        **_timeouts(backend.timeout_s),
        "retry_policy": _retry(idempotent=backend.idempotent),
    }
    place = _Place(
        name=backend.revision, path=backend.path, limits=backend.limits, key_of=_guard(backend.revision, routing)
    )
    return place.routes(action, headers={"x-rung-route": "exact"})


def _guard(name: str, routing: Routing) -> str | None:
    """Return the service whose key somebody needs for this revision or major; None: no key."""
    service = name.partition(".")[0]
    return service if service in routing.guarded else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A path under which the routes of a service lie."""

    name: str  # of the revision or the major
    path: str
    limits: Limits
    key_of: str | None

    def routes(
        self,
        action: dict[str, Any],
        *,
        headers: dict[str, str],
        match: dict[str, Any] | None = None,
        marks: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Return one entry for each route with a limit of its own, then one for all others."""
        return [
            {
                "name": self.name,
                "match": {**(match or {}), **self._path(route)},
                "route": {**action, **self._rewrite(route)},
                "request_headers_to_add": _headers({"x-forwarded-prefix": self.path, **headers}),
                **self._guards(route, marks or {}),
            }
            for route in (*self.limits.routes, None)
        ]

    def _path(self, route: str | None) -> dict[str, Any]:
        """Match a route also where the Open Inference Protocol has it: a limit must not depend on the spelling."""
        if route is None:
            return {"prefix": f"{self.path}/"}
        name = re.escape(route)
        spellings = rf"({name}|v2/models/{name}(/versions/[^/]*)?/infer)/?"
        return {"safe_regex": {"regex": f"{re.escape(self.path)}/{spellings}"}}

    def _rewrite(self, route: str | None) -> dict[str, Any]:
        if route is None:
            return {"prefix_rewrite": "/"}
        return {"regex_rewrite": {"pattern": {"regex": f"^{re.escape(self.path)}/"}, "substitution": "/"}}

    def _guards(self, route: str | None, marks: dict[str, Any]) -> dict[str, Any]:
        rate = self.limits.rate_of(route)
        if rate is not None:
            marks = {**marks, **_guards.in_bucket(self.name, self.limits, route, rate)}
        guards = _guards.of_a_route(self.limits.body(route), marks=marks)
        if self.key_of:
            guards["typed_per_filter_config"] |= _guards.as_consumer(self.key_of)
        return guards


def _production(production: Production, routing: Routing) -> list[dict[str, Any]]:
    absent = {"safe_regex": {"regex": rf"{re.escape(production.path)}/m[0-9]+(/.*)?"}}
    missing = _direct(f"{production.name} absent", absent, 404, _what_exists(production.service, routing))
    if production.incumbent is None:
        because = f"{production.name} has no incumbent yet: promote a revision"
        match = {"prefix": f"{production.path}/"}
        return [
            missing,
            _direct(production.name, match, 503, f"{because}. {_what_exists(production.service, routing)}"),
        ]
    if production.split is None:
        return [missing, *_answered(production, routing)]
    return [missing, *_divided(production, production.split, routing), *_answered(production, routing)]


def _answered(production: Production, routing: Routing) -> list[dict[str, Any]]:
    """Return the routes to the incumbent: all of production, or what no experiment can assign."""
    backend = routing.backend(production.answering[0])
    outside = {"x-rung-experiment": production.split.experiment, "x-rung-arm": "none"} if production.split else {}
    next_one = {"retry_priority": _NEXT_PRIORITY} if production.standby else {}
    action = {
        "cluster": _clusters.incumbent_name(production),
        **_timeouts(backend.timeout_s),
        "retry_policy": {**_retry(idempotent=backend.idempotent), **next_one},
        **_mirroring(production.shadows),
    }
    return _marked(production, routing, action, outside)


def _divided(production: Production, split: Split, routing: Routing) -> list[dict[str, Any]]:
    """Return the routes of an experiment; the challengers come first, so that they own the lowest buckets."""
    backends = [routing.backend(revision) for revision in production.answering]
    salted = {"pattern": {"regex": "^(.*)$"}, "substitution": rf"{split.hash_salt}:\1"}
    action = {
        "weighted_clusters": {"clusters": _weighted(production), "use_hash_policy": True},
        "hash_policy": [{"header": {"header_name": production.unit_header, "regex_rewrite": salted}}],
        **_timeouts(max(backend.timeout_s for backend in backends)),
        "retry_policy": {
            **_retry(idempotent=all(backend.idempotent for backend in backends)),
            "retry_priority": _NEXT_PRIORITY,
        },
        **_mirroring(production.shadows),
    }
    assignable = {"name": production.unit_header, "string_match": {"safe_regex": {"regex": UNIT_PATTERN}}}
    outside = {"x-rung-experiment": split.experiment}
    return _marked(production, routing, action, outside, match={"headers": [assignable]})


def _weighted(production: Production) -> list[dict[str, Any]]:
    *challengers, incumbent = production.arms
    names = [_clusters.fallback_name(arm.revision, incumbent.revision) for arm in challengers]
    return [
        {
            "name": name,
            "weight": arm.weight,
            "request_headers_to_add": _headers({"x-rung-arm": arm.name, "x-rung-propensity": f"{arm.propensity:.4f}"}),
        }
        for name, arm in zip([*names, _clusters.incumbent_name(production)], production.arms, strict=True)
    ]


def _marked(
    production: Production,
    routing: Routing,
    action: dict[str, Any],
    headers: dict[str, str],
    *,
    match: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    place = _Place(
        name=production.name,
        path=production.path,
        limits=routing.limits(production),
        key_of=_guard(production.name, routing),
    )
    marks = {"production": production.name, "answering": list(production.answering)}
    return place.routes(action, headers={"x-rung-route": "production", **headers}, match=match, marks=marks)


def _mirroring(shadows: tuple[Shadow, ...]) -> dict[str, Any]:
    return {"request_mirror_policies": [_mirrored(shadow) for shadow in shadows]}


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
        "retriable_headers": [_NOT_READY],
        "num_retries": 3,
        "retry_back_off": {"base_interval": "0.002s", "max_interval": "0.010s"},
        "retry_host_predicate": [_OTHER_HOSTS],
        "host_selection_retry_max_attempts": _MOST_SELECTIONS,
    }


def _direct(name: str, match: dict[str, Any], status: int, body: str) -> dict[str, Any]:
    answer = {"status": status, "body": {"inline_string": body}}
    return {"name": name, "match": match, "direct_response": answer, "typed_per_filter_config": _guards.unread()}


def _headers(values: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in values.items()
    ]


def _timeouts(answer_s: float) -> dict[str, str]:
    """Return the limit of an answer, and of silence: longer, or a slow answer would be taken for a dead consumer."""
    return {"timeout": f"{answer_s:.3f}s", "idle_timeout": f"{max(_SILENCE_S, answer_s + 1):.3f}s"}
