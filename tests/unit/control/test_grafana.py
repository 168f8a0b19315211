from __future__ import annotations

import inspect
import json
import re

import pytest

from rung.control import grafana
from rung.gateway import _admin
from rung.serving import _metrics

OWN = {"rung_up", "rung_memory_bytes", "rung_alerts_open"}  # of `_telemetry`


def told() -> list[str]:
    return [expression for panel in grafana.PANELS for expression, _ in panel.queries]


@pytest.mark.parametrize("expression", told())
def test_every_query_asks_for_what_is_there(expression: str):
    source = inspect.getsource(_metrics)
    for name in re.findall(r"\b(?:rung|envoy_http)_\w+", expression):
        stem = re.sub(r"_(bucket|sum|count|total)$", "", name)
        if name.startswith("envoy_http_downstream_"):
            assert re.search(_admin.SHOWN, f"http.gateway.{name.removeprefix('envoy_http_').replace('_xx', '_2xx')}")
        else:
            assert stem in OWN or f'"{stem}"' in source, name


def test_dashboard_is_json_and_panels_do_not_overlap():
    found = json.loads(json.dumps(grafana.dashboard()))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in found["panels"]]
    assert len(set(places)) == len(places) == len(grafana.PANELS)
    assert all(place[0] in (0, 12) and place[1] % 8 == 0 for place in places)
