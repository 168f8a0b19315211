"""What is deployed stays in the environment that it was trained in, whichever Rung runs the control plane."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from rung.compute.environments import Environments, Lock, own_wheel
from rung.control._deploy import Deployments
from rung.control.place import Place
from rung.control.servers import Servers
from rung.errors import NotFoundError
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

LOCK = Lock(text="# Python 3.11\n")


def deployments_of(place: Place, wheel: Path) -> Deployments:
    registry = open_registry(place.workspace.state)
    return Deployments(
        place=place,
        registry=registry,
        servers=Servers(place=place, registry=registry),
        environments=Environments(place.environments, wheel=wheel),
    )


@pytest.fixture
def wheels(tmp_path: Path) -> tuple[Path, Path]:
    """The running Rung, and another that differs in its code."""
    first = own_wheel(tmp_path / "wheels")
    other = tmp_path / "wheels" / "other" / first.name
    other.parent.mkdir()
    shutil.copyfile(first, other)
    return first, other


def test_upgrade_keeps_the_environment(tmp_path: Path, wheels: tuple[Path, Path]):
    place = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    before, after = (deployments_of(place, wheel) for wheel in wheels)
    name = before.registry.create_revision("housing", 1, actor="anna", commit="abc", dirty=False)
    place.revision(name).mkdir(parents=True)
    (place.revision(name) / "requirements.lock").write_text(LOCK.text)
    made = before.environments.ensure(LOCK)
    before.registry.set_environment(name, made.key)

    assert after.environments.key(LOCK) != made.key
    assert after.environment(name) == made

    shutil.rmtree(made.folder)
    with pytest.raises(NotFoundError, match="is being built"):
        after.environment(name)
    after.job(name, "environment").stop()
