"""A deployment says which Debian packages the machine lacks: asked of the machine's own dpkg, kept as events."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from tests.support.views import view_of

from rung.compute.packages import installed_packages
from rung.control.deployment import packages
from rung.control.place import Place
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Registry
    from rung.schema import RevisionName

pytestmark = pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="the system has no dpkg")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "rung.toml").touch()
    return Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))


@pytest.fixture
def registry(place: Place) -> Iterator[Registry]:
    with open_registry(place.workspace.state) as opened:
        yield opened


@pytest.fixture
def name(registry: Registry) -> RevisionName:
    return registry.create_revision("shop", 1, actor="ada", commit="c", dirty=False)


def declare(place: Place, name: RevisionName, text: str) -> None:
    path = place.source(name) / "experiments" / "shop" / "infrastructure" / "packages.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def told(registry: Registry) -> list[str]:
    return [event.because for event in registry.events() if event.kind == packages.PACKAGES]


def troubles(place: Place, registry: Registry, name: RevisionName) -> list[str]:
    """Give what `rung status` says of a revision that trains."""
    return view_of(place, registry).revision(registry.revision(name))["troubles"]


def test_a_machine_that_cannot_be_asked_is_told_and_is_no_trouble():
    because, lacks = packages.judge(("libgomp1=1",), None)
    assert (because, lacks) == ("whether this machine has libgomp1=1 cannot be known: it has no dpkg", None)


def test_nothing_is_told_of_none(place: Place, registry: Registry, name: RevisionName):
    declare(place, name, "# none\n")
    packages.look(place, registry, name)
    assert told(registry) == []


def test_what_is_here_is_not_told(place: Place, registry: Registry, name: RevisionName):
    here = installed_packages()
    assert here is not None
    declare(place, name, f"dpkg={here['dpkg']}\n")
    packages.look(place, registry, name)
    assert told(registry) == []


def test_what_is_lacking_is_told_once_and_that_it_is_there(place: Place, registry: Registry, name: RevisionName):
    declare(place, name, "no-such-package-here=1.0\n")
    packages.look(place, registry, name)
    packages.look(place, registry, name)
    assert troubles(place, registry, name) == told(registry)
    declare(place, name, "dpkg\n")
    packages.look(place, registry, name)
    assert troubles(place, registry, name) == []
    assert told(registry) == [
        "this machine lacks no-such-package-here=1.0, which packages.txt asks for: apt-get install them",
        "this machine has the Debian packages that it needs",
    ]
