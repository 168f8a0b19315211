"""What `rung gc` takes away, and what it never does."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rung.artifacts import LocalStore
from rung.cli.gc import command
from rung.compute.environments import Environments, Lock
from rung.control import leftovers
from rung.control.place import Place
from rung.lifecycle import State
from rung.registry import open_registry
from rung.workspace import Workspace, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.control.leftovers import Leftover
    from rung.registry import Registry

LATER = datetime.now(UTC) + timedelta(days=2)
DATA = b"weights" * 1_000


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "rung.toml").touch()
    made = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    made.make()
    return made


@pytest.fixture
def registry(place: Place) -> Iterator[Registry]:
    with open_registry(place.workspace.state) as opened:
        yield opened


@pytest.fixture
def store(place: Place) -> LocalStore:
    return LocalStore(place.workspace.artifacts)


def found(place: Place, registry: Registry, now: datetime = LATER, **options: timedelta) -> list[tuple[str, str]]:
    return [(one.kind, one.path.name) for one in leftovers.find(place, registry, now, **options)]


def record_run(place: Place, registry: Registry, identity: str, digest: str) -> Path:
    record = {"id": identity, "service": "housing", "started": "2026-01-01", "status": "succeeded", "digest": digest}
    registry.record_run(record)
    folder = place.workspace.runs / identity
    folder.mkdir(parents=True)
    write_atomically(folder / "run.json", json.dumps(record).encode())
    LocalStore(place.workspace.artifacts).link(digest, folder / "build_model.artifact")
    return folder


def name_of(digest: str) -> str:
    return digest.removeprefix("sha256:")[2:]


def test_artifact_that_nothing_names_goes(place: Place, registry: Registry, store: LocalStore):
    digest = store.put(DATA)
    assert found(place, registry) == [("artifact", name_of(digest))]
    assert leftovers.remove(place, leftovers.find(place, registry, LATER)) == len(DATA)
    assert list(store.digests()) == []


def test_young_artifact_stays(place: Place, registry: Registry, store: LocalStore):
    store.put(DATA)
    assert found(place, registry, datetime.now(UTC)) == []


def test_artifact_of_a_run_stays(place: Place, registry: Registry, store: LocalStore):
    digest = store.put(DATA)
    registry.record_run(
        {"id": "run", "service": "housing", "started": "2026-01-01", "status": "succeeded", "tasks": [digest]}
    )
    assert found(place, registry) == []


def test_artifact_of_the_cache_stays(place: Place, registry: Registry, store: LocalStore):
    digest = store.put(DATA)
    (place.workspace.cache / "tasks").mkdir(parents=True)
    (place.workspace.cache / "tasks" / "key.json").write_text(json.dumps([{"digest": digest}]))
    assert found(place, registry) == []
    aged = found(place, registry, runs_older_than=timedelta(days=1))
    assert aged == [("cache", "key.json"), ("artifact", name_of(digest))]


def test_old_run_keeps_its_record(place: Place, registry: Registry, store: LocalStore):
    folder = record_run(place, registry, "housing-1", store.put(DATA))
    going = leftovers.find(place, registry, LATER, runs_older_than=timedelta(days=1))
    assert [one.kind for one in going] == ["output", "artifact"]
    assert sum(one.size for one in going) == len(DATA)
    assert leftovers.remove(place, going) == len(DATA)
    assert [path.name for path in folder.iterdir()] == ["run.json"]
    assert registry.run("housing-1")["status"] == "succeeded"


def test_run_of_a_revision_keeps_its_outputs(place: Place, registry: Registry, store: LocalStore):
    name = registry.create_revision("housing", 1, actor="anna", commit=None, dirty=False)
    record_run(place, registry, str(name), store.put(DATA))
    assert found(place, registry, runs_older_than=timedelta(days=1)) == []


def test_environment_of_a_torn_down_revision_goes(place: Place, registry: Registry):
    environments = Environments(place.environments, with_rung=False)
    served, gone = (environments.ensure(Lock(text=text)) for text in ("# Python 3.11\n", "# Python 3.11\n# another\n"))
    for key, states in ((served.key, ()), (gone.key, (State.TORN_DOWN,))):
        name = registry.create_revision("housing", 1, actor="anna", commit=None, dirty=False)
        registry.set_environment(name, key)
        for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE, *states):
            registry.move(name, state, because="a test", actor="anna")
    assert found(place, registry) == [("environment", gone.key)]
    assert leftovers.remove(place, leftovers.find(place, registry, LATER)) > 0
    assert environments.keys() == [served.key]


def test_what_the_dead_left_goes(place: Place, registry: Registry, store: LocalStore):
    store.put(DATA)
    unfinished = next(place.workspace.artifacts.glob("??")) / "ab.unfinished"
    unfinished.touch()
    socket = place.socket("housing.v1.m1")
    socket.touch()
    ended = subprocess.Popen(["true"])
    ended.wait()
    temporary = place.workspace.state / f".run.json.{ended.pid}.01234567.tmp"
    living = place.workspace.state / f".run.json.{os.getpid()}.01234567.tmp"
    for path in (temporary, living):
        path.touch()
    now = datetime.now(UTC)
    assert found(place, registry, now) == [("socket", socket.name), ("temporary", temporary.name)]
    assert {kind for kind, _ in found(place, registry)} == {"artifact", "unfinished", "socket", "temporary"}


def test_ledgers_go_when_no_test_runs(place: Place, registry: Registry):
    ledger = place.lake / "ledgers" / "abc" / "rows"
    ledger.parent.mkdir(parents=True)
    ledger.touch()
    assert found(place, registry) == [("ledger", "rows")]


def test_dry_run_takes_nothing(place: Place, store: LocalStore, monkeypatch: pytest.MonkeyPatch):
    digest = store.put(DATA)
    path = store.path(digest)
    os.utime(path, (0, 0))
    monkeypatch.chdir(place.workspace.root)
    dry = CliRunner().invoke(command, ["--dry-run"])
    assert dry.exit_code == 0
    assert f"{len(DATA):,} bytes would be freed; `rung gc` frees them" in dry.output
    assert path.exists()
    told = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert (told["removed"], told["bytes"], len(told["leftovers"])) == (True, len(DATA), 1)
    assert not path.exists()
    assert CliRunner().invoke(command, []).output == "nothing is left over\n"


def test_gone_meanwhile_is_fine(place: Place, registry: Registry, store: LocalStore):
    digest = store.put(DATA)
    going: list[Leftover] = leftovers.find(place, registry, LATER)
    store.delete(digest)
    leftovers.remove(place, going)
