"""Routing -> the files that Envoy reads, as data; and the step in between that lets a change lose no request. Pure.

`cds.json` holds the clusters with their endpoints, `rds.json` the route table. Each carries a version made of its
content; the route table, written last, carries the version of everything.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from rung.gateway import _clusters, _routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rung.gateway.routing import Routing

__all__ = ["CLUSTERS", "ROUTES", "Files", "addresses", "configuration", "encoded", "is_whole", "widened"]

Files = dict[str, dict[str, Any]]
"""Discovery responses by the name of their file."""

CLUSTERS: Final = "cds.json"
ROUTES: Final = "rds.json"


def configuration(routing: Routing) -> Files:
    """Return both discovery files for this routing; equal routings give equal files, wherever they are written."""
    clusters, table = _versioned(_all_clusters(routing)), [_routes.route_table(routing)]
    return {CLUSTERS: clusters, ROUTES: {"version_info": _digest([clusters, *table]), "resources": table}}


def widened(current: Mapping[str, dict[str, Any]], target: Files) -> Files:
    """Return the target plus every cluster and endpoint in use now, with the target's routes.

    Nothing that a request on its way may need is missing from it.
    """
    old = {cluster["name"]: cluster for cluster in _resources(current.get(CLUSTERS))}
    new = {cluster["name"]: _joined(old.get(cluster["name"]), cluster) for cluster in _resources(target[CLUSTERS])}
    kept = [cluster for name, cluster in old.items() if name not in new]
    return {**target, CLUSTERS: _versioned([*new.values(), *kept])}


def is_whole(files: Mapping[str, dict[str, Any]]) -> bool:
    """Tell whether an Envoy can start from these files: none is missing."""
    return {CLUSTERS, ROUTES} <= files.keys()


def addresses(files: Mapping[str, dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Return the endpoints by the name of their cluster, as Envoy prints them: a socket's path or "address:port"."""
    clusters = _resources(files.get(CLUSTERS))
    return {cluster["name"]: frozenset(map(_printed, _entries(cluster))) for cluster in clusters}


def encoded(response: Mapping[str, Any]) -> bytes:
    """Return the bytes of a file, the same for the same content."""
    return json.dumps(response, sort_keys=True).encode()


def _all_clusters(routing: Routing) -> list[dict[str, Any]]:
    shadows = [routing.backend(shadow.revision) for production in routing.productions for shadow in production.shadows]
    return [
        *(_clusters.cluster(backend, routing) for backend in routing.backends),
        *(_clusters.mirror(backend, routing) for backend in shadows),
        *(
            each
            for production in routing.productions
            if production.incumbent
            for each in _clusters.fallbacks(production)
        ),
        *([_clusters.collector(routing.outcomes)] if routing.outcomes else []),
    ]


def _joined(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Return a cluster with its endpoints of before as well; one without endpoints of its own as it is."""
    entries = _entries(new)
    missing = [entry for entry in _entries(old or {}) if entry not in entries]
    if not entries or not missing:
        return new
    endpoints = [{"lb_endpoints": [*entries, *missing]}]
    return {**new, "load_assignment": {**new["load_assignment"], "endpoints": endpoints}}


def _entries(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    localities = cluster.get("load_assignment", {}).get("endpoints", ())
    return [entry for locality in localities for entry in locality["lb_endpoints"]]


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
