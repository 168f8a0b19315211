"""What is deployed stays in the environment that it was trained in, whichever Rung runs the control plane."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from tests.support.views import view_of
from waiting import until

from rung.compute.environments import Environments, Lock, own_wheel
from rung.control.deployment.builds import Builds
from rung.control.deployment.deployments import Deployments
from rung.control.deployment.features import Features
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.place import Place
from rung.control.servers import Servers
from rung.errors import UnavailableError
from rung.lifecycle import State
from rung.registry import open_registry
from rung.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from rung.schema import RevisionName

LOCK = Lock(text="# Python 3.11\n")
UNBUILDABLE = Lock(text=f"{LOCK.text}gone @ file:///nowhere/gone-1.0-py3-none-any.whl --hash=sha256:{'0' * 64}\n")


def deployments_of(place: Place, wheel: Path) -> Deployments:
    (place.workspace.root / "rung.toml").touch()
    registry = open_registry(place.workspace.state)
    return Deployments(
        place=place,
        registry=registry,
        servers=Servers(place=place, registry=registry),
        builds=Builds(place, registry, Environments(place.environments, wheel=wheel)),
        storage=Storage(place, registry, None),
        trust=Trust.of(place),
        features=Features(place),
        keep_candidates=timedelta(days=30),
    )


def revision_with(deployments: Deployments, lock: Lock) -> RevisionName:
    name = deployments.registry.create_revision("housing", 1, actor="anna", commit="abc", dirty=False)
    deployments.place.revision(name).mkdir(parents=True)
    (deployments.place.revision(name) / "requirements.lock").write_text(lock.text)
    return name


def refusal(deployments: Deployments, name: RevisionName) -> str:
    """Say why there is no environment; nothing when there is one."""
    try:
        deployments.environment(name)
    except UnavailableError as error:
        return error.message
    return ""


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
    name = revision_with(before, LOCK)
    made = before.builds.environments.ensure(LOCK)
    before.registry.set_environment(name, made.key)

    assert after.builds.environments.key(LOCK) != made.key
    assert after.environment(name) == made

    shutil.rmtree(made.folder)
    with pytest.raises(UnavailableError, match="is being built"):
        after.environment(name)
    after.job(name, "environment").stop()


def test_failed_rebuild_is_told_and_waits(tmp_path: Path, wheels: tuple[Path, Path]):
    deployments = deployments_of(Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung")), wheels[0])
    name = revision_with(deployments, UNBUILDABLE)
    job = deployments.job(name, "environment")

    until(lambda: "is being built" not in refusal(deployments, name))
    assert re.search(r"cannot be made: .*gone-1\.0.*; it is tried again in \d s", refusal(deployments, name))

    deployments.registry.move(name, State.TRAINED, because="its training succeeded", actor="rung")
    deployments.registry.move(name, State.DEPLOYING, because="serving was deployed", actor="anna")
    shown = view_of(deployments.place, deployments.registry).revision(deployments.registry.revision(name))
    assert "its environment cannot be made" in shown["troubles"][0]

    ended = job.log.stat().st_size
    assert all("cannot be made" in refusal(deployments, name) for _ in range(20))
    assert (job.state(), job.log.stat().st_size) == ("absent", ended)
    told = [event.because for event in deployments.registry.events() if event.kind == "environment"]
    assert [one.partition(":")[0] for one in told] == [
        "its environment is being built",
        "its environment cannot be made",
    ]


def test_rebuilt_environment_is_told(tmp_path: Path, wheels: tuple[Path, Path]):
    deployments = deployments_of(Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung")), wheels[0])
    name = revision_with(deployments, LOCK)
    assert "is being built" in refusal(deployments, name)
    until(lambda: not refusal(deployments, name))
    assert deployments.registry.latest("environment")[str(name)].because == "its environment is ready"
    assert deployments.registry.latest("environment", "other") == {}


def test_candidate_that_nobody_promotes_goes(tmp_path: Path, wheels: tuple[Path, Path]):
    place = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    deployments = deployments_of(place, wheels[0])
    benchmark, name = (revision_with(deployments, LOCK) for _ in range(2))
    for state in (State.TRAINED, State.DEPLOYING, State.CANDIDATE):
        for one in (benchmark, name):
            deployments.registry.move(one, state, because="a test", actor="anna")
    deployments.expire()
    assert deployments.registry.revision(name).state is State.CANDIDATE
    deployments.keep_candidates = timedelta(microseconds=1)
    deployments.expire()
    gone = deployments.registry.revision(name)
    assert (gone.state, gone.reason) == (State.TORN_DOWN, "nobody promoted it for 0 s")
    assert deployments.registry.revision(benchmark).state is State.CANDIDATE
    deployments.registry.move(name, State.CANDIDATE, because="revived", actor="anna")
    deployments.keep_candidates = timedelta(0)
    deployments.expire()
    assert deployments.registry.revision(name).state is State.CANDIDATE
