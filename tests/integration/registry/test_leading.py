"""The lease in a real database: one of two leads, and whoever lost the lead writes nothing more."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from rung.errors import ConflictError, LeaseLostError, UnavailableError
from rung.lifecycle import State
from rung.registry import Registry, open_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postgresql import PostgresServer

TTL_S = 1.0


@pytest.fixture
def other(tmp_path: Path, url: str | None, registry: Registry) -> Iterator[Registry]:
    """A second control plane's registry."""
    with open_registry(tmp_path, url) as opened:
        yield opened


def lead(registry: Registry, holder: str = "a", *, ttl_s: float = TTL_S) -> int | None:
    taken = registry.take_lead(holder, "/state", ttl_s=ttl_s)
    return None if taken is None else taken.token


def test_one_of_two_leads(registry: Registry, other: Registry):
    assert not registry.is_led()
    assert lead(registry, ttl_s=60) == 1
    assert lead(other, "b") is None
    assert other.is_led()
    found = other.lease()
    assert (found.token, found.holder, found.place) == (1, "a", "/state")


def test_of_many_at_once_one_leads(tmp_path: Path, url: str | None, registry: Registry):
    barrier = threading.Barrier(6)

    def take(number: int) -> int | None:
        with open_registry(tmp_path, url) as opened:
            barrier.wait()
            return lead(opened, f"holder {number}", ttl_s=60)

    with ThreadPoolExecutor(6) as pool:
        tokens = list(pool.map(take, range(6)))
    assert sorted(token or 0 for token in tokens) == [0] * 5 + [1]


def test_lease_runs_out_unless_renewed(registry: Registry, other: Registry):
    lead(registry)
    for _ in range(6):
        time.sleep(TTL_S / 4)
        registry.renew_lead()
        assert lead(other, "b") is None
    time.sleep(TTL_S * 1.2)
    assert lead(other, "b") == 2


def test_late_holder_writes_nothing(registry: Registry, other: Registry, candidate: Callable):
    lead(registry)
    name = candidate()
    time.sleep(TTL_S * 1.2)
    registry.record_event("note", "housing", because="nobody leads yet, so this one still may", actor="ada")
    assert lead(other, "b") == 2
    before = other.events(), other.revisions(), other.processes()
    for write in (
        lambda: registry.record_event("note", "housing", because="late", actor="ada"),
        lambda: registry.move(name, State.ON_HOLD, because="late", actor="ada"),
        lambda: registry.begin_promotion(name, actor="ada"),
        lambda: registry.keep_process("gateway", {"pid": 1}),
        registry.renew_lead,
        registry.release_lead,
        registry.check_lead,
    ):
        with pytest.raises(
            LeaseLostError, match="another control plane leads: its fencing token is 2, and this one's was 1"
        ):
            write()
    assert (other.events(), other.revisions(), other.processes()) == before
    other.check_lead()


def test_loss_of_the_lead_is_told_at_once(registry: Registry, other: Registry):
    told: list[str] = []
    registry.take_lead("a", "/state", ttl_s=60, on_loss=lambda: told.append("lost"))
    registry.check_lead()
    other.take_lead("b", "/state", ttl_s=60, dead=1)
    with pytest.raises(LeaseLostError):
        registry.check_lead()
    assert told == ["lost"]


def test_write_under_way_keeps_others_from_leading(registry: Registry, other: Registry):
    """A takeover waits for the writer's commit: what was checked stays true until then."""
    lead(registry)
    with ThreadPoolExecutor(1) as pool:
        with registry._write():  # noqa: SLF001  the moment between check and commit
            time.sleep(TTL_S * 1.2)
            taken = pool.submit(lead, other, "b")
            time.sleep(0.2)
            assert not taken.done()
        assert taken.result() == 2


def test_released_lease_is_free_at_once(registry: Registry, other: Registry):
    lead(registry, ttl_s=60)
    registry.release_lead()
    assert other.lease().is_released
    assert lead(other, "b") == 2


def test_dead_holder_is_not_waited_for(registry: Registry, other: Registry):
    lead(registry, ttl_s=60)
    assert other.take_lead("b", "/state", ttl_s=60, dead=7) is None
    assert other.take_lead("b", "/state", ttl_s=60, dead=1).token == 2


def test_token_is_above_one_seen_elsewhere(registry: Registry, other: Registry):
    assert registry.take_lead("a", "/state", ttl_s=60, above=41).token == 42
    assert other.take_lead("b", "/state", ttl_s=60, dead=42, above=7).token == 43


def test_trainings_and_commands_write_without_lead(registry: Registry, other: Registry):
    lead(registry, ttl_s=60)
    other.record_run({"id": "r1", "service": "housing", "started": "2030-01-01", "status": "succeeded"})
    assert registry.run("r1")["status"] == "succeeded"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_schema_is_not_changed_under_a_leader(tmp_path: Path, url: str, registry: Registry):
    """A newer Rung on somebody's laptop must not take the registry from the one that leads."""
    registry.downgrade("0003")
    lead(registry, ttl_s=60)
    with pytest.raises(ConflictError, match=r"has the schema 0003, .*and a control plane leads: stop that first"):
        open_registry(tmp_path, url)
    registry.release_lead()
    with open_registry(tmp_path, url) as again:
        assert again.check().problems == ()


# --- a server that goes away ---

SERVER = pytest.mark.parametrize("url", ["postgresql"], indirect=True)


@SERVER
def test_lost_connections_are_made_anew(registry: Registry, url: str, postgresql: PostgresServer):
    lead(registry, ttl_s=60)
    for _ in range(3):
        postgresql.cut_off(url)
        registry.record_event("note", "housing", because="it goes on", actor="ada")
    assert len(registry.events()) == 3


@SERVER
def test_write_that_is_cut_off_is_undone(registry: Registry, url: str, postgresql: PostgresServer, candidate: Callable):
    name = candidate()
    before = registry.events()

    def write() -> None:
        with registry._write() as connection:  # noqa: SLF001  the moment between a write and its commit
            connection.exec_driver_sql("UPDATE revisions SET state = 'incumbent'")
            postgresql.cut_off(url)

    with pytest.raises(UnavailableError, match=r"did not take the change .*database locked or gone"):
        write()
    assert registry.revision(name).state is State.CANDIDATE
    assert registry.events() == before


@SERVER
def test_server_that_is_down_is_told(registry: Registry, postgresql: PostgresServer):
    registry.record_event("note", "housing", because="before", actor="ada")
    postgresql.server.stop()
    try:
        for call in (registry.events, registry.renew_lead):
            with pytest.raises(UnavailableError, match=r"the registry d(id|oes)"):
                call()
    finally:
        postgresql.server.start()
    registry.record_event("note", "housing", because="after", actor="ada")
    assert [event.because for event in registry.events()] == ["before", "after"]


@SERVER
def test_writer_that_does_nothing_is_undone(registry: Registry, other: Registry, monkeypatch: pytest.MonkeyPatch):
    """One that was frozen or cut off in the middle of a write keeps nobody from leading."""
    monkeypatch.setattr("rung.registry._backends._IDLE_MS", 300)
    lead(registry, ttl_s=0.1)

    def write_slowly() -> None:
        with registry._write() as connection:  # noqa: SLF001  the moment between a write and its commit
            connection.exec_driver_sql("DELETE FROM leases")
            assert lead(other, "b") == 2

    with pytest.raises(UnavailableError, match="did not take the change"):
        write_slowly()
    assert other.lease().token == 2


@SERVER
def test_waiting_writer_gives_up(registry: Registry, other: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rung.registry._backends.BUSY_MS", 100)
    with (
        registry._write(),  # noqa: SLF001  a writer that takes long
        pytest.raises(UnavailableError, match="lock timeout"),
    ):
        other.record_event("note", "housing", because="in vain", actor="ada")
