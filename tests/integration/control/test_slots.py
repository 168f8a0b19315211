"""Trainings that wait for a slot: in a fair order, on record, and shown; over a real registry and the API."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from platform_api import grant, platform_api

from rung.control.deployment.slots import BEGAN, WAITS, Slots
from rung.lifecycle import State
from rung.registry import open_registry
from rung.schema import RevisionName
from rung.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from platform_api import Api

SETTINGS = """
[training]
slots = 2

[teams.pricing]
services = ["housing", "parcels"]
slots = 1
"""


class Trainings:
    """Revisions that train, as far as they were allowed to begin."""

    def __init__(self, root: Path, settings: str = "") -> None:
        (root / "rung.toml").write_text(settings)
        workspace = Workspace(root=root, state=root / ".rung")
        self.registry = open_registry(workspace.state)
        self.begun: set[RevisionName] = set()
        self.settings = workspace.settings

    @property
    def slots(self) -> Slots:
        """The slots as a control plane sees them that has just begun to lead."""
        return Slots(registry=self.registry, settings=self.settings, has_begun=self.begun.__contains__)

    def ask(self, service: str) -> RevisionName:
        """Deploy the training of a revision."""
        return self.registry.create_revision(service, 1, actor="ada", commit=None, dirty=False)

    def tick(self) -> list[str]:
        """Let every one that waits ask once, as the loop does; name those that begin."""
        began, slots = [], self.slots
        for one in self.registry.revisions():
            if one.state is State.TRAINING and one.name not in self.begun and slots.may_begin(one):
                self.begun.add(one.name)
                began.append(str(one.name))
        return began

    def end(self, name: RevisionName) -> None:
        """End a training."""
        self.registry.move(name, State.TRAINED, because="for a test", actor="rung")

    def told(self) -> list[tuple[str, str, str]]:
        """Give what the log says of slots."""
        events = self.registry.events()
        return [(one.kind, one.subject, one.because) for one in events if one.kind in {WAITS, BEGAN}]


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    made = Trainings(tmp_path, SETTINGS)
    with closing(made.registry):
        yield made


def test_without_settings_every_training_begins(tmp_path: Path):
    trainings = Trainings(tmp_path)
    with closing(trainings.registry):
        asked = [str(trainings.ask("housing")) for _ in range(5)]
        assert trainings.tick() == asked
        assert trainings.told() == []


def test_teams_and_the_platform_have_so_many_slots(trainings: Trainings):
    first, *_ = [trainings.ask("housing"), trainings.ask("parcels"), trainings.ask("sentiment"), trainings.ask("other")]
    assert trainings.tick() == ["housing.v1.m0", "other.v1.m0"]
    assert trainings.tick() == []
    trainings.end(first)
    assert trainings.tick() in (["parcels.v1.m0"], ["sentiment.v1.m0"])


def test_who_waits_is_on_record_with_reason_and_duration(trainings: Trainings):
    first, second = trainings.ask("housing"), trainings.ask("housing")
    trainings.tick()
    trainings.tick()
    trainings.end(first)
    trainings.tick()
    told = trainings.told()
    assert told[:2] == [
        (BEGAN, str(first), "its training began"),
        (WAITS, str(second), "its training waits at place 1 of the queue: the team pricing has its 1 slots"),
    ]
    assert told[2][:2] == (BEGAN, str(second))
    assert told[2][2].startswith("its training began, 0 s after")


def test_one_that_asks_first_in_a_tick_does_not_overtake(trainings: Trainings):
    """`housing` asks ahead of `other` at each tick, and its team has just had its turn."""
    running = [trainings.ask("parcels"), trainings.ask("sentiment")]
    trainings.tick()
    waiting = trainings.ask("other")
    trainings.tick()
    late = trainings.ask("housing")
    trainings.tick()
    trainings.end(running[0])
    assert trainings.tick() == [str(waiting)]
    assert str(late) in trainings.slots.waiting()


def test_the_queue_is_told_to_those_who_may_see_it(tmp_path: Path):
    with platform_api(tmp_path / "shop", SETTINGS) as api:
        _told_by_roles(api)


def _told_by_roles(api: Api) -> None:
    asked = [str(api.platform.registry.create_revision(one, 1, actor="ada", commit=None, dirty=False))
             for one in ("housing", "other", "parcels")]  # fmt: skip
    for one in api.platform.registry.revisions():
        if api.platform.deployments.trainings.slots.may_begin(one):
            _start(api, str(one.name))
    found = api.ask("GET", "/training/queue").json()
    assert (found["slots"], found["taken"]) == (2, 2)
    assert [one["revision"] for one in found["running"]] == asked[:2]
    [waits] = found["waiting"]
    assert (waits["revision"], waits["place"], waits["team"]) == (asked[2], 1, "pricing")
    assert waits["because"] == "all 2 training slots are taken"
    assert found["teams"][1] == {"team": "pricing", "slots": 1, "burst": False, "taken": 1, "waiting": 1}
    status = api.ask("GET", "/status", params={"service": "parcels"}).json()
    [revision] = status["services"][0]["majors"][0]["revisions"]
    assert revision["next"] == "wait: place 1 of the queue (`rung queue`), as all 2 training slots are taken"
    narrow = api.ask("GET", "/training/queue", api.token("bea", grant("viewer", "housing"))).json()
    assert [one["revision"] for one in (*narrow["running"], *narrow["waiting"])] == [asked[0]]


def _start(api: Api, name: str) -> None:
    """Put on record that the process of a training was started."""
    folder = api.platform.deployments.job(RevisionName.parse(name), "training").folder
    folder.mkdir(parents=True)
    process = '{"pid": 1, "started": 0.0, "boot": "", "keeper": null}'
    (folder / "job.json").write_text(f'{{"process": {process}}}')
