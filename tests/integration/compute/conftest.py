"""A platform's folder and its storage, as far as work on another machine needs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rung.artifacts import LocalStore, WriteThroughStore
from rung.compute._lock import RUNNING_PYTHON
from rung.compute.environments import Environments, Lock
from rung.compute.protocol import Parcel
from rung.objects import FolderObjects, pack

if TYPE_CHECKING:
    from pathlib import Path

_REVISION = "revisions/a.v1.m0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A folder with one environment, and the parcel of a training."""

    parcel: Parcel
    objects: FolderObjects
    state: Path
    source: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    state = tmp_path_factory.mktemp("shop") / ".rung"
    objects = FolderObjects(tmp_path_factory.mktemp("objects"))
    source = state / _REVISION / "source"
    source.mkdir(parents=True)
    (source / "rung.toml").write_text("")
    lock = f"{_REVISION}/requirements.lock"
    (state / lock).write_text(f"# Python {RUNNING_PYTHON}\n")
    pack(source, state / f"{_REVISION}/source.tar")
    environments = Environments(state / "environments")
    environment = environments.ensure(Lock(text=(state / lock).read_text()))
    wheel = environments.wheel_of(environment)
    assert wheel is not None
    keys = (lock, f"{_REVISION}/source.tar", str(wheel.relative_to(state)))
    for key in keys:
        objects.upload(key, state / key)
    digest = WriteThroughStore(LocalStore(state / "artifacts"), objects).put(b"a model")
    parcel = Parcel(
        storage=objects.url,
        state=str(state),
        sockets=str(state.parent / "sockets"),
        environment=str(environment.folder),
        lock=lock,
        wheel=keys[-1],
        files={key: f"sha256:{hashlib.sha256((state / key).read_bytes()).hexdigest()}" for key in keys},
        artifacts=(digest,),
        returns=("runs/r1", f"{_REVISION}/bundle.json"),
    )
    return Shop(parcel=parcel, objects=objects, state=state, source=source)
