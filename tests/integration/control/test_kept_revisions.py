"""Revisions between a machine and its storage, one step at a time; the storage is a folder here."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from waiting import until

from rung.artifacts import LocalStore
from rung.control.deployment.storage import Storage
from rung.control.place import Place
from rung.errors import ConflictError, IntegrityError, UnavailableError
from rung.lifecycle import State
from rung.objects import FolderObjects
from rung.registry import open_registry
from rung.serving import Bundle, read_bundle, write_bundle
from rung.training import RunRecord, TaskRecord
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rung.registry import Registry
    from rung.schema import RevisionName


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A state folder, its registry and its storage."""

    place: Place
    registry: Registry
    storage: Storage

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.place.workspace.artifacts)

    def train(self, slope: float, source: str = "") -> RevisionName:
        """Leave what a training leaves, on record as trained."""
        name = self.registry.create_revision("tiny", 1, actor="anna", commit="abc", dirty=False)
        run = self.registry.revision(name).run
        digest = self.store.put(json.dumps({"slope": slope}).encode())
        task = TaskRecord(name="build_model", key="k", state="ran", because="new", digest=digest)
        folder = self.place.workspace.runs / run
        folder.mkdir(parents=True)
        RunRecord(
            id=run,
            service="tiny",
            status="succeeded",
            started="2026-11-21T10:00:00.000+00:00",
            user="anna",
            python="3.11.7",
            rung="0.1.0",
            pid=1,
            tasks=[task],
        ).write(folder)
        package = self.place.source(name) / "experiments" / "tiny"
        package.mkdir(parents=True)
        (package / "app.py").write_text(source)
        (self.place.revision(name) / "requirements.lock").write_text("# Python 3.11\n")
        contents = {"contract": {}, "infrastructure": {}, "example": {}}
        bundle = Bundle(revision=str(name), run=run, artifacts={"build_model": digest}, **contents)
        write_bundle(self.place.workspace.state, bundle)
        self.registry.move(name, State.TRAINED, because="it went well", actor="rung")
        return name

    def lose(self) -> None:
        """Lose all but the registry."""
        for part in ("artifacts", "runs", "revisions"):
            shutil.rmtree(self.place.workspace.state / part, ignore_errors=True)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    """Makes machines that share one storage; each has a registry of its own."""
    made: list[Machine] = []

    def make(name: str) -> Machine:
        (tmp_path / name).mkdir()
        (tmp_path / name / "rung.toml").touch()
        place = Place(workspace=Workspace(root=tmp_path / name, state=tmp_path / name / ".rung"))
        registry = open_registry(place.workspace.state)
        storage = Storage(place, registry, FolderObjects(tmp_path / "objects"))
        made.append(Machine(place=place, registry=registry, storage=storage))
        return made[-1]

    yield make
    for machine in made:
        machine.registry.close()


@pytest.fixture
def machine(machines: Callable[[str], Machine]) -> Machine:
    return machines("one")


def is_brought(machine: Machine, name: RevisionName) -> bool:
    try:
        machine.storage.bring(name)
    except UnavailableError:
        return False
    return True


def test_lost_revision_is_brought_back(machine: Machine):
    name = machine.train(1.0, "slope = 1\n")
    run = machine.registry.revision(name).run
    until(lambda: machine.storage.keep(name, run))
    bundle = read_bundle(machine.place.workspace.state, str(name))
    machine.lose()
    again = Storage(machine.place, machine.registry, machine.storage.objects)
    again.look()
    until((machine.place.revision(name) / "bundle.json").is_file)
    assert not machine.place.source(name).exists()
    until(lambda: is_brought(machine, name))
    assert read_bundle(machine.place.workspace.state, str(name)) == bundle
    assert (machine.place.source(name) / "experiments" / "tiny" / "app.py").read_text() == "slope = 1\n"
    assert all(machine.store.get(digest) for digest in bundle.artifacts.values())
    assert (machine.place.workspace.runs / run / "run.json").is_file()


def test_artifacts_of_others_come_along(machine: Machine):
    first = machine.train(1.0)
    second = machine.train(2.0, 'model = Depends(Artifact("tiny.v1.m0.build_model"))\n')
    for name in (first, second):
        until(lambda name=name: machine.storage.keep(name, machine.registry.revision(name).run))
    machine.lose()
    until(lambda: is_brought(machine, second))
    bundles = [read_bundle(machine.place.workspace.state, str(name)) for name in (first, second)]
    assert all(machine.store.has(bundle.artifacts["build_model"]) for bundle in bundles)
    assert not machine.place.source(first).exists()


def test_revisions_from_before_the_storage_are_kept(machine: Machine):
    name = machine.train(1.0)
    objects = machine.storage.objects
    assert objects is not None
    until(lambda: machine.storage.look() is None and objects.size(f"revisions/{name}/bundle.json") is not None)
    assert objects.size(f"revisions/{name}/source.tar")


def test_another_registry_is_refused(machines: Callable[[str], Machine]):
    one, other = machines("one"), machines("other")
    mine, theirs = one.train(1.0), other.train(2.0)
    assert mine == theirs
    until(lambda: one.storage.keep(mine, one.registry.revision(mine).run))
    with pytest.raises(ConflictError, match=r"has another tiny\.v1\.m0: two registries would share one storage"):
        until(lambda: other.storage.keep(theirs, other.registry.revision(theirs).run))


def test_damaged_artifact_is_not_brought(machine: Machine):
    name = machine.train(1.0)
    until(lambda: machine.storage.keep(name, machine.registry.revision(name).run))
    digest = read_bundle(machine.place.workspace.state, str(name)).artifacts["build_model"].removeprefix("sha256:")
    objects = machine.storage.objects
    assert objects is not None
    objects.replace(f"artifacts/{digest[:2]}/{digest[2:]}", b"something else")
    machine.lose()
    with pytest.raises(IntegrityError, match="is not what was written"):
        until(lambda: is_brought(machine, name))


def test_nothing_is_asked_of_what_is_here(machine: Machine):
    name = machine.train(1.0)
    shutil.rmtree(machine.place.workspace.root.parent / "objects", ignore_errors=True)
    machine.storage.bring(name)
    assert not (machine.place.workspace.root.parent / "objects").exists()
