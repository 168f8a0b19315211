"""What a consumer sees, and what a revision's server sees of a consumer."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from waiting import until

from rung.gateway import Routing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx2

    from conftest import Site


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["request_id"] == answer.headers.get("x-request-id")
    return body


def test_production_and_exact_paths_reach_their_revision(site: Site):
    site.serve("m2")
    site.serve("m3")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    with site.client() as client:
        production = client.post("/housing/v1/predict?a=1", json={}).json()
        exact = client.post("/housing/v1/m3/predict", json={}).json()
    assert (production["revision"], production["path"], production["query"]) == ("housing.v1.m2", "/predict", "a=1")
    assert production["headers"]["x-rung-route"] == "production"
    assert production["headers"]["x-forwarded-prefix"] == "/housing/v1"
    assert "x-rung-arm" not in production["headers"]
    assert (exact["revision"], exact["path"]) == ("housing.v1.m3", "/predict")
    assert exact["headers"]["x-rung-route"] == "exact"


def test_health_is_answered_by_the_gateway(site: Site):
    with site.client() as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"


def test_unknown_paths_say_what_exists(site: Site):
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    with site.client() as client:
        nowhere = problem(client.get('/nope/"quoted"?a=1'), 404)
        absent = problem(client.post("/housing/v1/m9/predict", json={}), 404)
        other_major = problem(client.post("/housing/v2/predict", json={}), 404)
    assert nowhere["detail"] == "there is: /housing/"
    assert nowhere["instance"].startswith("/nope/")
    assert absent["instance"] == "/housing/v1/m9/predict"
    assert absent["detail"] == "housing answers at: /housing/v1/<route>, /housing/v1/m2/<route>"
    assert other_major["detail"] == absent["detail"]


def test_major_without_incumbent_is_a_problem(site: Site):
    site.serve("m2")
    site.gateway.apply(Routing(backends=site.backends("m2")))
    with site.client() as client:
        body = problem(client.post("/housing/v1/predict", json={}), 503)
        assert client.post("/housing/v1/m2/predict", json={}).is_success
    assert "housing.v1 has no incumbent yet" in body["detail"]
    assert "/housing/v1/m2/<route>" in body["detail"]


def test_consumers_cannot_set_what_the_gateway_says(site: Site):
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    forged = {
        "x-rung-arm": "challenger",
        "x-rung-anything": "1",
        "x-envoy-max-retries": "99",
        "x-forwarded-prefix": "/evil",
        "x-request-id": "always-the-same",
        "X-Rung-Experiment": "e9",
    }
    with site.client() as client:
        answer = client.get("/housing/v1/predict", headers=forged)
        other = client.get("/housing/v1/predict", headers=forged)
    seen = answer.json()["headers"]
    assert {name for name in seen if name.startswith("x-rung-")} == {"x-rung-route"}
    assert "x-envoy-max-retries" not in seen
    assert seen["x-forwarded-prefix"] == "/housing/v1"
    assert seen["x-request-id"] == answer.headers["x-request-id"] != "always-the-same"
    assert seen["x-request-id"] != other.json()["headers"]["x-request-id"]


def test_other_spellings_of_a_path_do_not_escape(site: Site):
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    with site.client() as client:
        assert client.get("/housing/v1//predict").json()["path"] == "/predict"
        assert client.get("/housing/v1/x/../m9/predict").status_code == 404
        assert client.get("/housing/v1/%6d9/predict").status_code == 404
        problem(client.get("/housing/v1/m2%2f..%2fpredict"), 400)


def test_bodies_have_a_limit(site: Site):
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    with site.client() as client:
        assert client.post("/housing/v1/predict", content=b"x" * 9_000_000).json()["body_bytes"] == 9_000_000
        body = problem(client.post("/housing/v1/predict", content=b"x" * 11_000_000), 413)
    assert body["detail"] == "the body is larger than 10485760 bytes"


def test_slow_revisions_are_a_gateway_timeout(site: Site):
    site.serve("m2")
    routing = site.routing("m2", incumbent="m2")
    site.gateway.apply(replace(routing, backends=site.backends("m2", timeout_s=0.2)))
    with site.client() as client:
        body = problem(client.post("/housing/v1/predict", json={}, headers={"x-sleep-s": "0.5"}), 504)
    assert (body["detail"], body["instance"]) == ("the revision did not answer in time", "/housing/v1/predict")


def test_dead_revisions_are_a_problem(site: Site):
    site.serve("m2").stop(9)
    site.gateway.apply(Routing(backends=site.backends("m2")))
    with site.client() as client:
        body = problem(client.post("/housing/v1/m2/predict", json={}), 503)
    assert "no server of this revision passes its health check" in body["detail"]
    assert site.gateway.healthy("housing.v1.m2") == frozenset()


def test_outcomes_reach_their_collector(site: Site):
    collector = site.serve("collector", revision="collector")
    with site.client() as client:
        assert "no process takes outcomes" in problem(client.post("/outcomes", json={}), 503)["detail"]
        site.gateway.apply(Routing(outcomes=collector.endpoint))
        assert client.post("/outcomes", json={}).json()["path"] == "/outcomes"


def test_backends_may_listen_on_ports(site: Site):
    server = site.serve("m2", runner="uvicorn on a port")
    site.gateway.apply(Routing(backends=site.backends("m2")))
    with site.client() as client:
        assert client.get("/housing/v1/m2/predict").json()["path"] == "/predict"
    assert site.gateway.healthy("housing.v1.m2") == {server.address}


def test_requests_are_logged(site: Site, read_lines: Callable[[Path], list[dict[str, Any]]]):
    site.serve("m2")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    log = site.gateway.access_log
    with site.client() as client:
        answer = client.get("/housing/v1/predict?a=1")
        mine = answer.headers["x-request-id"]
        until(lambda: mine in log.read_text())
        (line,) = [entry for entry in read_lines(log) if entry["request_id"] == mine]
        assert (line["status"], line["path"], line["revision"]) == (200, "/housing/v1/predict?a=1", "housing.v1.m2")
        site.gateway.rotate_log()
        client.get("/healthz")
        until(lambda: log.exists() and bool(read_lines(log)))
    assert mine in site.gateway.old_access_log.read_text()
    assert [entry["path"] for entry in read_lines(log)] == ["/healthz"]


def test_admin_socket_is_private(site: Site):
    assert stat.S_IMODE(os.stat(site.gateway.admin_socket).st_mode) == 0o600  # noqa: PTH116  # a socket, not a file
