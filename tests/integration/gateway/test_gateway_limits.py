"""How much consumers may send, and how often."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx2
from waiting import until

from rung.gateway import Limits, Rate

if TYPE_CHECKING:
    from conftest import Site

PREDICT = "/housing/v1/predict"
V2 = "/housing/v1/v2/models/predict/infer"
SLOW = Rate(requests_per_s=0.05, burst=3)


def limited(site: Site, limits: Limits, **changes: object):
    """Route to two revisions, both with these limits; the first one answers production."""
    site.serve("m2")
    site.serve("m3")
    routing = site.routing("m2", "m3", incumbent="m2", **changes)
    site.gateway.apply(replace(routing, backends=site.backends("m2", "m3", limits=limits)))


def statuses(client: httpx2.Client, path: str, count: int, **more: object) -> list[int]:
    return [client.post(path, json={}, **more).status_code for _ in range(count)]


def test_too_many_requests_are_told_to_wait(site: Site):
    limited(site, Limits(rate=SLOW))
    with site.client() as client:
        assert statuses(client, PREDICT, 5) == [200, 200, 200, 429, 429]
        refused = client.post(PREDICT, json={})
    assert refused.headers["retry-after"] == "20"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith("more requests came than this service takes")


def test_a_limit_holds_for_all_routes_together(site: Site):
    limited(site, Limits(rate=SLOW))
    with site.client() as client:
        assert statuses(client, PREDICT, 2) + statuses(client, "/housing/v1/other", 2) == [200, 200, 200, 429]


def test_each_path_has_a_bucket_of_its_own(site: Site):
    limited(site, Limits(rate=SLOW))
    with site.client() as client:
        assert statuses(client, PREDICT, 4)[-1] == 429
        assert statuses(client, "/housing/v1/m2/predict", 4) == [200, 200, 200, 429]
        assert statuses(client, "/housing/v1/m3/predict", 4) == [200, 200, 200, 429]


def test_one_route_can_have_a_limit(site: Site):
    limited(site, Limits(rates=(("predict", SLOW),)))
    with site.client() as client:
        assert statuses(client, PREDICT, 2) + statuses(client, V2, 2) == [200, 200, 200, 429]
        assert client.post("/housing/v1/pred%69ct?a=1", json={}).status_code == 429
        assert client.post("/housing/v1//predict", json={}).status_code == 429
        assert client.post(f"{V2.removesuffix('infer')}versions/2/infer", json={}).status_code == 429
        assert statuses(client, "/housing/v1/other", 5) == [200] * 5


def test_both_routes_of_a_split_share_a_bucket(site: Site):
    limited(site, Limits(rate=SLOW), challenger="m3")
    with site.client() as client:
        assert statuses(client, PREDICT, 2) == [200, 200]
        assert statuses(client, PREDICT, 2, headers={"x-unit-id": "customer-1"}) == [200, 429]


def test_a_bucket_fills_again(site: Site):
    limited(site, Limits(rate=Rate(requests_per_s=2.5, burst=1)))
    with site.client() as client:
        assert statuses(client, PREDICT, 2) == [200, 429]
        until(lambda: client.post(PREDICT, json={}).is_success)


def test_limited_routes_reach_the_same_path(site: Site):
    limited(site, Limits(rates=(("predict", Rate(requests_per_s=1000, burst=1000)),)))
    with site.client() as client:
        answer = client.post(f"{PREDICT}?a=1", json={}).json()
        v2 = client.post(V2, json={}).json()
    assert (answer["path"], answer["query"], v2["path"]) == ("/predict", "a=1", "/v2/models/predict/infer")
    assert answer["headers"]["x-forwarded-prefix"] == "/housing/v1"
    assert answer["headers"]["x-rung-route"] == "production"


def test_bodies_have_a_limit_by_route(site: Site):
    limited(site, Limits(max_body_bytes=1_000, bodies=(("predict", 20_000),)))
    with site.client() as client:
        assert client.post(PREDICT, content=b"x" * 15_000).json()["body_bytes"] == 15_000
        large = client.post(PREDICT, content=b"x" * 25_000)
        other = client.post("/housing/v1/other", content=b"x" * 1_500)
    assert (large.status_code, large.json()["detail"]) == (413, "the body is larger than 20000 bytes")
    assert (other.status_code, other.json()["detail"]) == (413, "the body is larger than 1000 bytes")


def test_bodies_may_be_larger_than_usual(site: Site):
    limited(site, Limits(max_body_bytes=20 * 1024 * 1024))
    with site.client() as client:
        assert client.post(PREDICT, content=b"x" * 15_000_000).json()["body_bytes"] == 15_000_000


def test_arms_take_the_same_bodies(site: Site):
    site.serve("m2")
    site.serve("m3")
    routing = site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.5)
    wide, narrow = site.backends("m2"), site.backends("m3", limits=Limits(max_body_bytes=1_000))
    site.gateway.apply(replace(routing, backends=(*wide, *narrow)))
    with site.client() as client:
        assert {client.post(PREDICT, content=b"x" * 2_000).status_code for _ in range(5)} == {413}


def test_gates_go_past_the_limit(site: Site):
    limited(site, Limits(rate=SLOW))
    with httpx2.Client(base_url=site.gateway.door(), verify=False) as gate:
        assert statuses(gate, "/housing/v1/m3/predict", 6) == [200] * 6
        assert statuses(gate, PREDICT, 1) == [403]
        assert gate.get("/healthz").status_code == 403


def test_gates_use_the_front_of_an_earlier_gateway(standing_site: Site):
    """An Envoy that an earlier Rung started has no door; the control plane that adopts it says that it is outdated."""
    if standing_site.envoy:
        standing_site.stop_envoy()
    gateway = standing_site.gateway
    gateway.prepare()
    assert not gateway.is_outdated()
    path = gateway.folder / "bootstrap.json"
    start = json.loads(path.read_bytes())
    del start["static_resources"]["listeners"][1:]
    path.write_text(json.dumps(start))
    standing_site.envoy = subprocess.Popen(gateway.command())
    try:
        until(gateway.ready)
        assert gateway.is_outdated()
        assert gateway.door() == standing_site.url
    finally:
        standing_site.stop_envoy()
