"""Several control planes on PostgreSQL: the one that leads is killed, the next is frozen, and neither is missed."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import httpx2
import pytest
import tiny_platform
import tiny_service
from consumers import CountingConsumers
from live_platform import LivePlatform, kill, live_platform

from rung.control._lead import LEASE_S
from rung.errors import LeaseLostError
from rung.lifecycle import State
from rung.registry import Registry, open_registry

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from postgresql import PostgresServer

    from rung.control.place import Address
    from rung.schema import RevisionName

pytestmark = [pytest.mark.fault, pytest.mark.long]


@pytest.fixture
def platform(postgresql: PostgresServer) -> Iterator[LivePlatform]:
    """A platform whose registry is on PostgreSQL, and that is not up."""
    with live_platform() as platform:
        settings = platform.root / "rung.toml"
        settings.write_text(f'{settings.read_text()}registry = "{postgresql.database()}"\n')
        yield platform


@pytest.fixture
def registry(platform: LivePlatform) -> Iterator[Registry]:
    workspace = platform.place.workspace
    with open_registry(workspace.state, workspace.registry_url()) as opened:
        yield opened


def test_killed_and_frozen_leaders_are_replaced(platform: LivePlatform, registry: Registry):
    names = [parked(registry) for _ in range(3)]
    first, second = platform.begin_command("up"), platform.begin_command("up")
    platform.wait(lambda: leads(platform, first, second))
    first, second = sorted((first, second), key=lambda one: one.pid != platform.address.pid)
    hear(second, "standing_by")
    platform.wait(lambda: {"gateway", "collector"} <= platform.recorded().keys())
    gateway = platform.recorded()["gateway"].pid
    assert tear_down(platform.address, names[0]) == 200

    kill(first.pid)
    began = time.monotonic()
    platform.wait(lambda: leads(platform, second))
    assert time.monotonic() - began < LEASE_S, "a leader that is dead on this machine is not waited for"
    assert platform.recorded()["gateway"].pid == gateway

    third = platform.begin_command("up")
    hear(third, "standing_by")
    frozen = platform.address
    os.kill(second.pid, signal.SIGSTOP)
    late: list[int | None] = []
    asking = threading.Thread(target=lambda: late.append(tear_down(frozen, names[1])))
    asking.start()
    platform.wait(lambda: leads(platform, third), within_s=30)
    assert platform.recorded()["gateway"].pid == gateway
    assert httpx2.get(f"{platform.gateway}/healthz").status_code == 200
    assert tear_down(platform.address, names[2]) == 200
    before = registry.events()

    os.kill(second.pid, signal.SIGCONT)
    told, _ = second.communicate(timeout=60)
    asking.join(10)
    assert second.returncode == LeaseLostError.exit_code, told
    assert "lease_lost" in told
    assert late[0] in {None, 503}
    assert registry.events() == before
    assert registry.revision(names[1]).state is State.ON_HOLD
    assert platform.recorded()["gateway"].pid == gateway
    assert platform.address.pid == third.pid

    platform.rung("down")
    assert third.wait(60) == 0
    assert platform.left(within_s=20) == []
    assert registry.lease().is_released


def test_promotion_goes_on_under_the_next_leader(platform: LivePlatform, registry: Registry):
    tiny_platform.begin(platform)
    standby = platform.begin_command("up")
    hear(standby, "standing_by")
    tiny_service.change(platform.root, "slope: float = 1.0", "slope: float = 1.1")
    tiny_service.document(platform.root, 2)
    challenger = platform.deploy("tiny")
    before = platform.recorded()
    right = {"tiny.v1.m1": 0.4, challenger: 0.8}
    few = {"report_share": 0.02, "requests_per_second": 20.0}
    with CountingConsumers(gateway=platform.gateway, right=right, **few) as consumers:
        watcher = platform.begin_command("promote", challenger, "--ignore-plan")
        platform.wait(lambda: platform.revision(challenger)["state"] == "experimenting")
        consumers.requests_per_second = 90.0
        platform.wait(lambda: consumers.by_revision[challenger] >= 20)

        kill(platform.address.pid)

        platform.wait(lambda: leads(platform, standby))
        consumers.report_share = 1.0
        assert watcher.wait(60) == 0
        consumers.stop()
    assert consumers.failures == []
    assert platform.revision(challenger)["state"] == "incumbent"
    assert platform.recorded() == before
    assert [event.id for event in registry.events()] == list(range(1, len(registry.events()) + 1))


def test_standby_ends_with_the_platform(platform: LivePlatform):
    first = platform.begin_command("up")
    platform.wait(lambda: leads(platform, first))
    second = platform.begin_command("up")
    hear(second, "standing_by")

    platform.rung("down")

    assert first.wait(60) == 0
    told, _ = second.communicate(timeout=60)
    assert second.returncode == 0, told
    assert "not_needed" in told
    assert platform.left(within_s=20) == []


def test_down_after_a_kill_stops_all(platform: LivePlatform, registry: Registry):
    first = platform.begin_command("up")
    platform.wait(lambda: leads(platform, first))
    platform.wait(lambda: {"gateway", "collector"} <= platform.recorded().keys())
    kill(first.pid)

    platform.rung("down")

    assert platform.left(within_s=20) == []
    assert registry.processes() == {}
    assert registry.lease().is_released


def parked(registry: Registry) -> RevisionName:
    """Make a revision that is on hold: nothing serves it, and it can be torn down."""
    name = registry.create_revision("tiny", 1, actor="ada", commit=None, dirty=False)
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE, State.ON_HOLD):
        registry.move(name, state, because="a test wants it", actor="ada")
    return name


def tear_down(address: Address, name: RevisionName) -> int | None:
    """Ask a control plane to write something; None when the connection broke."""
    headers = {"authorization": f"Bearer {address.token}"}
    url = f"{address.url}/revisions/{name}/teardown"
    try:
        return httpx2.post(url, json={}, headers=headers, timeout=60, verify=False).status_code
    except httpx2.TransportError:
        return None


def leads(platform: LivePlatform, *processes: subprocess.Popen[str]) -> bool:
    """Tell whether one of these answers as the control plane."""
    for process in processes:
        assert process.poll() is None, process.communicate()
    try:
        address = platform.address
        return address.pid in {one.pid for one in processes} and platform.api("/healthz").status_code == 200
    except Exception:  # noqa: BLE001  not yet
        return False


def hear(process: subprocess.Popen[str], event: str) -> None:
    """Read what a control plane logs until it tells of an event."""
    for line in process.stdout:
        if event in line:
            return
    pytest.fail(f"it ended without {event!r}")
