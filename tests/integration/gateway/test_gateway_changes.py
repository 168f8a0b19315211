"""Changes and deaths under load: no consumer notices."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import until

from rung.errors import GatewayError
from rung.gateway import Backend, Challenger, Gateway, Production, Routing, Shadow, Split

if TYPE_CHECKING:
    from conftest import Site


def test_more_revisions_than_the_system_lets_a_user_watch_files_are_routed(site: Site):
    served = site.serve("m2")
    many = tuple(Backend(revision=f"many.v1.m{minor}", endpoints=(served.endpoint,)) for minor in range(150))
    site.gateway.apply(Routing(backends=many))
    with site.client() as client:
        assert client.get("/many/v1/m149/predict").is_success


def test_twenty_four_changes_lose_no_request(site: Site, capsys: pytest.CaptureFixture[str]):
    for name in ("m2", "m3", "m4"):
        site.serve(name)
    steps = [
        site.routing("m2", "m3", incumbent="m2"),
        site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.1),
        site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.5),
        site.routing("m2", "m3", incumbent="m3"),
        site.routing("m3", incumbent="m3"),
        site.routing("m3", "m4", incumbent="m3"),
        site.routing("m3", "m4", incumbent="m3", challenger="m4", share=0.9),
        site.routing("m2", "m4", incumbent="m4"),
    ]
    site.gateway.apply(steps[-1])
    with site.load() as load:
        for routing in steps * 3:
            load.wait_for(20)
            version = site.gateway.apply(routing)
            assert site.gateway.version() == version
    assert load.failures == []
    assert set(load.answered) == {"housing.v1.m2", "housing.v1.m3", "housing.v1.m4"}
    with capsys.disabled():
        print(f"\n24 changes, {load.answered.total()} requests, 0 failed")  # noqa: T201  # the figure is the point


def test_changes_of_arms_and_shadows_lose_no_request(site: Site, capsys: pytest.CaptureFixture[str]):
    names = [site.serve(name).revision.rpartition(".")[2] for name in ("m2", "m3", "m4")]
    steps = [
        site.routing(*names, incumbent="m2", shadows={"m3": 0.5}),
        site.routing(*names, incumbent="m2", shadows={"m3": 1.0, "m4": 0.5}),
        site.routing(*names, incumbent="m2", challenger="m3", share=0.1, shadows={"m4": 1.0}),
        site.routing(*names, incumbent="m2", challenger="m3", share=0.0),
        site.routing(*names, incumbent="m2", challenger="m3", share=0.5),
        site.bandit(*names, incumbent="m2", shares={"m3": 0.3, "m4": 0.3}, salt="b1.1"),
        site.bandit(*names, incumbent="m2", shares={"m3": 0.1, "m4": 0.8}, salt="b1.2"),
        site.bandit(*names, incumbent="m2", shares={"m4": 0.5}, salt="b1.3"),
        site.routing(*names, incumbent="m4", shadows={"m2": 1.0}),
    ]
    site.gateway.apply(steps[-1])
    with site.load() as load:
        for routing in steps * 3:
            load.wait_for(20)
            version = site.gateway.apply(routing)
            assert site.gateway.version() == version
    assert load.failures == []
    assert set(load.answered) == {"housing.v1.m2", "housing.v1.m3", "housing.v1.m4"}
    with capsys.disabled():
        print(f"\n27 changes of arms and shadows, {load.answered.total()} requests, 0 failed")  # noqa: T201  # as above


def test_changes_are_taken_in_no_time(site: Site, capsys: pytest.CaptureFixture[str]):
    site.serve("m2")
    site.serve("m3")
    seconds = []
    for share in range(20):
        began = time.perf_counter()
        site.gateway.apply(site.routing("m2", "m3", incumbent="m2", challenger="m3", share=share / 20))
        seconds.append(time.perf_counter() - began)
    assert statistics.median(seconds) < 0.25
    with capsys.disabled():
        print(  # noqa: T201  # the figure is the point
            f"\napply and ack: median {statistics.median(seconds) * 1e3:.1f} ms, slowest {max(seconds) * 1e3:.1f} ms"
        )


def test_exact_path_is_gone_after_removal(site: Site):
    site.serve("m2")
    site.serve("m3")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    with site.client() as client:
        assert client.get("/housing/v1/m3/predict").status_code == 404


def test_files_of_an_earlier_rung_are_removed(site: Site):
    site.serve("m2")
    (site.gateway.folder / "eds.housing.v1.m2.json").write_text("{}")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    assert list(site.gateway.folder.glob("eds.*")) == []


def test_servers_are_replaced_without_a_lost_request(site: Site):
    old = site.serve("old", revision="housing.v1.m2")
    new = site.serve("new", revision="housing.v1.m2")
    with_old = Routing(
        backends=site.backends("old"), productions=(Production(service="housing", major=1, incumbent="housing.v1.m2"),)
    )
    site.gateway.apply(with_old)
    with site.load() as load:
        load.wait_for(50)
        site.gateway.apply(replace(with_old, backends=site.backends("new")))
        old.stop(signal.SIGTERM)
        load.wait_for(50)
    assert load.failures == []
    assert site.gateway.healthy("housing.v1.m2") == {new.address}


def test_replicas_come_and_go_without_a_lost_request(site: Site):
    for name in ("a", "b", "c"):
        site.serve(name, revision="housing.v1.m2")
    production = Production(service="housing", major=1, incumbent="housing.v1.m2")
    with_one = Routing(backends=site.backends("a"), productions=(production,))
    site.gateway.apply(with_one)
    with site.load() as load:
        for names in (("a", "b"), ("a", "b", "c"), ("b", "c"), ("c",), ("a",)) * 3:
            load.wait_for(30)
            site.gateway.apply(replace(with_one, backends=site.backends(*names)))
            assert len(site.gateway.healthy("housing.v1.m2")) == len(names)
    assert load.failures == []


def test_slow_answers_outlive_the_removal_of_their_revision(site: Site):
    diary = site.folder / "diary"
    site.serve("m2")
    site.serve("m3", SEEN=str(diary))
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    statuses: list[int] = []
    with site.client() as client:
        request = client.build_request("POST", "/housing/v1/m3/predict", headers={"x-sleep-s": "3"})
        slow = threading.Thread(target=lambda: statuses.append(client.send(request).status_code))
        slow.start()
        until(diary.exists)
        site.gateway.apply(site.routing("m2", incumbent="m2"))
        assert statuses == []
        slow.join()
    assert statuses == [200]


def test_young_successor_takes_over_at_once(site: Site):
    site.serve("m2")
    for _ in range(3):
        site.serve("m3").stop(signal.SIGKILL)
        site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
        with site.load() as load:
            load.wait_for(20)
            site.serve("m3")
            site.gateway.apply(site.routing("m2", "m3", incumbent="m3"))
            load.wait_for(100)
        assert load.failures == []


@pytest.mark.fault
def test_killed_challenger_is_answered_by_the_incumbent(site: Site):
    site.serve("m2")
    challenger = site.serve("m3")
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2", challenger="m3"))
    with site.load() as load:
        load.wait_for(200)
        challenger.stop(signal.SIGKILL)
        load.wait_for(500)
        until(lambda: not site.gateway.healthy("housing.v1.m3"))
        load.answered.clear()
        load.wait_for(200)
        alone = set(load.answered)
        site.serve("m3")
        until(lambda: bool(site.gateway.healthy("housing.v1.m3")))
        load.wait_for(200)
    assert load.failures == []
    assert alone == {"housing.v1.m2"}
    assert load.answered["housing.v1.m3"] > 0


@pytest.mark.fault
def test_killed_worker_loses_no_request(site: Site):
    site.serve("m2", runner="gunicorn")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    with site.load() as load, site.client() as client:
        for _ in range(3):
            load.wait_for(100)
            os.kill(client.get("/housing/v1/predict").json()["process"], signal.SIGKILL)
        load.wait_for(200)
    assert load.failures == []


@pytest.mark.fault
def test_killed_replica_loses_no_request(site: Site):
    replicas = [site.serve(name, revision="housing.v1.m2") for name in ("a", "b")]
    production = Production(service="housing", major=1, incumbent="housing.v1.m2")
    site.gateway.apply(Routing(backends=site.backends("a", "b"), productions=(production,)))
    with site.load() as load:
        load.wait_for(200)
        replicas[0].stop(signal.SIGKILL)
        load.wait_for(1_000)
    assert load.failures == []


@pytest.mark.fault
def test_restarted_envoy_routes_as_before(site: Site):
    site.serve("m2")
    version = site.gateway.apply(site.routing("m2", incumbent="m2"))
    site.stop_envoy()
    assert not site.gateway.ready()
    site.start_envoy()
    assert site.gateway.version() == version
    with site.client() as client:
        assert client.get("/housing/v1/predict").is_success


@pytest.mark.fault
def test_broken_files_do_not_stop_envoy(site: Site):
    site.serve("m2")
    routing = site.routing("m2", incumbent="m2")
    version = site.gateway.apply(routing)
    site.stop_envoy()
    (site.gateway.folder / "cds.json").write_bytes(b'{"version_in')
    site.start_envoy()
    assert site.gateway.apply(routing) == version
    with site.client() as client:
        assert client.get("/housing/v1/predict").is_success


def test_dead_revision_does_not_take_over(site: Site):
    site.serve("m2")
    site.serve("m3").stop(signal.SIGKILL)
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    impatient = replace(site.gateway, deadline_s=0.5)
    with pytest.raises(GatewayError, match=r"no new server of housing\.v1\.m3 passed its health check"):
        impatient.apply(site.routing("m2", "m3", incumbent="m3"))
    with site.client() as client:
        assert client.get("/housing/v1/predict").json()["revision"] == "housing.v1.m2"


def test_dead_servers_do_not_replace_living_ones(site: Site):
    site.serve("old", revision="housing.v1.m2")
    site.serve("new", revision="housing.v1.m2").stop(signal.SIGKILL)
    routing = Routing(backends=site.backends("old"))
    site.gateway.apply(routing)
    impatient = replace(site.gateway, deadline_s=0.5)
    for _ in range(2):
        with pytest.raises(GatewayError, match=r"housing\.v1\.m2"):
            impatient.apply(replace(routing, backends=site.backends("new")))
    with site.client() as client:
        assert client.get("/housing/v1/m2/predict").is_success


def test_dead_revision_does_not_block_the_others(site: Site):
    site.serve("m2")
    site.serve("m3").stop(signal.SIGKILL)
    began = time.monotonic()
    site.gateway.apply(site.routing("m2", "m3", incumbent="m2"))
    assert time.monotonic() - began < 5


def test_refused_configuration_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch):
    site.serve("m2")
    routing = site.routing("m2", incumbent="m2")
    version = site.gateway.apply(routing)
    before = (site.gateway.folder / "rds.json").read_bytes()
    monkeypatch.setattr("rung.gateway._routes.OK_BODY", "x" * 5_000)
    with pytest.raises(GatewayError, match=r"refused rds\.json.*4096"):
        site.gateway.apply(routing)
    assert (site.gateway.folder / "rds.json").read_bytes() == before
    monkeypatch.undo()
    assert site.gateway.apply(routing) == version


def test_absent_envoy_is_named(site: Site):
    site.stop_envoy()
    with pytest.raises(GatewayError, match="does not answer on"):
        site.gateway.apply(Routing())


def test_second_gateway_on_a_port_ends(site: Site):
    second = Gateway(folder=site.folder / "second", port=site.gateway.port)
    second.prepare()
    assert subprocess.run(second.command(), timeout=10, check=False, capture_output=True).returncode != 0
    assert "Address already in use" in second.log.read_text()


def test_another_process_goes_on(site: Site):
    site.serve("m2")
    site.serve("m3")
    site.gateway.apply(site.routing("m2", incumbent="m2"))
    other = Gateway(folder=site.gateway.folder, port=site.gateway.port)
    assert other.apply(site.routing("m2", "m3", incumbent="m3")) == site.gateway.version()


def test_same_routing_again_writes_nothing(site: Site):
    site.serve("m2")
    routing = site.routing("m2", incumbent="m2")
    site.gateway.apply(routing)
    before = {path.name: path.stat().st_ino for path in site.gateway.folder.glob("*ds*.json")}
    site.gateway.apply(routing)
    assert {path.name: path.stat().st_ino for path in site.gateway.folder.glob("*ds*.json")} == before


def test_any_routing_is_one_that_envoy_takes(site: Site):
    gateway = replace(site.gateway, linger_s=0.0)
    services = st.from_regex(r"[a-z][a-z0-9_-]{0,62}", fullmatch=True)
    experiments = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True)
    headers = st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True).filter(
        lambda name: not name.startswith(("x-rung-", "x-envoy-"))
    )
    shares = st.floats(min_value=0, max_value=1)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        service=services,
        experiment=experiments,
        salt=st.none() | experiments,
        header=headers,
        share=shares,
        major=st.integers(0, 10**6),
    )
    def takes(*, service: str, experiment: str, salt: str | None, header: str, share: float, major: int) -> None:
        names = [f"{service}.v{major}.m{minor}" for minor in range(5)]
        production = Production(
            service=service,
            major=major,
            incumbent=names[0],
            split=Split(
                experiment=experiment,
                challengers=tuple(Challenger(revision=name, share=share / 2) for name in names[1:3]),
                bandit=True,
                salt=salt,
            ),
            shadows=tuple(Shadow(revision=name, share=share) for name in names[3:]),
            unit_header=header,
            standby=names[1],
        )
        backends = tuple(Backend(revision=name, endpoints=("unix:/nowhere", "[::1]:9")) for name in names)
        routing = Routing(backends=backends, productions=(production,), outcomes="127.0.0.1:9")
        assert gateway.apply(routing) == gateway.version()
        assert json.loads((gateway.folder / "rds.json").read_text())["version_info"] == gateway.version()

    takes()
