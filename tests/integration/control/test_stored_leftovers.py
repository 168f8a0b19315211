"""What `rung gc` takes away in a storage and in the folders of datasets, and what it never does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest
from click.testing import CliRunner

from rung.artifacts import LocalStore, WriteThroughStore
from rung.cli.gc import command
from rung.control import leftovers
from rung.control.place import Place
from rung.data import Append, open_catalogue
from rung.errors import ConflictError
from rung.lifecycle import State
from rung.objects import Objects, open_objects
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from object_store import ObjectStore

    from rung.registry import Registry

LATER = datetime.now(UTC) + timedelta(days=2)
DATA = b"weights" * 1_000


@pytest.fixture
def bucket(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    return object_store.bucket()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Place:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    stored = getattr(request, "param", "s3") == "s3"
    settings = f'storage = "{request.getfixturevalue("bucket")}"\n' if stored else ""
    (tmp_path / "rung.toml").write_text(settings)
    made = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    made.make()
    return made


@pytest.fixture
def registry(place: Place) -> Iterator[Registry]:
    with open_registry(place.workspace.state) as opened:
        yield opened


@pytest.fixture
def objects(place: Place) -> Objects:
    return open_objects(str(place.workspace.settings().storage))


@pytest.fixture
def store(place: Place, objects: Objects) -> WriteThroughStore:
    return WriteThroughStore(LocalStore(place.workspace.artifacts), objects)


def found(place: Place, registry: Registry, now: datetime = LATER) -> list[tuple[str, str]]:
    return [(one.kind, str(one.path)) for one in leftovers.find(place, registry, now) if one.store]


def key(digest: str) -> str:
    return f"artifacts/{digest[7:9]}/{digest[9:]}"


def test_artifact_that_nothing_names_goes_from_both(
    place: Place, registry: Registry, store: WriteThroughStore, objects: Objects
):
    digest = store.put(DATA)
    going = leftovers.find(place, registry, LATER)
    assert [(one.kind, one.store, one.size) for one in going] == [
        ("artifact", "", len(DATA)),
        ("artifact", objects.url, len(DATA)),
    ]
    assert leftovers.remove(place, going) == 2 * len(DATA)
    assert not store.has(digest)


def test_young_artifact_stays(place: Place, registry: Registry, store: WriteThroughStore):
    store.put(DATA)
    assert found(place, registry, datetime.now(UTC)) == []


def test_named_artifact_stays(place: Place, registry: Registry, store: WriteThroughStore):
    digest = store.put(DATA)
    registry.record_run(
        {"id": "run", "service": "housing", "started": "2026-01-01", "status": "succeeded", "tasks": [digest]}
    )
    store.local.delete(digest)
    assert found(place, registry) == []


def test_artifact_that_is_used_again_is_young_again(store: WriteThroughStore, objects: Objects, place: Place):
    digest = store.put(DATA)
    first = objects.modified(key(digest))
    store.upload(digest)
    assert objects.modified(key(digest)) == first
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rung.artifacts._write_through._YOUNG_S", -1.0)
        patch.setattr("time.time", lambda: 2e9)
        store.upload(digest)
    assert objects.read(key(digest)) == DATA
    assert place


def test_run_that_is_not_on_record_goes(place: Place, registry: Registry, objects: Objects):
    for run in ("lost", "recorded", "here"):
        objects.create(f"runs/{run}/log.txt", b"1234")
        objects.create(f"runs/{run}/run.json", b"{}")
    registry.record_run({"id": "recorded", "service": "housing", "started": "2026-01-01", "status": "succeeded"})
    (place.workspace.runs / "here").mkdir(parents=True)
    assert found(place, registry) == [("run", "runs/lost")]
    assert leftovers.remove(place, leftovers.find(place, registry, LATER)) == 6
    assert sorted(entry.key.split("/")[1] for entry in objects.entries("runs")) == ["here", "here"] + ["recorded"] * 2


def test_half_a_revision_that_failed_goes(place: Place, registry: Registry, objects: Objects):
    failed, whole = (registry.create_revision("housing", 1, actor="anna", commit=None, dirty=False) for _ in range(2))
    for name in (failed, whole):
        registry.move(name, State.FAILED, because="a test", actor="anna")
        objects.create(f"revisions/{name}/source.tar", b"1234")
    objects.create(f"revisions/{whole}/bundle.json", b"{}")
    assert found(place, registry) == [("revision", f"revisions/{failed}")]
    leftovers.remove(place, leftovers.find(place, registry, LATER))
    assert {entry.key.split("/")[1] for entry in objects.entries("revisions")} == {str(whole)}


def test_storage_of_another_registry_is_not_touched(
    place: Place, registry: Registry, objects: Objects, store: WriteThroughStore
):
    store.put(DATA)
    objects.create("revisions/housing.v1.m0/bundle.json", b"{}")
    with pytest.raises(ConflictError, match=r"holds housing\.v1\.m0, which this registry never had"):
        leftovers.find(place, registry, LATER)


@pytest.mark.parametrize("place", ["folder", "s3"], indirect=True)
def test_files_of_killed_ingests_go(place: Place, registry: Registry):
    catalogue = open_catalogue(place.workspace)
    for number in range(2):
        catalogue.write("houses", pl.DataFrame({"number": [number]}), how=Append())
    files = catalogue.shelf("houses").files
    killed, other = f"part-{'0' * 24}.parquet", "part-of-another-program.parquet"
    for name in (killed, other):
        files.create(name, b"half")
    catalogue.shelf("sales").files.create(f"part-{'1' * 24}.parquet", b"half")
    going = [one for one in leftovers.find(place, registry, LATER) if one.kind == "dataset"]
    assert sorted((one.path.parent.name, one.path.name) for one in going) == [
        ("houses", killed),
        ("sales", f"part-{'1' * 24}.parquet"),
    ]
    assert leftovers.remove(place, going) == 8
    assert files.size(killed) is None
    assert files.size(other) == 4
    assert catalogue.scan(catalogue.version("houses")).collect()["number"].sort().to_list() == [0, 1]
    assert leftovers.find(place, registry, datetime.now(UTC)) == []


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_commit_without_a_manifest_keeps_its_file(place: Place, registry: Registry):
    """Killed between the two: the next writer tells of it."""
    catalogue = open_catalogue(place.workspace)
    catalogue.write("houses", pl.DataFrame({"number": [1]}), how=Append())
    shelf = catalogue.shelf("houses")
    shelf.objects.delete(shelf.manifest(1))
    assert leftovers.find(place, registry, LATER) == []


def test_dry_run_takes_nothing(place: Place, objects: Objects, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    objects.create("runs/lost/run.json", b"{}")
    monkeypatch.chdir(place.workspace.root)
    monkeypatch.setattr(leftovers, "_FRESH", timedelta(days=-1))
    told = json.loads(CliRunner().invoke(command, ["--dry-run", "--json"]).output)
    assert (told["removed"], told["bytes"]) == (False, 2)
    assert told["leftovers"][0]["store"] == objects.url
    assert objects.size("runs/lost/run.json") == 2
    assert CliRunner().invoke(command, ["--json"]).exit_code == 0
    assert objects.size("runs/lost/run.json") is None
    assert registry
