"""Grafana's dashboard over the control plane's page of metrics: `rung metrics --grafana FILE` writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_WIDTH, _HEIGHT = 12, 8  # two panels beside each other; Grafana's grid has 24 columns
_BY_REVISION: Final = '{revision=~"$revision"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One graph."""

    title: str
    unit: str
    """As Grafana names it: `reqps`, `s`, `bytes`."""
    queries: tuple[tuple[str, str], ...]
    """Each an expression and the legend of its lines."""


def _quantile(metric: str, quantile: float, by: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{_BY_REVISION}[5m])))"


def _rate(metric: str) -> str:
    return f"sum by (revision) (rate({metric}{_BY_REVISION}[5m]))"


PANELS: Final = (
    Panel(
        title="Requests",
        unit="reqps",
        queries=(
            (f"sum by (revision, route) (rate(rung_requests_total{_BY_REVISION}[1m]))", "{{revision}} {{route}}"),
        ),
    ),
    Panel(
        title="Errors by kind",
        unit="reqps",
        queries=((f"sum by (revision, kind) (rate(rung_errors_total{_BY_REVISION}[1m]))", "{{revision}} {{kind}}"),),
    ),
    Panel(
        title="Latency: middle, 95th and 99th percentile",
        unit="s",
        queries=tuple(
            (_quantile("rung_request_seconds", quantile, "revision"), f"{{{{revision}}}} p{quantile * 100:.0f}")
            for quantile in (0.5, 0.95, 0.99)
        ),
    ),
    Panel(
        title="Wait for a call: 95th percentile, and requests that wait",
        unit="short",
        queries=(
            (_quantile("rung_wait_seconds", 0.95, "revision"), "{{revision}} seconds"),
            (f"sum by (revision) (rung_waiting_requests{_BY_REVISION})", "{{revision}} requests"),
        ),
    ),
    Panel(
        title="Instances in a call, on average",
        unit="short",
        queries=(
            (
                f"{_rate('rung_call_instances_sum')} / {_rate('rung_call_instances_count')}",
                "{{revision}}",
            ),
        ),
    ),
    Panel(
        title="Processors in use",
        unit="short",
        queries=((f"sum by (revision) (rate(rung_cpu_seconds_total{_BY_REVISION}[1m]))", "{{revision}}"),),
    ),
    Panel(
        title="Memory",
        unit="bytes",
        queries=((f"sum by (revision) (rung_memory_bytes{_BY_REVISION})", "{{revision}}"),),
    ),
    Panel(
        title="Alerts that are open",
        unit="short",
        queries=(("sum by (service, kind, severity) (rung_alerts_open)", "{{service}} {{kind}} ({{severity}})"),),
    ),
    Panel(
        title="The gateway: answers to consumers",
        unit="reqps",
        queries=(
            (
                "sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx[1m]))",
                "{{envoy_response_code_class}}xx",
            ),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Give the dashboard as Grafana imports it; it asks for the data source, and which revisions to show."""
    return {
        "title": "Rung",
        "uid": "rung",
        "schemaVersion": 39,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}],
        "templating": {"list": [_choice()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def _choice() -> dict[str, Any]:
    return {
        "name": "revision",
        "type": "query",
        "datasource": _source(),
        "query": "label_values(rung_up, revision)",
        "refresh": 2,  # whenever the span of time changes
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    column, row = number % 2, number // 2
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _source(),
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend}
            for at, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _source() -> dict[str, str]:
    return {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
