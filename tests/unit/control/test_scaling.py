from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rung.control import scaling
from rung.control.scaling import Scaling
from rung.errors import GatewayError
from rung.gateway import Traffic
from rung.infrastructure import Autoscaling, ServingHardware
from rung.lifecycle import State
from rung.schema import RevisionName

NAME = RevisionName.parse("housing.v1.m2")
OTHER = RevisionName.parse("reviews.v1.m1")
SPEC = Autoscaling(minimum=1, maximum=4, target_concurrency=2, scale_down_after_s=2)
LIGHT = Autoscaling(minimum=0, maximum=2, cold_start_s=5, scale_down_after_s=1, idle_after_s=2)


class World:
    """A registry, servers and gateways of which only numbers are known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.traffic_now: dict[str, Traffic] | None = {}
        self.begun: dict[RevisionName, list[str]] = {}
        self.promoted: list[RevisionName] = []
        self.events: list[dict[str, Any]] = []
        self.cpu_s = 0.0
        monkeypatch.setattr(scaling.time, "monotonic", lambda: self.now)

    def traffic(self) -> dict[str, Traffic]:
        if self.traffic_now is None:
            raise GatewayError("it does not answer")
        return self.traffic_now

    def replicas(self, name: RevisionName) -> list[str]:
        return self.begun.get(name, [])

    def is_local(self, kind: str | None) -> bool:
        return kind != "ray"

    def usage(self, process: str) -> SimpleNamespace:
        del process
        return SimpleNamespace(cpu_s=self.cpu_s)

    def promotions(self, *, active_only: bool) -> list[SimpleNamespace]:
        assert active_only
        return [SimpleNamespace(revision=name) for name in self.promoted]

    def record_event(self, kind: str, subject: str, **event: Any) -> None:
        self.events.append({"kind": kind, "subject": subject, **event})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def made(world: World, vcpus: int = 8) -> Scaling:
    return Scaling(registry=world, servers=world, gateways=world, local_vcpus=vcpus)  # type: ignore[arg-type]


def served(state: State = State.INCUMBENT, **hardware: Any) -> dict[RevisionName, Any]:
    return {NAME: (SimpleNamespace(name=NAME, state=state), ServingHardware(**hardware))}


def goes_on(world: World, found: Scaling, of: dict[RevisionName, Any], *, seconds: float, in_flight: int) -> None:
    """Look twice a second, with so many requests in flight."""
    for _ in range(int(seconds * 2)):
        world.now += 0.5
        before = (world.traffic_now or {}).get(str(NAME), Traffic()).requests
        world.traffic_now = {str(NAME): Traffic(in_flight=in_flight, requests=before + in_flight, ready=1)}
        found.look(of)


def test_load_raises_the_number_and_tells_why(world: World):
    found, of = made(world), served(autoscaling=SPEC)
    goes_on(world, found, of, seconds=5, in_flight=8)
    assert found.replicas(NAME) == 4
    [event] = world.events
    assert (event["kind"], event["subject"], event["replicas"]) == ("scaled", str(NAME), 4)
    assert event["because"] == "raised from 1 to 4: 8 requests in flight over 3 s, 2 per replica aimed at"


def test_machine_holds_what_it_has_processors_for(world: World):
    found = made(world, vcpus=4)
    of = served(autoscaling=SPEC, vcpus=1)
    beside = SimpleNamespace(name=OTHER, state=State.INCUMBENT)
    of[OTHER] = (beside, ServingHardware(vcpus=2))
    goes_on(world, found, of, seconds=5, in_flight=8)
    assert found.replicas(NAME) == 2
    assert world.events[-1]["because"].endswith("this machine has room for 2 (local_vcpus = 4)")


def test_cluster_knows_by_itself_what_fits(world: World):
    found = made(world, vcpus=1)
    goes_on(world, found, served(autoscaling=SPEC, compute="ray"), seconds=5, in_flight=8)
    assert found.replicas(NAME) == 4


def test_earlier_servers_are_taken_up(world: World):
    world.begun[NAME] = ["housing.v1.m2", "housing.v1.m2~2", "housing.v1.m2~3"]
    found, of = made(world), served(autoscaling=SPEC)
    found.look(of)
    assert found.replicas(NAME) == 3


def test_nothing_changes_while_gateways_are_silent(world: World):
    found, of = made(world), served(autoscaling=SPEC)
    goes_on(world, found, of, seconds=5, in_flight=8)
    world.traffic_now = None
    for _ in range(60):
        world.now += 0.5
        found.look(of)
    assert found.replicas(NAME) == 4


@pytest.mark.parametrize("state", [State.RETIRED, State.TESTING, State.EXPERIMENTING])
def test_only_who_may_sleep_does(world: World, state: State):
    found = made(world)
    goes_on(world, found, served(state, autoscaling=LIGHT), seconds=10, in_flight=0)
    assert found.replicas(NAME) == 1


def test_it_sleeps_and_wakes_and_not_while_it_is_promoted(world: World):
    found, of = made(world), served(State.CANDIDATE, autoscaling=LIGHT)
    goes_on(world, found, of, seconds=10, in_flight=0)
    assert found.replicas(NAME) == 0
    goes_on(world, found, of, seconds=1, in_flight=1)
    assert found.replicas(NAME) == 1
    world.promoted = [NAME]
    goes_on(world, found, of, seconds=10, in_flight=0)
    assert found.replicas(NAME) == 1


def test_processors_in_use_are_counted_in_replicas(world: World):
    spec = Autoscaling(maximum=4, target_concurrency=None, target_cpu=0.5)
    found, of = made(world), served(autoscaling=spec, vcpus=2)
    world.begun[NAME] = [str(NAME)]
    for _ in range(60):
        world.cpu_s += 2.0  # in half a second: four processors, which are two replicas
        goes_on(world, found, of, seconds=0.5, in_flight=1)
    assert found.replicas(NAME) == 4


def test_revision_without_servers_is_forgotten(world: World):
    found, of = made(world), served(autoscaling=SPEC)
    goes_on(world, found, of, seconds=5, in_flight=8)
    found.look({})
    assert found.replicas(NAME) == 1
