"""What never changes while an Envoy runs: its listener, its admin socket, its log, its limits. Pure."""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from rung.gateway import _guards
from rung.gateway._routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["CERTIFICATE", "CERTIFICATES", "DOOR", "STAT_PREFIX", "bootstrap"]

STAT_PREFIX: Final = "gateway"
DOOR: Final = "door"
"""Name of the listener that gates use: on loopback, without encryption, keys and rates, for exact revisions alone."""
CERTIFICATE: Final = "gateway"
"""Name of the certificate as a discovery resource."""
CERTIFICATES: Final = "sds.json"
"""File of that resource."""

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
    # One connection that opens and resets streams without end (CVE-2023-44487) neither starves nor fills the rest.
    "http.max_requests_per_io_cycle": 16,
    "overload.premature_reset_total_stream_count": 100,
    "envoy.reloadable_features.match_headers_individually": False,  # joined by commas, a repeated unit is no unit
}
_MOST_CONNECTIONS = 10_000  # from consumers; more are closed at once, so that Envoy never runs out of files
_MOST_HEAP = 2 * 1024**3  # bytes; near them new requests get a 503, and the largest ones under way are let go
_MOST_STREAMS = 100  # requests at a time in one connection of HTTP/2
_STREAM_WINDOW, _CONNECTION_WINDOW = 64 * 1024, 1024 * 1024  # bytes that a sender may be ahead
_HANDSHAKE = "10s"  # for TLS to be agreed on
_STATUSES = (400, 401, 403, 404, 408, 413, 426, 429, 431, 502, 503, 504)
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
    "consumer": "%REQUEST_HEADER(X-RUNG-CONSUMER)%",
    "experiment": "%REQUEST_HEADER(X-RUNG-EXPERIMENT)%",
    "arm": "%REQUEST_HEADER(X-RUNG-ARM)%",
    "revision": "%RESPONSE_HEADER(X-REVISION)%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
}


def bootstrap(
    folder: Path,
    *,
    host: str,
    port: int,
    admin_socket: Path,
    encrypted: bool = False,
    started_with: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the configuration that Envoy starts with.

    Args:
        folder: absolute; holds the discovery files and the access log.
        host: IP address to listen on.
        port: TCP port to listen on.
        admin_socket: absolute path, at most 107 bytes; only its owner may connect.
        encrypted: TLS, with the certificate that `sds.json` names.
        started_with: What else an Envoy that runs was started with: it is another one when that changes.
    """
    outer = _manager(folder, _guards.filters())
    inner = _manager(folder, _guards.inner_filters())
    listeners = [
        _listener("production", (host, port), outer, _encryption(folder) if encrypted else {}),
        _listener(DOOR, ("127.0.0.1", 0), inner, {}),
    ]
    return {
        "node": {"id": "rung", "cluster": "rung", "metadata": dict(started_with)},
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}},
        "dynamic_resources": {"cds_config": _file(folder / "cds.json")},
        "static_resources": {"listeners": listeners},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
        "overload_manager": _overload(),
    }


def _overload() -> dict[str, Any]:
    """Return what is given up before the machine's memory and files are."""
    heap = {"name": "envoy.resource_monitors.fixed_heap"}
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [_connection_limit(), {**heap, "typed_config": _heap_limit()}],
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 20},  # requests that hold 1 MiB or more
        "actions": [
            {
                "name": "envoy.overload_actions.stop_accepting_requests",
                "triggers": [{**heap, "threshold": {"value": 0.95}}],
            },
            {
                "name": "envoy.overload_actions.reset_high_memory_stream",
                "triggers": [{**heap, "scaled": {"scaling_threshold": 0.9, "saturation_threshold": 0.98}}],
            },
        ],
    }


def _heap_limit() -> dict[str, Any]:
    monitor = "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig"
    return {"@type": f"type.googleapis.com/{monitor}", "max_heap_size_bytes": _MOST_HEAP}


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


def _listener(
    name: str, address: tuple[str, int], manager: dict[str, Any], transport: dict[str, Any]
) -> dict[str, Any]:
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": name,
        # Or a second gateway on this port would start as well, and take half of the requests.
        "enable_reuse_port": False,
        "address": {"socket_address": {"address": address[0], "port_value": address[1]}},
        "filter_chains": [{"filters": [http], **transport}],
    }


def _encryption(folder: Path) -> dict[str, Any]:
    context = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    certificate = {"name": CERTIFICATE, "sds_config": _file(folder / CERTIFICATES)}
    return {
        "transport_socket_connect_timeout": _HANDSHAKE,
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": context,
                "common_tls_context": {
                    "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                    "tls_certificate_sds_secret_configs": [certificate],
                    "alpn_protocols": ["h2", "http/1.1"],
                },
            },
        },
    }


def _manager(folder: Path, filters: list[dict[str, Any]]) -> dict[str, Any]:
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    return {
        "@type": f"type.googleapis.com/{_HCM}",
        "stat_prefix": STAT_PREFIX,
        "server_name": "rung",
        "rds": {"route_config_name": ROUTES, "config_source": _file(folder / "rds.json")},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": router}],
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
        "http2_protocol_options": {
            "max_concurrent_streams": _MOST_STREAMS,
            "initial_stream_window_size": _STREAM_WINDOW,
            "initial_connection_window_size": _CONNECTION_WINDOW,
        },
    }


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
    most = f"%METADATA(ROUTE:{_guards.METADATA}:max_body_bytes)%"
    wait = f"%METADATA(ROUTE:{_guards.METADATA}:{_guards.WAIT})%"
    too_large = {
        "filter": _status_is(413),
        "body_format_override": _problem(HTTPStatus(413).phrase, detail=f"the body is larger than {most} bytes"),
    }
    too_many = {
        "filter": _status_is(429),
        "body": {"inline_string": "more requests came than this service takes in a while; send it again later"},
        "body_format_override": _problem(HTTPStatus(429).phrase),
        "headers_to_add": [{"header": {"key": "retry-after", "value": wait}}],
    }
    titled = [
        {"filter": _status_is(status), "body_format_override": _problem(HTTPStatus(status).phrase)}
        for status in _STATUSES
    ]
    return {
        "mappers": [healthy, *flagged, too_large, too_many, *titled],
        "body_format": _problem("The gateway refused"),
    }


def _status_is(status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"rung.status.{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _problem(title: str, *, detail: str = "%LOCAL_REPLY_BODY%") -> dict[str, Any]:
    return {
        "json_format": {
            "type": "about:blank",
            "title": title,
            "status": "%RESPONSE_CODE%",
            "detail": detail,
            "instance": _ACCESS_LOG["path"],
            "code": "%RESPONSE_CODE_DETAILS%",
            "request_id": _ACCESS_LOG["request_id"],
        },
        "content_type": "application/problem+json",
    }
