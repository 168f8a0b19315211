"""Who leads, between real processes: taking over, being told, and what is fenced outside the registry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from rung.compute import local
from rung.control._fence import Fence
from rung.control._lead import Lead, holder
from rung.control.place import Place
from rung.control.servers import Servers, clean_environment, without_secrets
from rung.errors import ConflictError, LeaseLostError, UnavailableError
from rung.gateway import Gateway
from rung.registry import Registry, open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgresql import PostgresServer

LEAD = """
import sys, threading, time
from pathlib import Path
from rung.control import _lead
from rung.control.place import Place
from rung.registry import open_registry
from rung.workspace import Workspace
_lead.LEASE_S = float(sys.argv[3])
state = Path(sys.argv[1])
lead = _lead.Lead(Place(workspace=Workspace(root=state.parent, state=state)), open_registry(state, sys.argv[2]))
lead.take(threading.Event())
where = {"": lead.fence.path.open, "file": lead.fence.passed, "write": lead.registry._write}[sys.argv[4]]
with where():
    print("leads", flush=True)
    time.sleep(600)
"""

Start = "Callable[..., subprocess.Popen[str]]"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "state").mkdir()
    return Place(workspace=Workspace(root=tmp_path, state=tmp_path / "state"))


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.database()


@pytest.fixture
def registry(place: Place, url: str) -> Iterator[Registry]:
    with open_registry(place.workspace.state, url) as opened:
        yield opened


@pytest.fixture
def start(place: Place, url: str) -> Iterator[Start]:
    """Start a process that leads, and may be within a file of the gateway or within a write to the registry."""
    begun: list[subprocess.Popen[str]] = []

    def run(lease_s: float, within: str = "") -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", LEAD, str(place.workspace.state), url, str(lease_s), within]
        begun.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        for line in begun[-1].stdout:  # its log comes first
            if line == "leads\n":
                return begun[-1]
        pytest.fail("it ended")

    yield run
    for process in begun:
        process.kill()
        process.communicate()


# --- the fence ---


def test_lower_token_does_not_pass(tmp_path: Path):
    old, new = (Fence(tmp_path / "token") for _ in range(2))
    assert old.known() == 0
    old.close_to_others(7, within_s=1)
    with old.passed():
        pass
    new.close_to_others(8, within_s=1)
    assert old.known() == 8
    with pytest.raises(LeaseLostError, match="its fencing token is 8, and this one's was 7"), old.passed():
        pytest.fail("it was let through")
    with pytest.raises(LeaseLostError):
        old.close_to_others(7, within_s=1)
    with new.passed():
        pass


def test_one_passes_the_fence_at_a_time(tmp_path: Path):
    fence, inside, seen = Fence(tmp_path / "token"), threading.Semaphore(1), []

    def work(_: int) -> None:
        for _ in range(50):
            with fence.passed():
                seen.append(inside.acquire(blocking=False))
                inside.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert seen == [True] * 200


def test_gateway_takes_no_file_of_a_former_leader(tmp_path: Path):
    old, new = (Fence(tmp_path / "token") for _ in range(2))
    old.close_to_others(1, within_s=1)
    gateway = Gateway(folder=tmp_path / "g", port=4780, guard=old.passed)
    gateway.prepare()
    new.close_to_others(2, within_s=1)
    before = {path.name: path.read_bytes() for path in gateway.folder.iterdir()}
    (gateway.folder / "rds.json").unlink()
    with pytest.raises(LeaseLostError):
        gateway.prepare()
    (gateway.folder / "rds.json").write_bytes(before["rds.json"])
    assert {path.name: path.read_bytes() for path in gateway.folder.iterdir()} == before


# --- the lead ---


def test_leader_that_died_here_is_not_waited_for(place: Place, registry: Registry, start: Start):
    process = start(60)
    process.kill()
    process.wait()
    lead = Lead(place, registry)
    assert lead.take(threading.Event(), within_s=5)
    assert registry.lease().token == 2
    assert lead.fence.known() == 2
    lead.give_back()
    assert registry.lease().is_released


def test_living_leader_is_waited_for(place: Place, registry: Registry, start: Start):
    start(60)
    lead = Lead(place, registry)
    assert not lead.take(threading.Event(), within_s=0.1)
    assert lead.has_waited
    stop = threading.Event()
    stop.set()
    assert not lead.take(stop)
    assert registry.lease().token == 1


def test_leader_frozen_within_a_file_is_ended(place: Place, registry: Registry, start: Start):
    """It holds the fence's lock and would hold it for ever; nothing of it may come after the new leader."""
    process = start(0.5, "file")
    os.kill(process.pid, signal.SIGSTOP)
    lead = Lead(place, registry)
    assert lead.take(threading.Event(), within_s=20)
    assert process.wait(5) == -signal.SIGKILL
    assert lead.fence.known() == registry.lease().token == 2
    lead.give_back()


def test_leader_frozen_within_a_write_is_undone(place: Place, registry: Registry, start: Start):
    process = start(0.5, "write")
    os.kill(process.pid, signal.SIGSTOP)
    lead = Lead(place, registry)
    assert lead.take(threading.Event(), within_s=20)
    os.kill(process.pid, signal.SIGCONT)
    assert registry.lease().token == 2
    lead.give_back()


def test_leader_that_ends_while_it_is_looked_at_is_not_followed(
    place: Place, registry: Registry, url: str, monkeypatch: pytest.MonkeyPatch
):
    """Whoever stands by has read that somebody leads; before it asks for the lead, the platform is ended."""
    lead = Lead(place, registry)
    assert lead.take(threading.Event())
    with open_registry(place.workspace.state, url) as other:
        standby = Lead(place, other)
        assert not standby.take(threading.Event(), within_s=0.1)
        looked = other.is_led

        def ends_meanwhile() -> bool:
            lead.give_back()
            monkeypatch.undo()
            return looked()

        monkeypatch.setattr(type(other), "is_led", lambda _: ends_meanwhile())
        assert not standby.take(threading.Event(), within_s=5)
        assert other.lease().token == 1


@pytest.mark.parametrize("goes_on", [True, False], ids=["goes on", "stays frozen"])
def test_former_leader_does_not_stay(
    *, place: Place, registry: Registry, start: Start, goes_on: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rung.control._lead._OUTLIVED_S", 60.0 if goes_on else 0.2)
    process = start(0.5)
    os.kill(process.pid, signal.SIGSTOP)
    lead = Lead(place, registry)
    assert lead.take(threading.Event(), within_s=20)
    if goes_on:
        assert process.poll() is None
        os.kill(process.pid, signal.SIGCONT)
    assert process.wait(20) == (LeaseLostError.exit_code if goes_on else -signal.SIGKILL)
    lead.give_back()


def test_token_grows_past_that_of_the_place(place: Place, registry: Registry):
    """A registry that was brought back from a backup has forgotten the last tokens; the fence has not."""
    Fence(place.fence_file).close_to_others(41, within_s=1)
    lead = Lead(place, registry)
    assert lead.take(threading.Event())
    assert registry.lease().token == 42
    lead.give_back()


def test_other_state_folder_cannot_adopt(place: Place, registry: Registry):
    registry.take_lead(holder(), "/srv/elsewhere/.rung", ttl_s=60)
    registry.keep_process("gateway", local.find(os.getpid()).to_json())
    with open_registry(place.workspace.state, registry.backend.engine.url.render_as_string()) as other:
        wanted = r"runs here with its state in /srv/elsewhere/\.rung: set RUNG_STATE=/srv/elsewhere/\.rung"
        with pytest.raises(ConflictError, match=wanted):
            Lead(place, other).take(threading.Event())
    assert registry.lease().token == 1


def test_registry_that_is_away_is_told_at_once(place: Place, registry: Registry, postgresql: PostgresServer):
    registry.events()
    postgresql.server.stop()
    try:
        with pytest.raises(UnavailableError):
            Lead(place, registry).take(threading.Event())
    finally:
        postgresql.server.start()


def test_former_leader_stops_no_process(place: Place, registry: Registry):
    """What is on record is the new leader's."""
    registry.keep_process("gateway", local.find(os.getpid()).to_json())
    registry.take_lead("a", "/state", ttl_s=60)
    with open_registry(place.workspace.state, registry.backend.engine.url.render_as_string()) as other:
        other.take_lead("b", "/state", ttl_s=60, dead=1)
    with pytest.raises(LeaseLostError):
        Servers(place=place, registry=registry).stop("gateway")


@pytest.mark.parametrize("clean", [clean_environment, without_secrets])
def test_authors_get_no_way_into_the_registry(clean: Callable[[dict[str, str]], dict[str, str]]):
    mine = {"RUNG_REGISTRY": "postgresql://rung:secret@db/shop", "PGPASSWORD": "secret", "HOME": "/home/ada"}
    assert clean(mine) == {"HOME": "/home/ada"}
