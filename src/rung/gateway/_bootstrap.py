"""What never changes while an Envoy runs: its listener, its admin socket, its log, its limits. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from rung.gateway._routes import BODY_LIMIT, ROUTES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["STAT_PREFIX", "bootstrap"]

STAT_PREFIX: Final = "gateway"

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_EARLY_MUTATION = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_OWNED_BY_THE_PATH = ("x-rung-", "x-envoy-")  # a consumer must not choose its arm, nor timeouts and retries
_SENTENCES: Final = {
    "UH": "no server of this revision passes its health check now; send it again later",
    "UT": "the revision did not answer in time",
    "UF": "the revision does not take connections now; send it again later",
    "UC": "the connection to the revision broke before it answered",
    "URX": "the revision failed at every attempt",
    "NC": "the revision is being removed",
}
_RUNTIME: Final = {
    "re2.max_program_size.error_level": 5_000,  # instructions; the default of 100 is less than a name takes
    "envoy.reloadable_features.match_headers_individually": False,  # joined by commas, a repeated unit is no unit
}
_MOST_CONNECTIONS = 10_000  # from consumers; more are closed at once, so that Envoy never runs out of files
_STATUSES = (400, 403, 404, 408, 413, 426, 431, 502, 503, 504)
_ACCESS_LOG: Final = {
    "time": "%START_TIME%",
    "request_id": "%REQUEST_HEADER(X-REQUEST-ID)%",
    "method": "%REQUEST_HEADER(:METHOD)%",
    "path": "%REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "milliseconds": "%DURATION%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "experiment": "%REQUEST_HEADER(X-RUNG-EXPERIMENT)%",
    "arm": "%REQUEST_HEADER(X-RUNG-ARM)%",
    "revision": "%RESPONSE_HEADER(X-REVISION)%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
}


def bootstrap(folder: Path, *, host: str, port: int, admin_socket: Path) -> dict[str, Any]:
    """Return the configuration that Envoy starts with.

    Args:
        folder: absolute; holds the discovery files and the access log.
        host: IP address to listen on.
        port: TCP port to listen on.
        admin_socket: absolute path, at most 107 bytes; only its owner may connect.
    """
    return {
        "node": {"id": "rung", "cluster": "rung"},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "dynamic_resources": {"cds_config": _file(folder / "cds.json")},
        "static_resources": {"listeners": [_listener(folder, host, port)]},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def _connection_limit() -> dict[str, Any]:
    monitor = "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"type.googleapis.com/{monitor}",
            "max_active_downstream_connections": _MOST_CONNECTIONS,
        },
    }


def _file(path: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _listener(folder: Path, host: str, port: int) -> dict[str, Any]:
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": _manager(folder)}
    return {
        "name": "production",
        # Or a second gateway on this port would start as well, and take half of the requests.
        "enable_reuse_port": False,
        "address": {"socket_address": {"address": host, "port_value": port}},
        "filter_chains": [{"filters": [manager]}],
    }


def _manager(folder: Path) -> dict[str, Any]:
    return {
        "@type": f"type.googleapis.com/{_HCM}",
        "stat_prefix": STAT_PREFIX,
        "server_name": "rung",
        "rds": {"route_config_name": ROUTES, "config_source": _file(folder / "rds.json")},
        "http_filters": _filters(),
        "early_header_mutation_extensions": [_stripping()],
        "access_log": [_access_log(folder)],
        "local_reply_config": _problems(),
        **_identity(),
        **_limits(),
    }


def _identity() -> dict[str, Any]:
    """Return whom to believe: nobody. The address is the peer's own, and what names a request is made here."""
    return {
        "use_remote_address": True,
        "always_set_request_id_in_response": True,
    }


def _limits() -> dict[str, Any]:
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": 60,
        "request_headers_timeout": "10s",
        "request_timeout": "60s",
        "stream_idle_timeout": "300s",
        "common_http_protocol_options": {"idle_timeout": "300s", "headers_with_underscores_action": "DROP_HEADER"},
    }


def _filters() -> list[dict[str, Any]]:
    """Return body limit and router; the limit keeps a slow sender away from the revision's workers as well."""
    http = "type.googleapis.com/envoy.extensions.filters.http"
    return [
        {
            "name": "envoy.filters.http.buffer",
            "typed_config": {"@type": f"{http}.buffer.v3.Buffer", "max_request_bytes": BODY_LIMIT},
        },
        {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{http}.router.v3.Router"}},
    ]


def _stripping() -> dict[str, Any]:
    removals: list[dict[str, Any]] = [{"remove": "x-request-id"}]
    removals += [{"remove_on_match": {"key_matcher": {"prefix": prefix}}} for prefix in _OWNED_BY_THE_PATH]
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": f"type.googleapis.com/{_EARLY_MUTATION}", "mutations": removals},
    }


def _access_log(folder: Path) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(folder / "access.log"),
            "log_format": {"json_format": _ACCESS_LOG},
        },
    }


def _problems() -> dict[str, Any]:
    """Return how Envoy words what it answers by itself: as problem details (RFC 9457)."""
    healthy = {
        "filter": _status_is(200),
        "body_format_override": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    }
    flagged = [
        {
            "filter": {"response_flag_filter": {"flags": [flag]}},
            "body": {"inline_string": sentence},
            "body_format_override": _problem("Gateway Timeout" if flag == "UT" else "Service Unavailable"),
        }
        for flag, sentence in _SENTENCES.items()
    ]
    too_large = {
        "filter": _status_is(413),
        "body": {"inline_string": f"the body is larger than {BODY_LIMIT} bytes"},
        "body_format_override": _problem(HTTPStatus(413).phrase),
    }
    titled = [
        {"filter": _status_is(status), "body_format_override": _problem(HTTPStatus(status).phrase)}
        for status in _STATUSES
    ]
    return {"mappers": [healthy, *flagged, too_large, *titled], "body_format": _problem("The gateway refused")}


def _status_is(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"rung.status.{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _problem(title: str) -> dict[str, Any]:
    return {
        "json_format": {
            "type": "about:blank",
            "title": title,
            "status": "%RESPONSE_CODE%",
            "detail": "%LOCAL_REPLY_BODY%",
            "instance": _ACCESS_LOG["path"],
            "code": "%RESPONSE_CODE_DETAILS%",
            "request_id": _ACCESS_LOG["request_id"],
        },
        "content_type": "application/problem+json",
    }
