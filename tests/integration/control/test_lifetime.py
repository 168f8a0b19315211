"""How a platform begins and ends: once, whole, and without a trace of processes."""

from __future__ import annotations

import shutil
import signal
import socket
from typing import TYPE_CHECKING

import httpx2
import pytest
import tiny_service
from live_platform import LivePlatform, kill, live_platform
from sockets import listens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long


@pytest.fixture
def platform() -> Iterator[LivePlatform]:
    """An empty platform that is not up."""
    with live_platform() as platform:
        yield platform


def test_interrupted_up_stops_everything(platform: LivePlatform):
    foreground = platform.begin_command("up")
    platform.wait(lambda: answers(platform))
    platform.wait(lambda: {"gateway", "collector"} <= platform.recorded().keys())
    assert platform.processes()

    foreground.send_signal(signal.SIGINT)

    told, _ = foreground.communicate(timeout=60)
    assert foreground.returncode == 0, told
    assert platform.left(within_s=20) == []
    assert not platform.place.address_file.exists()
    assert not any(listens(path) for path in platform.sockets.rglob("*"))


def test_second_up_is_refused(platform: LivePlatform):
    first = platform.ask("up", "--detach")

    refused = platform.rung("up", expect=2)
    again = platform.ask("up", "--detach")

    assert f"a control plane runs for {platform.root}" in refused.stderr
    assert "`rung down` stops it" in refused.stderr
    assert again == first


def test_down_leaves_no_process(platform: LivePlatform):
    tiny_service.write(platform.root)
    platform.rung("up", "--detach")
    name = platform.deploy("tiny")
    assert {"gateway", "collector", name} == platform.recorded().keys()
    assert httpx2.post(f"{platform.gateway}/tiny/v1/m0/predict", json={"instances": [{"x": 3}]}).status_code == 200

    platform.rung("down")

    assert platform.left(within_s=20) == []
    assert not any(listens(path) for path in platform.sockets.rglob("*"))
    assert platform.recorded() == {}
    # what is kept comes back as it was
    platform.rung("up", "--detach")
    assert platform.states() == {name: "candidate"}
    path = f"{platform.gateway}/tiny/v1/m0/predict"
    platform.wait(lambda: httpx2.post(path, json={"instances": [{"x": 3}]}).status_code == 200)


def test_down_after_a_kill_stops_all(platform: LivePlatform):
    platform.rung("up", "--detach")
    platform.wait(lambda: {"gateway", "collector"} <= platform.recorded().keys())
    kill(platform.address.pid)
    assert platform.processes()

    platform.rung("down")

    assert platform.left(within_s=20) == []


def test_killed_gateway_comes_back(platform: LivePlatform):
    platform.rung("up", "--detach")
    platform.wait(lambda: is_healthy(platform))
    before = platform.recorded()["gateway"].pid

    kill(before)

    platform.wait(lambda: platform.recorded()["gateway"].pid != before and is_healthy(platform))


def test_port_of_a_stranger_is_not_adopted(platform: LivePlatform):
    """A control plane and its gateway died, and somebody else has the gateway's port since."""
    platform.rung("up", "--detach")
    platform.wait(lambda: is_healthy(platform))
    address, gateway = platform.address, platform.recorded()["gateway"]
    kill(address.pid)
    kill(gateway.pid)
    with socket.create_server(("127.0.0.1", int(address.gateway.rpartition(":")[2]))):
        platform.rung("up", "--detach")
        assert platform.gateway != address.gateway
        platform.wait(lambda: is_healthy(platform))


def test_deployment_without_git_is_refused(platform: LivePlatform):
    tiny_service.write(platform.root)
    shutil.rmtree(platform.root / ".git")
    platform.rung("up", "--detach")
    error = platform.ask("deploy", "training", "tiny", expect=2)["error"]
    assert f"{platform.root} is not a git repository with a commit" in error["message"]
    assert "git init" in error["hint"]
    assert platform.states() == {}


def test_deployment_without_a_commit_is_refused(platform: LivePlatform):
    tiny_service.write(platform.root)
    platform.rung("up", "--detach")
    error = platform.ask("deploy", "training", "tiny", expect=2)["error"]
    assert "is not a git repository with a commit" in error["message"]


def test_deployment_survives_new_control_planes(platform: LivePlatform):
    """A training that is under way when the control plane is killed ends as it would have."""
    tiny_service.write(platform.root)
    platform.rung("up", "--detach")
    platform.commit()
    name = platform.ask("deploy", "training", "tiny", "--detach")["id"]
    kill(platform.address.pid)
    platform.rung("up", "--detach")
    platform.wait(lambda: platform.revision(name)["state"] == "trained")
    platform.rung("deploy", "serving", name, "--detach")
    kill(platform.address.pid)
    platform.rung("up", "--detach")
    platform.wait(lambda: platform.revision(name)["state"] == "candidate")
    kinds = [event["kind"] for event in platform.ask("why", name)["events"]]
    assert [kind for kind in kinds if kind not in ("environment", "memory")] == [
        *("training", "trained", "deploying", "candidate")
    ]


def test_training_goes_on_when_the_platform_is_stopped(platform: LivePlatform, tmp_path: Path):
    tiny_service.write(platform.root)
    slow = f"""
    import time
    from pathlib import Path
    Path({str(tmp_path)!r}, "reached").touch()
    while not Path({str(tmp_path)!r}, "go_on").exists():
        time.sleep(0.05)
    return list(range(1, 201))
"""
    tiny_service.change(platform.root, "\n    return list(range(1, 201))\n", slow)
    platform.rung("up", "--detach")
    platform.commit()
    name = platform.ask("deploy", "training", "tiny", "--detach")["id"]
    platform.wait((tmp_path / "reached").exists)

    told = platform.rung("down")

    (tmp_path / "go_on").touch()
    assert f"trained further: {name}; the next `rung up` takes over what comes of it" in told.stderr
    assert platform.left(within_s=30) == []
    platform.rung("up", "--detach")
    platform.wait(lambda: platform.revision(name)["state"] == "trained")


def answers(platform: LivePlatform) -> bool:
    """Tell whether the control plane answers."""
    if not platform.place.address_file.exists():
        return False
    try:
        return platform.api("/status").status_code == 200
    except httpx2.TransportError:
        return False


def is_healthy(platform: LivePlatform) -> bool:
    """Tell whether the gateway answers, as the one of this platform."""
    try:
        return httpx2.get(f"{platform.gateway}/healthz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False
