"""Two gateways that follow one control plane: the same unit gets the same arm at both, whatever changes or dies."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import psutil
import pytest
from gateway_load import Load, free_port
from platform_api import grant, platform_api
from waiting import until

from rung.compute.local import find
from rung.control.gateways import Standing
from rung.errors import ConflictError
from rung.gateway import Backend, Routing, assigned
from rung.registry import open_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

    from conftest import Site

UNITS = [f"customer-{number}" for number in range(2_000)]


@dataclass
class Elsewhere:
    """A gateway that an agent keeps."""

    name: str
    api: Api
    folder: Path
    port: int = field(default_factory=free_port)
    token: str = ""
    agent: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *more: str) -> None:
        words = ["--name", self.name, "--port", str(self.port), "--folder", str(self.folder), "--drain", "2", *more]
        self.token = self.token or self.api.token(self.name, grant("gateway"))
        environment = {**os.environ, "RUNG_TOKEN": self.token}
        self.agent = subprocess.Popen(
            [sys.executable, "-m", "rung.cli", "--control", self.api.url, "gateway", "run", *words], env=environment
        )

    def kill(self) -> None:
        assert self.agent
        self.agent.kill()
        self.agent.wait(60)

    def envoy(self) -> psutil.Process:
        (found,) = [
            one
            for one in psutil.process_iter(["name", "cmdline"])  # others may end meanwhile
            if one.info["name"] == "envoy" and str(self.folder / "bootstrap.json") in (one.info["cmdline"] or ())
        ]
        return found

    def shown(self) -> dict[str, Any]:
        found = {one["name"]: one for one in self.api.platform.gateways.shown()}
        return found.get(self.name, {"standing": None})

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=10.0, verify=False)

    def arms(self, units: list[str]) -> dict[str, str]:
        """Ask as every unit; give the revision that answered each."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        found = {}
        for unit in units:
            connection.request("POST", "/housing/v1/predict", body=b"{}", headers={"x-unit-id": unit})
            answer = connection.getresponse()
            answer.read()
            found[unit] = answer.headers["x-revision"]
        connection.close()
        return found


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with platform_api(tmp_path_factory.mktemp("several") / "shop") as found:
        yield found


@pytest.fixture(scope="module")
def both(api: Api, standing_site: Site) -> Iterator[tuple[Elsewhere, Elsewhere]]:
    for name in ("m2", "m3"):
        standing_site.serve(name)
    two = tuple(Elsewhere(name=name, api=api, folder=standing_site.folder / name) for name in ("berlin", "paris"))
    first, second = two
    want(api, standing_site.routing("m2", "m3", incumbent="m2"), settled=False)
    try:
        for one in two:
            one.start()
        until(lambda: all(one.shown()["standing"] is Standing.READY for one in two))
        yield first, second
    finally:
        for one in two:
            assert one.agent
            one.agent.send_signal(signal.SIGTERM)
        assert [one.agent.wait(60) for one in two if one.agent] == [0, 0]


def want(api: Api, routing: Routing, *, settled: bool = True) -> Routing:
    """Let both have a routing, as the loop does; return once they say that they do."""
    api.platform.gateways.want(routing)
    until(lambda: not settled or api.platform.gateways.are_settled())
    return routing


def audited(routing: Routing, units: list[str]) -> dict[str, str]:
    (production,) = routing.productions
    found = {unit: assigned(production, unit) for unit in units}
    return {unit: arm.revision for unit, arm in found.items() if arm is not None}


def test_same_units_get_the_same_arm_at_both(api: Api, both: tuple[Elsewhere, Elsewhere], standing_site: Site):
    seen = {}
    for share in (0.1, 0.5):
        routing = standing_site.routing("m2", "m3", incumbent="m2", challenger="m3", share=share)
        want(api, routing)
        with ThreadPoolExecutor(2) as pool:
            first, second = pool.map(lambda one: one.arms(UNITS), both)
        assert first == second == audited(routing, UNITS)
        seen[share] = first
    moved = {(seen[0.1][unit], seen[0.5][unit]) for unit in UNITS if seen[0.1][unit] != seen[0.5][unit]}
    assert moved == {("housing.v1.m2", "housing.v1.m3")}


def test_promotion_loses_no_request_at_either(api: Api, both: tuple[Elsewhere, Elsewhere], standing_site: Site):
    steps = [
        standing_site.routing("m2", "m3", incumbent="m2"),
        standing_site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.1),
        standing_site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.5),
        standing_site.routing("m2", "m3", incumbent="m3"),
    ]
    counted = api.platform.gateways.counts_elsewhere()
    with Load(both[0], consumers=2) as one, Load(both[1], consumers=2) as other:
        for routing in steps:
            want(api, routing)
            one.wait_for(50)
            other.wait_for(50)
    assert one.failures + other.failures == []
    until(lambda: total(api.platform.gateways.counts_elsewhere()) - total(counted) >= answered(one, other))


def total(counts: Any) -> int:
    return sum(sum(revisions.values()) for revisions in counts.values())


def answered(*loads: Load) -> int:
    return sum(load.answered.total() for load in loads)


def test_killed_gateway_comes_back_while_the_control_plane_is_away(
    api: Api, both: tuple[Elsewhere, Elsewhere], standing_site: Site, monkeypatch: pytest.MonkeyPatch
):
    routing = standing_site.routing("m2", "m3", incumbent="m2", challenger="m3", share=0.5)
    want(api, routing)
    berlin, _ = both
    monkeypatch.setattr(api, "url", "http://127.0.0.1:1")  # where nobody answers
    envoy = berlin.envoy()
    berlin.kill()
    assert reaches(berlin)  # Envoy does not notice
    berlin.start()
    time.sleep(2)
    assert berlin.envoy().pid == envoy.pid
    envoy.kill()
    until(lambda: not reaches(berlin))
    until(lambda: reaches(berlin))
    assert berlin.arms(UNITS[:200]) == audited(routing, UNITS[:200])
    berlin.kill()
    monkeypatch.undo()
    berlin.start()
    want(api, standing_site.routing("m2", "m3", incumbent="m3"))


def reaches(gateway: Elsewhere) -> bool:
    try:
        return httpx2.get(f"{gateway.url}/housing/v1/m2/predict", verify=False).is_success
    except httpx2.TransportError:
        return False


def test_agent_with_other_settings_replaces_envoy_under_load(both: tuple[Elsewhere, Elsewhere]):
    berlin, _ = both
    until(lambda: berlin.shown()["standing"] is Standing.READY)
    with Load(berlin, consumers=2) as load:
        load.wait_for(50)
        old = berlin.envoy()
        berlin.kill()
        berlin.start("--threads", "1")
        until(lambda: find(old.pid) is None)
        load.wait_for(100)
    assert load.failures == []


def test_socket_of_another_machine_is_refused_with_its_reason(
    api: Api, both: tuple[Elsewhere, Elsewhere], standing_site: Site
):
    want(api, standing_site.routing("m2", "m3", incumbent="m2"))
    away = Backend(revision="housing.v1.m9", endpoints=("unix:/run/elsewhere/m9.sock",))
    want(api, Routing(backends=(away,)), settled=False)
    until(lambda: "is not reachable from this machine" in both[0].shown()["because"])
    assert not api.platform.gateways.are_settled()
    with both[0].client() as client:
        assert client.get("/housing/v1/m2/predict").is_success  # consumers are routed as before
    want(api, standing_site.routing("m2", "m3", incumbent="m2"))


def test_second_agent_of_a_name_or_a_folder_is_refused(api: Api, both: tuple[Elsewhere, Elsewhere]):
    berlin, _ = both
    again = Elsewhere(name="berlin", api=api, folder=berlin.folder, token=berlin.token)
    again.start()
    assert again.agent
    assert again.agent.wait(60) == ConflictError.exit_code


def test_events_name_who_came(api: Api, both: tuple[Elsewhere, Elsewhere]):
    assert both
    with open_registry(api.platform.place.workspace.state) as registry:
        joined = registry.latest("gateway")
    assert {subject: event.actor for subject, event in joined.items()} == {
        "@berlin": "token:berlin",
        "@paris": "token:paris",
    }
