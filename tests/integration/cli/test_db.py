"""`rung db` as a person types it, on a file and on a server."""

from __future__ import annotations

import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest
from typed import typed

from rung.registry import Registry, open_registry, read_dump
from rung.registry._runs import HEAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgresql import PostgresServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose registry is a file with one event."""
    (tmp_path / "rung.toml").touch()
    with open_registry(tmp_path / ".rung") as registry:
        registry.record_event("note", "housing", because="it was noted", actor="ada")
    return tmp_path


@pytest.fixture
def url(postgresql: PostgresServer) -> str:
    return postgresql.database(migrated=False)


@pytest.fixture
def shared(root: Path, url: str) -> Iterator[Registry]:
    """The registry of the server, where the workspace's is copied to."""
    db(root, "copy", "--to", url)
    with open_registry(root / ".rung", url) as registry:
        yield registry


def db(root: Path, *words: str, expect: int = 0, url: str = "") -> Any:
    """Run a command; give its JSON, or what it wrote to standard error."""
    as_json = () if expect == 2 else ("--json",)
    ended = typed(root, "db", *words, *as_json, environment={"RUNG_REGISTRY": url})
    assert ended.returncode == expect, ended.stdout + ended.stderr
    return ended.stderr if expect == 2 else json.loads(ended.stdout)


def test_check_tells_what_there_is(root: Path):
    told = db(root, "check")
    assert (told["backend"], told["where"]) == ("sqlite", str(root / ".rung" / "registry.db"))
    assert (told["version"], told["head"], told["problems"]) == (HEAD, HEAD, [])
    assert told["rows"]["events"] == 1


def test_schema_goes_down_and_up(root: Path):
    down = db(root, "downgrade", "0002")
    assert (down["before"], down["after"]) == (HEAD, "0002")
    assert read_dump(root / down["backup"]).rows["events"] == 1
    told = db(root, "check", expect=4)
    assert told["problems"] == [f"the schema 0002 is older than {HEAD}: `rung db upgrade`"]
    up = db(root, "upgrade")
    assert (up["before"], up["after"]) == ("0002", HEAD)
    assert db(root, "check")["problems"] == []
    assert db(root, "upgrade") == {"before": HEAD, "after": HEAD, "backup": None}
    assert "'9999' is not below the schema" in db(root, "downgrade", "9999", expect=2)


def test_running_control_plane_keeps_its_schema(root: Path):
    with (root / ".rung" / "control.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (("downgrade",), ("upgrade",), ("load", "any.jsonl")):
            assert "a control plane runs on" in db(root, *words, expect=2)
        assert db(root, "check")["problems"] == []
        db(root, "dump", "while-it-runs.jsonl")


def test_dump_fills_an_empty_registry(root: Path, tmp_path: Path):
    told = db(root, "dump", "all.jsonl")
    assert told["rows"]["events"] == 1
    assert "all.jsonl exists" in db(root, "dump", "all.jsonl", expect=2)
    assert "is not empty" in db(root, "load", "all.jsonl", expect=2)
    (root / ".rung" / "registry.db").unlink()
    assert db(root, "load", "all.jsonl") == {**told, "where": "all.jsonl"}
    assert db(root, "check")["rows"]["events"] == 1


def test_registry_moves_to_a_server_and_back(root: Path, url: str, shared: Registry):
    assert [event.because for event in shared.events()] == ["it was noted"]
    told = db(root, "check", url=url)
    assert (told["backend"], told["problems"], told["rows"]["events"]) == ("postgresql", [], 1)
    assert "is not empty" in db(root, "copy", "--to", url, expect=2)
    assert "already" in db(root, "copy", "--to", url, expect=2, url=url)
    shared.record_event("note", "housing", because="it goes on", actor="ada")
    (root / ".rung" / "registry.db").unlink()
    db(root, "copy", "--to", "sqlite", url=url)
    assert db(root, "check")["rows"]["events"] == 2


def test_server_that_is_led_keeps_its_schema(root: Path, url: str, shared: Registry):
    shared.take_lead("somebody", "/state", ttl_s=60)
    for words in (("downgrade",), ("upgrade",)):
        assert "a control plane runs on" in db(root, *words, expect=2, url=url)
    shared.release_lead()
    assert db(root, "downgrade", "0002", url=url)["after"] == "0002"
    assert db(root, "upgrade", url=url)["after"] == HEAD
