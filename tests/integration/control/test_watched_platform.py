"""What a platform tells of its revisions unasked: one page for Prometheus, what was used, what was logged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from live_platform import LivePlatform

ASKED = 40


def value(text: str, name: str, **labels: str) -> float:
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    found = [one.value for one in samples if one.name == name and labels.items() <= one.labels.items()]
    return sum(found)


def test_everything_is_watched(platform: LivePlatform):
    right = {"instances": [{"x": 3}]}
    with httpx2.Client(base_url=platform.gateway) as http:
        platform.wait(lambda: http.post("/tiny/v1/predict", json=right).status_code == 200)  # the gateway sees servers
        for _ in range(ASKED):
            assert http.post("/tiny/v1/predict", json=right).status_code == 200
        failed = http.post("/tiny/v1/predict", json={"instances": [{"x": 666}]})
    assert failed.status_code == 500
    counted = {"revision": "tiny.v1.m1", "route": "predict"}
    platform.wait(lambda: value(platform.api("/metrics").text, "rung_requests_total", status="200", **counted) >= ASKED)
    page = platform.api("/metrics").text
    assert value(page, "rung_errors_total", kind="failed", **counted) == 1
    assert value(page, "rung_up", revision="tiny.v1.m0") == value(page, "rung_up", revision="tiny.v1.m1") == 1
    assert value(page, "rung_resident_bytes", revision="tiny.v1.m1") > 20_000_000
    assert value(page, "envoy_cluster_upstream_rq_total", revision="tiny.v1.m1") >= ASKED
    assert platform.rung("metrics", "--prometheus").stdout.count("# TYPE rung_requests_total counter") == 1

    def asked() -> int:
        return {one["revision"]: one["requests"] for one in platform.ask("cost")["revisions"]}.get("tiny.v1.m1", 0)

    platform.wait(lambda: asked() >= ASKED)  # the next sample sees them
    used = {one["revision"]: one for one in platform.ask("cost", "tiny")["revisions"]}
    assert used["tiny.v1.m1"]["state"] == "incumbent"
    assert used["tiny.v1.m1"]["cpu_s"] > 0.1
    assert "no prices" in platform.rung("cost").stdout
    lines = [json.loads(line) for line in platform.rung("logs", "tiny.v1.m1", "--server", "--json").stdout.splitlines()]
    (told,) = [line for line in lines if line["level"] == "error"]
    assert told["request_id"] == failed.headers["x-request-id"]
    assert told["event"] == "prediction_failed: the prediction holds numbers that are not finite"
    assert "666" not in told.values()
    assert f"request_id={told['request_id']}" in platform.rung("logs", "tiny.v1.m1", "--server").stdout
