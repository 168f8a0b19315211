"""What Envoy says about itself, over its admin socket. Called by `Gateway` only."""

from __future__ import annotations

import http.client
import json
import re
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from rung.errors import GatewayError
from rung.gateway._bootstrap import STAT_PREFIX
from rung.gateway._routes import ROUTES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CLUSTERS_LOADED", "ROUTES_LOADED", "WARMING", "Admin"]

CLUSTERS_LOADED: Final = "cluster_manager.cds"
"""Prefix of the statistics of the loaded clusters."""

ROUTES_LOADED: Final = f"http.{STAT_PREFIX}.rds.{ROUTES}"
"""Prefix of the statistics of the loaded route table."""

WARMING: Final = "cluster_manager.warming_clusters"
"""Name of the number of clusters whose endpoints have not all been looked at."""

_TRAFFIC: Final = re.compile(r"^cluster\.([^.]+)\.(upstream_rq_active|upstream_rq_total|membership_healthy): ([0-9]+)")
_REQUESTS: Final = re.compile(r"^cluster\.([^.]+)\.upstream_rq_total")
SHOWN: Final = (
    rf"^(cluster\.[^.]+/v[0-9]+/m[0-9]+\.(upstream_rq_(total|[1-5]xx|time|timeout|retry|active|pending_overflow)"
    rf"|upstream_cx_active|membership_healthy)|http\.{STAT_PREFIX}\.downstream_(rq_(total|[1-5]xx|time|active)|cx_active))$"
)
"""Names of the statistics that people look at; Envoy has some hundred for each cluster."""
_PATIENCE_S = 5.0  # for one answer
_FAILED = ("failed_active_health_check", "pending_active_hc", "active_hc_timeout", "pending_dynamic_removal")


class Admin:
    """Ask a running Envoy; every question raises `GatewayError` when it does not answer."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def is_ready(self) -> bool:
        """Tell whether Envoy runs and takes requests."""
        try:
            return self._request("GET", "/ready")[0] == HTTPStatus.OK
        except GatewayError:
            return False

    def statistics(self) -> dict[str, str]:
        """Return versions and rejections of the discovery files and the number of warming clusters, by name."""
        names = r"\.(version_text|update_rejected|warming_clusters)$"
        _, lines = self._request("GET", f"/stats?filter={quote(names)}")
        pairs = (line.split(": ", 1) for line in lines.splitlines() if line)
        return {name: value.strip('"') for name, value in pairs}

    def healthy_endpoints(self) -> dict[str, frozenset[str]]:
        """Return the endpoints that get requests, by cluster, as a socket's path or "address:port"."""
        _, answer = self._request("GET", "/clusters?format=json")
        return {
            cluster["name"]: frozenset(
                _printed(host["address"]) for host in cluster.get("host_statuses", []) if _is_up(host)
            )
            for cluster in json.loads(answer).get("cluster_statuses", [])
        }

    def port(self, listener: str) -> int | None:
        """Return the TCP port of a listener; None when there is none of that name."""
        _, answer = self._request("GET", "/listeners?format=json")
        for each in json.loads(answer).get("listener_statuses", []):
            if each["name"] == listener:
                return int(each["local_address"]["socket_address"]["port_value"])
        return None

    def requests(self) -> dict[str, int]:
        """Return how many requests each cluster was sent since Envoy knows it, by name; probes do not count."""
        _, lines = self._request("GET", f"/stats?filter={quote(_REQUESTS.pattern)}")
        found = (_REQUESTS.match(line) for line in lines.splitlines())
        return {match[1]: int(match.string.rpartition(": ")[2]) for match in found if match is not None}

    def traffic(self) -> dict[str, dict[str, int]]:
        """Return requests in flight, requests so far, and healthy endpoints of each cluster, by its name and theirs."""
        names = r"^cluster\.[^.]+\.(upstream_rq_active|upstream_rq_total|membership_healthy)$"
        _, lines = self._request("GET", f"/stats?filter={quote(names)}")
        found: dict[str, dict[str, int]] = {}
        for match in map(_TRAFFIC.match, lines.splitlines()):
            if match is not None:
                found.setdefault(match[1], {})[match[2]] = int(match[3])
        return found

    def exposition(self) -> str:
        """Return what Envoy counts of consumers' requests and of each cluster, in the Prometheus text format."""
        return self._request("GET", f"/stats/prometheus?usedonly&filter={quote(SHOWN)}")[1]

    def epoch(self) -> int | None:
        """Return the how-manieth Envoy this is that took over from one before it; None when none can take over."""
        options = json.loads(self._request("GET", "/server_info")[1])["command_line_options"]
        return None if options["disable_hot_restart"] else int(options["restart_epoch"])

    def connections(self) -> int:
        """Return how many consumers are connected."""
        name = f"http.{STAT_PREFIX}.downstream_cx_active"
        _, line = self._request("GET", f"/stats?filter={quote(f'^{name}$')}")
        return int(line.rpartition(": ")[2] or 0)

    def drain(self) -> None:
        """Ask consumers to connect elsewhere, then take no more connections."""
        self._request("POST", "/drain_listeners?graceful")

    def reopen_logs(self) -> None:
        """Close the log files and open them anew by their names."""
        self._request("POST", "/reopen_logs")

    def _request(self, method: str, path: str) -> tuple[int, str]:
        connection = _SocketConnection(self._socket)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise GatewayError(
                f"the gateway does not answer on {self._socket} ({type(error).__name__})",
                hint="see that it runs, then try again",
            ) from error
        finally:
            connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _is_up(host: dict[str, Any]) -> bool:
    return not any(host["health_status"].get(reason) for reason in _FAILED)


def _printed(address: dict[str, Any]) -> str:
    if "pipe" in address:
        return str(address["pipe"]["path"])
    host, port = address["socket_address"]["address"], address["socket_address"]["port_value"]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
