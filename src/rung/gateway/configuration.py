"""Routing -> the files that Envoy reads, as data; and the step in between that lets a change lose no request. Pure.

`cds.json` holds the clusters, `eds.<revision>.json` the endpoints of one, `rds.json` the route table. Each carries a
version made of its content; the route table, written last, carries the version of everything.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from rung.gateway import _clusters, _routes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rung.gateway.routing import Backend, Routing

__all__ = [
    "CLUSTERS",
    "ROUTES",
    "Files",
    "addresses",
    "configuration",
    "encoded",
    "endpoints_file",
    "is_whole",
    "watches",
    "widened",
]

Files = dict[str, dict[str, Any]]
"""Discovery responses by the name of their file."""

CLUSTERS: Final = "cds.json"
ROUTES: Final = "rds.json"
_OWN_WATCHES: Final = 16
"""Files that Envoy watches beside endpoints, and what other processes of the same user may watch."""


def configuration(routing: Routing, *, folder: Path) -> Files:
    """Return every discovery file for this routing; equal routings give equal files.

    Args:
        routing: what to route.
        folder: absolute; where the files will be, because clusters name the files of their endpoints.
    """
    files = {
        endpoints_file(_clusters.cluster_name(backend.revision)): _versioned([_clusters.assignment(backend)])
        for backend in routing.backends
    }
    files[CLUSTERS] = _versioned(_all_clusters(routing, folder))
    table = [_routes.route_table(routing)]
    everything = _digest([files[name] for name in sorted(files)] + table)
    return {**files, ROUTES: {"version_info": everything, "resources": table}}


def widened(current: Mapping[str, dict[str, Any]], target: Files) -> Files:
    """Return the target plus every cluster and endpoint in use now, with the target's routes.

    Nothing that a request on its way may need is missing from it.
    """
    wide = dict(target)
    clusters = _resources(target.get(CLUSTERS))
    kept = {cluster["name"] for cluster in clusters}
    clusters += [cluster for cluster in _resources(current.get(CLUSTERS)) if cluster["name"] not in kept]
    wide[CLUSTERS] = _versioned(clusters)
    for name, response in current.items():
        if name in target and name not in (CLUSTERS, ROUTES):
            wide[name] = _versioned([_joined(_resources(response)[0], _resources(target[name])[0])])
    return wide


def watches(files: Mapping[str, dict[str, Any]]) -> int:
    """Count the files that an Envoy watches: one for each cluster with endpoints of its own, and a few of its own."""
    return _OWN_WATCHES + sum("eds_cluster_config" in one for one in _resources(files.get(CLUSTERS)))


def is_whole(files: Mapping[str, dict[str, Any]]) -> bool:
    """Tell whether an Envoy can start from these files: none is missing."""
    named = {
        endpoints_file(cluster["eds_cluster_config"]["service_name"])
        for cluster in _resources(files.get(CLUSTERS))
        if "eds_cluster_config" in cluster
    }
    return {CLUSTERS, ROUTES} | named <= files.keys()


def addresses(response: Mapping[str, Any]) -> frozenset[str]:
    """Return the endpoints in an endpoint file, as Envoy prints them: a socket's path or "address:port"."""
    return frozenset(_printed(entry) for entry in _entries(_resources(response)[0]))


def endpoints_file(cluster: str) -> str:
    """Return the name of the file with this cluster's endpoints.

    >>> endpoints_file("housing/v1/m2")
    'eds.housing.v1.m2.json'
    """
    return f"eds.{cluster.replace('/', '.')}.json"


def encoded(response: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file, the same for the same content."""
    return json.dumps(response, sort_keys=True, indent=1).encode()


def _all_clusters(routing: Routing, folder: Path) -> list[dict[str, Any]]:
    def path(backend: Backend) -> str:
        return str(folder / endpoints_file(_clusters.cluster_name(backend.revision)))

    shadows = [routing.backend(shadow.revision) for production in routing.productions for shadow in production.shadows]
    return [
        *(_clusters.cluster(backend, endpoints_file=path(backend)) for backend in routing.backends),
        *(_clusters.mirror(backend, endpoints_file=path(backend)) for backend in shadows),
        *(
            each
            for production in routing.productions
            if production.incumbent
            for each in _clusters.fallbacks(production)
        ),
        *([_clusters.collector(routing.outcomes)] if routing.outcomes else []),
    ]


def _joined(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    entries = _entries(new)
    entries += [entry for entry in _entries(old) if entry not in entries]
    return {**new, "endpoints": [{"lb_endpoints": entries}]}


def _entries(assignment: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for locality in assignment["endpoints"] for entry in locality["lb_endpoints"]]


def _printed(entry: dict[str, Any]) -> str:
    address = entry["endpoint"]["address"]
    if "pipe" in address:
        return str(address["pipe"]["path"])
    host, port = address["socket_address"]["address"], address["socket_address"]["port_value"]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resources(response: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return list(response["resources"]) if response else []


def _versioned(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"version_info": _digest(resources), "resources": resources}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
