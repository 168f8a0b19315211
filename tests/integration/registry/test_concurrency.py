"""Several writers at once, and writers that are killed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from rung.errors import ConflictError
from rung.lifecycle import State
from rung.registry import Registry, open_registry
from rung.schema import RevisionName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPEN = """
import sys, time
from pathlib import Path
from rung.errors import ConflictError
from rung.registry import open_registry
from rung.schema import RevisionName
where = Path(sys.argv[1]), sys.argv[2] or None
"""
WRITE = f"""{OPEN}
with open_registry(*where) as registry:
    for number in range(int(sys.argv[4])):
        registry.record_event("note", "housing", because=sys.argv[3], actor="ada", number=number)
        print(number, flush=True)
"""
CREATE = f"""{OPEN}
with open_registry(*where) as registry:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(20):
        print(registry.create_revision("housing", 1, actor="ada", commit=None, dirty=False), flush=True)
"""
PROMOTE = f"""{OPEN}
with open_registry(*where) as registry:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        registry.begin_promotion(RevisionName.parse(sys.argv[3]), actor="ada")
        print("won", flush=True)
    except ConflictError as error:
        print(error, flush=True)
"""
HALF = f"""{OPEN}
registry = open_registry(*where)
registry.record_event("note", "housing", because="acknowledged", actor="ada")
with registry._write() as connection:
    connection.exec_driver_sql("UPDATE revisions SET state = 'incumbent'")
    for _ in range(2_000):
        connection.exec_driver_sql(
            "INSERT INTO events (time, kind, service, actor, because, data)"
            " VALUES ('2030-01-01', 'note', 'housing', 'ada', 'half done', '{{}}')"
        )
    print("in the middle", flush=True)
    time.sleep(600)
"""  # noqa: S608  a script of this file

Start = "Callable[..., subprocess.Popen[str]]"


@pytest.fixture
def start(tmp_path: Path, url: str | None) -> Iterator[Start]:
    begun: list[subprocess.Popen[str]] = []

    def run(script: str, *arguments: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", script, str(tmp_path), url or "", *arguments]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        return process

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def released(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Let all of them go at once, and give what each wrote."""
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate()[0].splitlines() for process in processes]


@pytest.mark.parametrize("url", ["sqlite", "postgresql, nothing"], indirect=True)
def test_many_make_the_registry_at_once(tmp_path: Path, url: str | None):
    barrier = threading.Barrier(6)

    def make(number: int) -> None:
        barrier.wait()
        with open_registry(tmp_path, url) as registry:
            registry.record_event("note", "housing", because=f"thread {number}", actor="ada")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    with open_registry(tmp_path, url) as registry:
        assert sorted(event.because for event in registry.events()) == [f"thread {number}" for number in range(6)]


def test_maker_of_the_registry_waits_for_another_one(tmp_path: Path):
    """SQLite does not wait by itself while the log of writes is turned on."""
    with closing(sqlite3.connect(tmp_path / "registry.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE something (number)")
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        ends.start()
        with open_registry(tmp_path) as registry:
            assert registry.events() == []
        ends.join()


@pytest.mark.parametrize("url", ["sqlite", "postgresql, nothing"], indirect=True)
def test_processes_make_the_registry_at_once(tmp_path: Path, url: str | None, start: Start):
    writers = [start(WRITE, name, "30") for name in ("one", "two")]
    for writer in writers:
        assert len(writer.communicate()[0].splitlines()) == 30
        assert writer.returncode == 0
    with open_registry(tmp_path, url) as registry:
        events = registry.events()
    for name in ("one", "two"):
        assert [event.data["number"] for event in events if event.because == name] == list(range(30))
    assert [event.id for event in events] == sorted(event.id for event in events)


def test_processes_never_share_a_minor(tmp_path: Path, registry: Registry, start: Start):
    names = [name for lines in released([start(CREATE), start(CREATE)]) for name in lines]
    assert sorted(names) == sorted(f"housing.v1.m{minor}" for minor in range(40))
    assert len(registry.events()) == 40


def test_of_two_operators_one_wins(registry: Registry, candidate: Callable, start: Start):
    names = [str(candidate()) for _ in range(2)]
    told = [lines[0] for lines in released([start(PROMOTE, name) for name in names])]
    assert sorted(line == "won" for line in told) == [False, True]
    winner = told.index("won")
    assert told[1 - winner].startswith("another promotion of housing.v1 is under way: `rung status housing`")
    assert registry.revision(RevisionName.parse(names[winner])).state is State.TESTING
    assert registry.revision(RevisionName.parse(names[1 - winner])).state is State.CANDIDATE
    assert len(registry.promotions()) == 1


def test_of_many_threads_one_wins(registry: Registry, candidate: Callable):
    name, barrier = candidate(), threading.Barrier(8)

    def promote(number: int) -> str:
        barrier.wait()
        try:
            registry.begin_promotion(name, actor=f"operator {number}")
        except ConflictError:
            return "told"
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(promote, range(8)))
    assert sorted(outcomes) == ["told"] * 7 + ["won"]
    assert [event.kind for event in registry.events()].count("testing") == 1


def test_events_are_seen_in_their_order(registry: Registry, start: Start):
    """A reader that follows the log while many write skips none, however their commits overlap."""
    writers = [start(WRITE, name, "30") for name in ("one", "two")]
    seen: list[int] = []
    while any(writer.poll() is None for writer in writers):
        seen += [event.id for event in registry.events(after=seen[-1] if seen else 0)]
    seen += [event.id for event in registry.events(after=seen[-1])]
    assert seen == [event.id for event in registry.events()]
    assert len(seen) == 60


@pytest.mark.fault
@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_kill_loses_nothing_acknowledged(tmp_path: Path, registry: Registry, start: Start, acknowledged: int):
    writer = start(WRITE, "killed", "1000000")
    for _ in range(acknowledged):
        last = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    last = max([last, *map(int, writer.communicate()[0].split())])
    numbers = [event.data["number"] for event in registry.events(limit=1_000_000)]
    assert numbers[: last + 1] == list(range(last + 1))
    assert len(numbers) <= last + 2
    registry.record_event("note", "housing", because="it goes on", actor="ada")


@pytest.mark.fault
def test_kill_in_the_middle_undoes_all(
    *, tmp_path: Path, url: str | None, registry: Registry, candidate: Callable, start: Start
):
    name = candidate()
    writer = start(HALF)
    assert writer.stdout.readline() == "in the middle\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert registry.revision(name).state is State.CANDIDATE
    assert [event.because for event in registry.events()][-1] == "acknowledged"
    registry.move(name, State.ON_HOLD, because="it goes on", actor="ada")
    with open_registry(tmp_path, url) as again:
        assert again.revision(name).state is State.ON_HOLD
