"""Who may ask a service that demands keys, and who learns who asked."""

from __future__ import annotations

import hashlib
import secrets
import statistics
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import until

from rung.gateway import Consumer, Routing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Site

PREDICT = "/housing/v1/predict"


def new_key() -> str:
    return "rung_" + secrets.token_urlsafe(32)


def consumer(name: str, key: str, service: str | None = None) -> Consumer:
    return Consumer(name=name, digest=hashlib.sha256(key.encode()).hexdigest(), service=service)


def guarded(site: Site, *consumers: Consumer) -> Routing:
    site.serve("m2")
    routing = replace(site.routing("m2", incumbent="m2"), guarded=("housing",), consumers=consumers)
    site.gateway.apply(routing)
    return routing


def test_a_key_opens_production_and_exact_paths(site: Site):
    key = new_key()
    guarded(site, consumer("shop", key))
    with site.client() as client:
        for path in (PREDICT, "/housing/v1/m2/predict"):
            seen = client.post(path, json={}, headers={"x-api-key": key}).json()["headers"]
            assert seen["x-rung-consumer"] == "shop"
            assert "x-api-key" not in seen


@pytest.mark.parametrize("path", [PREDICT, "/housing/v1/m2/predict", "/housing/v1/docs"])
@pytest.mark.parametrize("sent", [None, "", "rung_wrong", "x" * 500, "{key}x", "{key},{key}"])
def test_without_a_key_nobody_is_answered(site: Site, path: str, sent: str | None):
    key = new_key()
    guarded(site, consumer("shop", key))
    headers = {} if sent is None else {"x-api-key": sent.format(key=key)}
    with site.client() as client:
        answer = client.post(path, json={}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("ApiKey")
    assert answer.headers["content-type"] == "application/problem+json"
    assert key not in answer.text


def test_a_key_sent_twice_is_none(site: Site):
    key = new_key()
    guarded(site, consumer("shop", key))
    with site.client() as client:
        answer = client.post(PREDICT, json={}, headers=[("x-api-key", key), ("x-api-key", key)])
    assert answer.status_code == 401


def test_a_key_can_be_for_one_service(site: Site):
    mine, other = new_key(), new_key()
    guarded(site, consumer("shop", mine, "housing"), consumer("press", other, "sentiment"))
    with site.client() as client:
        seen = client.post(PREDICT, json={}, headers={"x-api-key": mine}).json()["headers"]
        refused = client.post(PREDICT, json={}, headers={"x-api-key": other})
    assert (seen["x-rung-consumer"], seen["x-rung-consumer-service"]) == ("shop", "housing")
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "the key in the header x-api-key is for another service",
    )


def test_a_revoked_key_opens_nothing(site: Site):
    key = new_key()
    routing = guarded(site, consumer("shop", key))
    with site.client() as client:
        assert client.post(PREDICT, json={}, headers={"x-api-key": key}).is_success
        site.gateway.apply(replace(routing, consumers=()))
        assert client.post(PREDICT, json={}, headers={"x-api-key": key}).status_code == 401


def test_nobody_names_themselves(site: Site):
    guarded(site)
    with site.client() as client:
        forged = {"x-rung-consumer": "shop", "x_rung_consumer": "shop", "X-Rung-Consumer": "shop"}
        assert client.post(PREDICT, json={}, headers=forged).status_code == 401


def test_other_services_ask_for_no_key(site: Site):
    routing = guarded(site)
    site.gateway.apply(replace(routing, guarded=("sentiment",)))
    with site.client() as client:
        seen = client.post(PREDICT, json={}, headers={"x-rung-consumer": "shop"})
    assert seen.is_success
    assert "x-rung-consumer" not in seen.json()["headers"]


def test_outcomes_ask_for_a_key_too(site: Site):
    key = new_key()
    routing = guarded(site, consumer("press", key, "sentiment"))
    collector = site.serve("collector", revision="collector")
    site.gateway.apply(replace(routing, outcomes=collector.endpoint))
    with site.client() as client:
        assert client.post("/outcomes", json={}).status_code == 401
        seen = client.post("/outcomes", json={}, headers={"x-api-key": key}).json()["headers"]
    assert (seen["x-rung-consumer"], seen["x-rung-consumer-service"]) == ("press", "sentiment")


def test_gates_need_no_key(site: Site):
    guarded(site)
    with httpx2.Client(base_url=site.gateway.door(), verify=False) as gate:
        assert gate.post("/housing/v1/m2/predict", json={}).is_success
        assert gate.post(PREDICT, json={}).status_code == 403
        assert gate.post("/housing/v1/m2/../predict", json={}).status_code == 403


def test_log_names_consumers_and_no_keys(site: Site, read_lines: Callable[[Path], list[dict[str, Any]]]):
    key = new_key()
    guarded(site, consumer("shop", key))
    log = site.gateway.folder / "access.log"
    with site.client() as client:
        mine = client.post(PREDICT, json={}, headers={"x-api-key": key}).headers["x-request-id"]
        client.post(PREDICT, json={}, headers={"x-api-key": key + "x"})
        until(lambda: mine in log.read_text())
    (line,) = [entry for entry in read_lines(log) if entry["request_id"] == mine]
    assert line["consumer"] == "shop"
    assert not [path for path in site.gateway.folder.glob("*.*") if path.is_file() and key in path.read_text()]


def test_a_key_costs_little(site: Site):
    key = new_key()
    routing = guarded(site, consumer("shop", key))
    open_to_all = replace(routing, guarded=())

    def median_ms() -> float:
        times = []
        with site.client() as client:
            for _ in range(300):
                begun = time.perf_counter()
                client.get("/housing/v1/m2/predict", headers={"x-api-key": key})
                times.append(time.perf_counter() - begun)
        return statistics.median(times) * 1e3

    with_key = median_ms()
    site.gateway.apply(open_to_all)
    without = median_ms()
    sys.stdout.write(f"\nmedian with a key {with_key:.3f} ms, without {without:.3f} ms\n")
    assert with_key < without + 2.0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
@given(key=st.text(alphabet=[chr(code) for code in range(33, 127)], min_size=1, max_size=55))
def test_every_key_has_the_digest_of_the_standard(site: Site, key: str):
    site.gateway.apply(
        replace(
            site.routing("m2", incumbent="m2") if "m2" in site.servers else guarded(site),
            guarded=("housing",),
            consumers=(consumer("shop", key),),
        )
    )
    with site.client() as client:
        assert client.post(PREDICT, json={}, headers={"x-api-key": key}).is_success
        assert client.post(PREDICT, json={}, headers={"x-api-key": f"{key}x"}).status_code == 401
