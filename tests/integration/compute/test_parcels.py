"""What travels through the storage to a machine that does not see the platform's folder, and back."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rung.artifacts import LocalStore
from rung.compute import parcels
from rung.compute._lock import RUNNING_PYTHON
from rung.errors import EnvironmentBuildError, IntegrityError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shop

SOURCE = "revisions/a.v1.m0/source.tar"


def test_node_has_all_that_the_work_needs(shop: Shop, tmp_path: Path):
    parcel, state = shop.parcel, shop.state
    for _ in range(2):  # the second work finds it there
        places = parcels.bring(parcel, tmp_path)
    assert (tmp_path / "revisions/a.v1.m0/source/rung.toml").is_file()
    assert LocalStore(tmp_path / "artifacts").get(parcel.artifacts[0]) == b"a model"
    python = parcels.moved(f"{parcel.environment}/bin/python", places)
    assert python.startswith(f"{tmp_path}/environments/")
    asked = subprocess.check_output([python, "-c", "import rung; print(rung.__file__)"], text=True, cwd="/")
    assert asked.startswith(str(tmp_path))
    assert parcels.moved(f"{state}/lake/log", places) == f"{tmp_path}/lake/log"


def test_other_bytes_than_were_meant_are_refused(shop: Shop, tmp_path: Path):
    parcel, objects, state = shop.parcel, shop.objects, shop.state
    objects.replace(SOURCE, b"somebody else's")
    try:
        with pytest.raises(IntegrityError, match=SOURCE.replace(".", "[.]")):
            parcels.bring(parcel, tmp_path)
    finally:
        objects.upload(SOURCE, state / SOURCE)
    assert not (tmp_path / "revisions/a.v1.m0/source").exists()
    parcels.bring(parcel, tmp_path)


def test_what_the_storage_does_not_have_is_named(shop: Shop, tmp_path: Path):
    parcel = shop.parcel
    other = replace(parcel, files={**parcel.files, "revisions/b.v1.m0/bundle.json": parcel.files[parcel.lock]})
    with pytest.raises(UnavailableError, match="has no revisions/b"):
        parcels.bring(other, tmp_path)
    with pytest.raises(IntegrityError, match="is missing"):
        parcels.bring(replace(parcel, artifacts=(f"sha256:{'0' * 64}",)), tmp_path)


def test_environment_that_cannot_be_made_says_why(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    parcel, objects = shop.parcel, shop.objects
    monkeypatch.setenv("UV_OFFLINE", "1")
    text = f"# Python {RUNNING_PYTHON}\nno-such-package==1 --hash=sha256:{'0' * 64}\n"
    objects.replace("other.lock", text.encode())
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    with pytest.raises(EnvironmentBuildError, match="no-such-package"):
        parcels.bring(replace(parcel, lock="other.lock", files={**parcel.files, "other.lock": digest}), tmp_path)


def test_what_a_command_left_comes_back(shop: Shop, tmp_path: Path):
    parcel, objects = shop.parcel, shop.objects
    node, state = tmp_path / "node", tmp_path / "state"
    store = LocalStore(node / "artifacts")
    (node / "runs/r1").mkdir(parents=True)
    store.link(store.put(b"trained"), node / "runs/r1/build_model.artifact")
    (node / "runs/r1/run.json").write_text("{}")
    (node / "log").write_text("it went well\n")

    digest = parcels.give_back(parcel, node, more={"jobs/training/log": node / "log"})
    allowed = (*parcel.returns, "jobs/training/log")
    for _ in range(2):  # whoever was killed meanwhile does it again
        parcels.take_back(objects, state, digest, allowed=allowed)

    kept = LocalStore(state / "artifacts")
    trained = state / "runs/r1/build_model.artifact"
    assert trained.samefile(kept.path(store.put(b"trained")))
    assert (state / "runs/r1/run.json").read_text() == "{}"
    log = state / "jobs/training/log"
    with log.open("a") as again:
        again.write("and again\n")
    assert all(kept.is_whole(one) for one in kept.digests())
    assert not (state / "revisions").exists()


def test_only_steps_that_are_new_come_back(shop: Shop, tmp_path: Path):
    here, node, state = tmp_path / "here", tmp_path / "node", tmp_path / "state"
    for folder, name in ((here, "shared"), (node, "earlier")):
        (folder / "cache/tasks").mkdir(parents=True)
        (folder / f"cache/tasks/{name}.json").write_text("[]")
    shared = parcels.keep_steps(shop.objects, here, [here / "cache/tasks/shared.json"])
    parcel = replace(shop.parcel, steps="cache/tasks", returns=("runs/r1", "cache/tasks"))

    steps = parcels.Steps(parcel, node)
    steps.bring(shared)
    made = LocalStore(node / "artifacts").put(b"made there")
    (node / "cache/tasks/new.json").write_text(f'[{{"digest": "{made}"}}]')
    told = steps.keep()
    assert sorted(told) == ["new.json", "shared.json"]
    assert sorted(path.name for path in (node / "cache/tasks").iterdir()) == ["earlier.json", "new.json", "shared.json"]

    digest = parcels.give_back(parcel, node, more={f"cache/tasks/{path.name}": path for path in steps.own})
    parcels.take_back(shop.objects, state, digest, allowed=parcel.returns)
    assert [path.name for path in (state / "cache/tasks").iterdir()] == ["new.json"]


def test_what_was_changed_in_the_storage_does_not_come_back(shop: Shop, tmp_path: Path):
    node = tmp_path / "node"
    (node / "runs/r1").mkdir(parents=True)
    (node / "runs/r1/run.json").write_text('{"accuracy": 0.1}')
    digest = parcels.give_back(shop.parcel, node, more={})
    changed = LocalStore(node / "artifacts").put(b'{"accuracy": 0.1}')
    key = f"artifacts/{changed[7:9]}/{changed[9:]}"
    shop.objects.replace(key, b'{"accuracy": 0.9}')
    with pytest.raises(IntegrityError, match="is not what was written"):
        parcels.take_back(shop.objects, tmp_path / "state", digest, allowed=shop.parcel.returns)
    assert not (tmp_path / "state" / "runs").exists()


@pytest.mark.parametrize("name", ["keys/trusted/mine.pem", "runs/r1/../../keys/mine.pem", "/etc/passwd", "runs/r12/x"])
def test_nothing_comes_back_that_was_not_asked_for(shop: Shop, tmp_path: Path, name: str):
    parcel, objects = shop.parcel, shop.objects
    node = tmp_path / "node"
    node.mkdir()
    (node / "file").write_text("mine")
    digest = parcels.give_back(parcel, node, more={name: node / "file"})
    with pytest.raises(IntegrityError, match="not asked for"):
        parcels.take_back(objects, tmp_path / "state", digest, allowed=parcel.returns)
    assert not (tmp_path / "state" / "runs").exists()
