"""What the gateway tells of the requests that it sent, and what it leaves of their traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from rung.control._telemetry import _named

if TYPE_CHECKING:
    from .conftest import Site

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_requests_are_counted_by_revision(site: Site):
    for name in ("m1", "m2"):
        site.serve(name)
    site.gateway.apply(site.routing("m1", "m2", incumbent="m1"))
    before = site.gateway.requests()
    for path, count in (("/housing/v1/predict", 5), ("/housing/v1/m2/predict", 2)):
        for _ in range(count):
            assert httpx2.post(f"{site.url}{path}", json={"instances": [{}]}).status_code == 200
    after = site.gateway.requests()
    counted = {name: after[name] - before.get(name, 0) for name in after}
    assert counted == {"housing.v1.m1": 5, "housing.v1.m2": 2}


def test_page_can_be_read_and_names_revisions(site: Site):
    site.serve("m1")
    site.gateway.apply(site.routing("m1", incumbent="m1"))
    assert httpx2.post(f"{site.url}/housing/v1/predict", json={"instances": [{}]}).status_code == 200
    page = "\n".join(_named(line) for line in site.gateway.exposition().splitlines())
    families = {family.name: family for family in text_string_to_metric_families(f"{page}\n")}
    sent = {one.labels.get("revision"): one.value for one in families["envoy_cluster_upstream_rq"].samples}
    assert sent["housing.v1.m1"] >= 1
    (answered,) = [one for one in families["envoy_http_downstream_rq_xx"].samples if one.value]
    assert answered.labels["envoy_response_code_class"] == "2"
    assert len(page.splitlines()) < 200


def test_trace_goes_through_untouched(site: Site):
    site.serve("m1")
    site.gateway.apply(site.routing("m1", incumbent="m1"))
    headers = {"traceparent": TRACE, "tracestate": "vendor=1"}
    answer = httpx2.post(f"{site.url}/housing/v1/predict", json={"instances": [{}]}, headers=headers)
    seen = answer.json()["headers"]
    assert (seen["traceparent"], seen["tracestate"]) == (TRACE, "vendor=1")
