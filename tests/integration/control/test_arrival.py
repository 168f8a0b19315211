"""A server whose node is still being brought what it needs has not failed to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rung.compute.environments import Environments
from rung.compute.protocol import Seen
from rung.control.deployment import deployments as module
from rung.control.deployment.builds import Builds
from rung.control.deployment.deployments import Deployments
from rung.control.deployment.features import Features
from rung.control.deployment.storage import Storage
from rung.control.deployment.trust import Trust
from rung.control.machines import Machines
from rung.control.place import Place
from rung.control.servers import Servers
from rung.lifecycle import State
from rung.registry import open_registry
from rung.serving import Bundle, write_bundle
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rung.compute.protocol import Handle
    from rung.schema import RevisionName

BRINGING = Seen(state="starting", node="10.0.0.3", because="on 10.0.0.3: it is brought what it needs")
WAITING = Seen(state="starting", because="it begins when a machine has 2 vCPUs free")


@dataclass(slots=True)
class Cluster:
    """A cluster of which it is said what is seen."""

    seen: Seen = field(default=BRINGING)

    def observe(self, handles: Sequence[Handle]) -> list[Seen]:
        return [self.seen for _ in handles]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def deployments(tmp_path: Path, cluster: Cluster) -> Iterator[Deployments]:
    (tmp_path / "rung.toml").touch()
    place = Place(workspace=Workspace(root=tmp_path, state=tmp_path / ".rung"))
    registry = open_registry(place.workspace.state)
    yield Deployments(
        place=place,
        registry=registry,
        servers=Servers(place=place, registry=registry, machines=Machines(default="ray", cluster=cluster)),  # type: ignore[arg-type]
        builds=Builds(place, registry, Environments(place.environments)),
        storage=Storage(place, registry, None),
        trust=Trust.of(place),
        features=Features(place),
        keep_candidates=timedelta(0),
    )
    registry.close()


@pytest.fixture
def name(deployments: Deployments) -> RevisionName:
    """A revision whose server has begun somewhere."""
    registry, state = deployments.registry, deployments.place.workspace.state
    name = registry.create_revision("tiny", 1, actor="anna", commit="abc", dirty=False)
    write_bundle(state, Bundle(revision=str(name), run="r1", artifacts={}, contract={}, infrastructure={}, example={}))
    registry.move(name, State.TRAINED, because="its training succeeded", actor="rung")
    registry.move(name, State.DEPLOYING, because="serving was deployed", actor="anna")
    registry.keep_process(str(name), {"actor": "a-1"})
    return name


def look(deployments: Deployments, name: RevisionName) -> State:
    deployments.servers.alive()
    deployments.advance(deployments.registry.revision(name))
    return deployments.registry.revision(name).state


def test_it_is_waited_for(
    deployments: Deployments, name: RevisionName, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_READY_WITHIN", timedelta(0))
    assert look(deployments, name) is State.DEPLOYING
    cluster.seen = WAITING
    assert look(deployments, name) is State.FAILED
    failed = deployments.registry.events(service=name.service)[-1]
    assert "it begins when a machine has 2 vCPUs free" in failed.because


def test_it_is_not_waited_for_without_end(
    deployments: Deployments, name: RevisionName, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "_READY_WITHIN", timedelta(0))
    monkeypatch.setattr(module, "_BROUGHT_WITHIN", timedelta(0))
    assert look(deployments, name) is State.FAILED
