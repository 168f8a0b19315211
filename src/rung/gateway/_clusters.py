"""Clusters and endpoints: how Envoy reaches the servers of a revision. Pure; called by `configuration`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rung.gateway.routing import Backend, Production, Routing

__all__ = [
    "OUTCOMES",
    "cluster",
    "cluster_name",
    "collector",
    "fallback_name",
    "fallbacks",
    "incumbent_name",
    "mirror",
    "mirror_name",
    "token_headers",
]

OUTCOMES: Final = "outcomes"
"""Name of the collector's cluster."""

_UNLIMITED = 100_000  # beyond what one machine can do: limiting is the revision server's affair, not the breaker's
_MOST_MIRRORED = 64  # requests that a shadow may have at once, and as many may wait: further ones are not mirrored
_ANY_IS_ENOUGH = 10_000  # per cent by which a healthy replica counts: one of a hundred still takes all of the traffic
_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_AGGREGATE = "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig"
_HTTP_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

_HEALTH_CHECK: Final[dict[str, Any]] = {
    "timeout": "2s",
    "interval": "1s",
    "no_traffic_interval": "1s",
    "unhealthy_interval": "0.25s",
    "unhealthy_threshold": 2,
    "healthy_threshold": 1,
    "http_health_check": {"host": "gateway", "path": "/readyz"},
}
"""A dead replica is out after 2 s at most and back within 0.25 s; `/readyz` that answers 503 takes it out at once."""

_LOST_MS = 400
"""After which a machine that acknowledges nothing is taken for lost: its connections break; requests go elsewhere."""
_USER_TIMEOUT: Final = {"level": 6, "name": 18, "int_value": _LOST_MS, "state": "STATE_PREBIND"}  # TCP_USER_TIMEOUT
_FAR: Final[dict[str, Any]] = {
    "connect_timeout": f"{_LOST_MS / 1e3:g}s",
    "upstream_connection_options": {
        "tcp_keepalive": {"keepalive_probes": 1, "keepalive_time": 1, "keepalive_interval": 1}
    },
    **({"upstream_bind_config": {"socket_options": [_USER_TIMEOUT]}} if sys.platform == "linux" else {}),
}
"""How servers with an address are reached: their machine may go without a word, which a socket file's cannot."""

_BALANCING: Final[dict[str, Any]] = {
    "healthy_panic_threshold": {"value": 0},  # never the dead ones, not even when all are: the fallback depends on it
    "update_merge_window": "0s",  # the threads know at once who is healthy: a change of routes follows in milliseconds
}


def cluster_name(revision: str) -> str:
    """Return a name without dots, which would tear the statistic's name apart.

    >>> cluster_name("housing.v1.m2")
    'housing/v1/m2'
    """
    return revision.replace(".", "/")


def revision_name(cluster: str) -> str | None:
    """Return the revision that a cluster is; None for a cluster of something else.

    >>> revision_name("housing/v1/m2"), revision_name("outcomes")
    ('housing.v1.m2', None)
    """
    return cluster.replace("/", ".") if cluster.count("/") == 2 else None  # noqa: PLR2004  service, major, minor


def fallback_name(first: str, second: str) -> str:
    """Return the name of the cluster that tries a revision, then another.

    >>> fallback_name("housing.v1.m3", "housing.v1.m2")
    'housing/v1/m3-or-m2'
    """
    return f"{cluster_name(first)}-or-{second.rpartition('.')[2]}"


def incumbent_name(production: Production) -> str:
    """Return the name of the cluster that answers as the incumbent: with its standby, when it has one."""
    incumbent = production.answering[0]
    return fallback_name(incumbent, production.standby) if production.standby else cluster_name(incumbent)


def mirror_name(revision: str) -> str:
    """Return the name of the cluster that takes mirrored requests.

    >>> mirror_name("housing.v1.m4")
    'housing/v1/m4-shadow'
    """
    return f"{cluster_name(revision)}-shadow"


def token_headers(routing: Routing) -> list[dict[str, Any]]:
    """Return the header that servers with an address demand; none where all have socket files."""
    if routing.server_token is None:
        return []
    header = {"key": "x-rung-server-token", "value": routing.server_token}
    return [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]


def cluster(backend: Backend, routing: Routing) -> dict[str, Any]:
    """Return the cluster of a revision, with its endpoints.

    There is no outlier ejection: a revision that answers 500 is evidence, and hiding it would bias the experiment.
    """
    name = cluster_name(backend.revision)
    return {**_common(name), **_checked(name, backend, routing)}


def mirror(backend: Backend, routing: Routing) -> dict[str, Any]:
    """Return the cluster of a revision as a shadow: the same servers, reached with limits of its own.

    A shadow that hangs costs a bounded number of connections and of bodies in memory, and whoever asks this revision by
    its exact path does not share that limit.
    """
    name = mirror_name(backend.revision)
    limited = _common(name, most=_MOST_MIRRORED, longest_s=backend.timeout_s)
    return {**limited, **_checked(name, backend, routing)}


def collector(endpoint: str) -> dict[str, Any]:
    """Return the cluster of the process that takes business outcomes."""
    return {**_common(OUTCOMES), "type": "STATIC", "load_assignment": _assignment(OUTCOMES, (endpoint,))}


def fallbacks(production: Production) -> list[dict[str, Any]]:
    """Return the clusters of two revisions: dead challengers' units go to the incumbent, its own to its standby."""
    incumbent, *challengers = production.answering
    pairs = [(challenger, incumbent) for challenger in challengers]
    return [_aggregate(*pair) for pair in pairs + ([(incumbent, production.standby)] if production.standby else [])]


def _aggregate(first: str, second: str) -> dict[str, Any]:
    members = [cluster_name(first), cluster_name(second)]
    return {
        "@type": _CLUSTER,
        "name": fallback_name(first, second),
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {
            "name": "envoy.clusters.aggregate",
            "typed_config": {"@type": _AGGREGATE, "clusters": members},
        },
        "common_lb_config": _BALANCING,
        "circuit_breakers": _breakers(_UNLIMITED),
    }


def _common(name: str, *, most: int = _UNLIMITED, longest_s: float | None = None) -> dict[str, Any]:
    # Shorter than the 5 s after which a server of the field hangs up: else both ends race.
    http = {"idle_timeout": "4s"}
    if longest_s is not None:
        http["max_stream_duration"] = f"{longest_s:.3f}s"
    return {
        "@type": _CLUSTER,
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": _BALANCING,
        "circuit_breakers": _breakers(most),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _HTTP_OPTIONS,
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": http,
            }
        },
    }


def _checked(name: str, backend: Backend, routing: Routing) -> dict[str, Any]:
    """Return the endpoints, and how they are looked at.

    They are part of the cluster, not a file of their own: Envoy watches each file with an inotify instance, of which a
    user has 128 in all. A change of endpoints is a new cluster, which takes over once each of them was looked at.
    """
    is_far = not all(endpoint.startswith("unix:") for endpoint in backend.endpoints)
    return {
        "type": "STATIC",
        "load_assignment": _assignment(name, backend.endpoints),
        "health_checks": [_health_check(routing, is_far=is_far)],
        "ignore_health_on_host_removal": True,
        **(_FAR if is_far else {}),
    }


def _health_check(routing: Routing, *, is_far: bool) -> dict[str, Any]:
    headers = token_headers(routing)
    more = {"request_headers_to_add": headers} if headers else {}
    often = {"interval": "0.5s", "no_traffic_interval": "0.5s"} if is_far else {}
    return {**_HEALTH_CHECK, **often, "http_health_check": {**_HEALTH_CHECK["http_health_check"], **more}}


def _breakers(most: int) -> dict[str, Any]:
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    return {"thresholds": [dict.fromkeys(limits, most)]}


def _assignment(name: str, endpoints: tuple[str, ...]) -> dict[str, Any]:
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(endpoint)}} for endpoint in endpoints]}],
        "policy": {"overprovisioning_factor": _ANY_IS_ENOUGH},
    }


def _address(endpoint: str) -> dict[str, Any]:
    if endpoint.startswith("unix:"):
        return {"pipe": {"path": endpoint.removeprefix("unix:")}}
    host, _, port = endpoint.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
