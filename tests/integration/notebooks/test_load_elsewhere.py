"""`rung.load` on a machine that has no more than the workspace's settings and the keys that it trusts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
import tiny_service
from waiting import until

import rung
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.place import Place
from rung.errors import IntegrityError, NotFoundError
from rung.lifecycle import State
from rung.objects import open_objects, pack
from rung.registry import open_registry
from rung.serving import Bundle, read_bundle, write_bundle
from rung.training import list_runs
from rung.workspace import find

if TYPE_CHECKING:
    from pathlib import Path

    from rung.schema import RevisionName

NAME = "tiny.v1.m0"


@pytest.fixture
def trained(tmp_path: Path, new_registry: Path, storage: str) -> Path:
    """A workspace that trained and signed a revision, which the storage has."""
    root = tmp_path / "one"
    tiny_service.write(root)
    (root / "rung.toml").write_text(f'storage = "{storage}"\n')
    (root / ".rung").mkdir()
    (root / ".rung" / "registry.db").write_bytes(new_registry.read_bytes())
    command = [sys.executable, "-m", "rung.cli", "train", tiny_service.NAME]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    place = Place(workspace=find(root))
    record = next(iter(list_runs(place.workspace.runs)))
    with open_registry(place.workspace.state) as registry:
        name = registry.create_revision("tiny", 1, actor="ada", commit="abc", dirty=False)
        tiny_service.write(place.source(name))
        (place.source(name) / "rung.toml").touch()
        (place.revision(name) / "requirements.lock").write_text("# Python 3.11\n")
        contents = {"contract": {}, "infrastructure": {}, "example": {}}
        write_bundle(
            place.workspace.state, Bundle(revision=NAME, run=record.id, artifacts=record.artifacts, **contents)
        )
        trust = Trust.of(place)
        trust.begin(registry)
        trust.sign(registry.revision(name), asdict(record))
        registry.move(name, State.TRAINED, because="it went well", actor="rung")
        _keep(Storage(place, registry, open_objects(storage)), name, record.id)
    return root


def _keep(kept: Storage, name: RevisionName, run: str) -> None:
    until(lambda: kept.keep(name, run))


@pytest.fixture
def empty(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with the same settings and trusted keys, and nothing else; commands run in it."""
    root = tmp_path / "two"
    (root / ".rung" / "keys").mkdir(parents=True)
    shutil.copyfile(trained / "rung.toml", root / "rung.toml")
    shutil.copytree(trained / ".rung" / "keys" / "trusted", root / ".rung" / "keys" / "trusted")
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "experiments"]:
        monkeypatch.delitem(sys.modules, name)
    return root


def change(root: Path, storage: str, part: str) -> None:
    """Put something else in place of a file of the revision into the storage."""
    objects = open_objects(storage)
    bundle = read_bundle(root / ".rung", NAME)
    if part == "bundle":
        other = bundle.model_copy(update={"unit_header": "x-other"})
        objects.replace(f"revisions/{NAME}/bundle.json", other.model_dump_json().encode())
    elif part == "source":
        source = root / "changed"
        shutil.copytree(root / ".rung" / "revisions" / NAME / "source", source)
        (source / "experiments" / "tiny" / "serve" / "app.py").write_text("raise SystemExit('it was run')\n")
        pack(source, root / "source.tar")
        objects.upload(f"revisions/{NAME}/source.tar", root / "source.tar")
    else:
        digest = bundle.artifacts["build_model"].removeprefix("sha256:")
        objects.replace(f"artifacts/{digest[:2]}/{digest[2:]}", b"something else")


def test_revision_and_run_come_from_the_storage(trained: Path, empty: Path):
    bundle = read_bundle(trained / ".rung", NAME)

    revision = rung.load(NAME)
    run = rung.load(bundle.run)

    assert revision.artifacts == tuple(sorted(bundle.artifacts)) == run.artifacts
    assert revision.predict([{"x": 3}])[0].y == revision.artifact("build_model")["slope"] * 3
    assert run.artifact("build_model") == revision.artifact("build_model")
    assert (empty / ".rung" / "revisions" / NAME / "source" / "experiments" / "tiny").is_dir()


def test_what_is_here_is_asked_of_nobody(empty: Path, monkeypatch: pytest.MonkeyPatch):
    rung.load(NAME)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    assert rung.load(NAME).predict([{"x": 0}])[0].y == 0
    assert empty.is_dir()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("bundle", "the bundle of .* is not what was signed"),
        ("source", "the source of .* is not what was signed"),
        ("artifact", "is not what was written"),
    ],
)
def test_other_bytes_are_refused(part: str, told: str, *, trained: Path, empty: Path, storage: str):
    change(trained, storage, part)

    with pytest.raises(IntegrityError, match=told):
        rung.load(NAME)
    assert empty.is_dir()


def test_what_nobody_signed_is_refused_where_all_must_be(empty: Path):
    shutil.rmtree(empty / ".rung" / "keys" / "trusted")
    assert rung.load(NAME).predict([{"x": 0}])[0].y == 0

    with (empty / "rung.toml").open("a") as settings:
        settings.write("require_signatures = true\n")
    with pytest.raises(IntegrityError, match="is not signed by a key that is trusted here"):
        rung.load(NAME)


@pytest.mark.parametrize("name", ["tiny.v1.m7", "tiny-20200101-000000-0000000"])
def test_what_the_storage_has_not_leaves_nothing(name: str, empty: Path):
    with pytest.raises(NotFoundError):
        rung.load(name)

    assert list((empty / ".rung").rglob("tiny*")) == []
