"""A promotion that waits for people, in a simulated world: anybody says anything, time passes, control planes die.

The control plane is the real one: registry, loop, promotions and use cases. Whatever happens, nothing gets traffic
without enough other people's approval in time, and nothing waits for ever.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import simulated_platform as simulated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_platform import ControlPlane, DiedError, World

from rung.access import Actor, Grant, Kind, Role, identities
from rung.errors import RungError
from rung.lifecycle import Gate, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rung.registry import Promotion
    from rung.schema import RevisionName

DEADLINE = timedelta(hours=8)
POLICY = f"""
[services.{simulated.SERVICE}]
promotion = "approve"
approvals = 2
approval_deadline_s = {DEADLINE.total_seconds():.0f}
"""
BEFORE = (Gate.REGRESSION, Gate.DATA, Gate.REPLAY, Gate.LOAD)
TRAFFIC = {State.SHADOWING, State.EXPERIMENTING, State.INCUMBENT}
PROMOTER = "token:carl"

actors = st.builds(
    Actor,
    name=st.sampled_from(["bob", simulated.OPERATOR, "eve", "carl", "Bob@example.org"]),
    kind=st.sampled_from([Kind.TOKEN, Kind.LOGIN, Kind.LOCAL]),
    grants=st.sampled_from([Role.APPROVER, Role.ADMIN, Role.ENGINEER]).map(lambda role: (Grant(role=role),)),
)
opinions = st.tuples(st.just("say"), actors, st.sampled_from([True] * 9 + [False]))
steps = st.one_of(
    *[opinions] * 4,
    st.tuples(st.just("look"), st.just(None), st.just(0)),
    st.tuples(st.just("die"), st.sampled_from(["before", "after"]), st.integers(1, 4)),
    st.tuples(st.just("wait"), st.just(None), st.integers(1, 5)),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated.empty_registry(tmp_path_factory.mktemp("registry"))


class Story:
    """One promotion, under a control plane that may be another one after each step."""

    def __init__(self, world: World, design: str) -> None:
        self.world = world
        (world.folder / "rung.toml").write_text(POLICY)
        self.control = ControlPlane.begin(world)
        simulated.deploy(self.control, "plain")
        self.name: RevisionName = simulated.deploy(self.control, design)
        self.control.tick()
        self.control.tick()
        self.control.platform.promote(self.name, actor=PROMOTER)
        for gate in BEFORE:
            self.world.jobs[self.promotion.id, gate] = simulated.passing(gate)
        for _ in range(20):
            self.control.tick()
        assert self.state is State.AWAITING_APPROVAL

    @property
    def state(self) -> State:
        return self.control.registry.revision(self.name).state

    @property
    def promotion(self) -> Promotion:
        return self.control.registry.promotions()[0]

    def say(self, actor: Actor, approves: bool) -> None:
        with suppress(RungError):
            self.control.platform.approve(self.name, approves=approves, because="it is so", actor=actor)

    def look(self, *_: object) -> None:
        self.control.tick()

    def die(self, when: str, number: int) -> None:
        """Die around a write of the next look, and be there again."""
        setattr(self.control.faults, f"dies_{when}", number)
        with suppress(DiedError):
            self.control.tick()
        simulated.ended_quietly(self.control)
        self.control = ControlPlane.begin(self.world)

    def wait(self, _: object, hours: int) -> None:
        self.world.clock.pass_time(timedelta(hours=hours))

    def hold(self) -> None:
        """Check that traffic has been approved, by two people whom it is not theirs."""
        if self.state not in TRAFFIC:
            return
        begun = next(event.time for event in self.control.registry.events() if event.kind == State.AWAITING_APPROVAL)
        theirs = identities(PROMOTER) | identities(simulated.OPERATOR)
        given = self.control.registry.approvals(self.promotion)
        assert all(one.approves for one in given if one.time <= begun + DEADLINE)
        people: set[frozenset[str]] = set()
        for one in given:
            assert one.role in {"approver", "admin"}
            assert not identities(one.actor) & theirs
            if not any(identities(one.actor) & known for known in people):
                people.add(identities(one.actor))
        assert len(people) >= 2


def play(world: World, design: str, played: list[tuple[str, object, object]]) -> Iterator[Story]:
    story = Story(world, design)
    try:
        for step, one, other in played:
            getattr(story, step)(one, other)
            story.hold()
            yield story
        world.clock.pass_time(DEADLINE + timedelta(seconds=1))
        story.look()
        story.look()
        story.hold()
        assert story.state in TRAFFIC | {State.TORN_DOWN}
    finally:
        simulated.ended_quietly(story.control)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(design=st.sampled_from(list(simulated.DESIGNS)), played=st.lists(steps, min_size=2, max_size=10))
def test_nothing_unapproved_and_nothing_for_ever(
    template: Path, tmp_path_factory: pytest.TempPathFactory, design: str, played: list[tuple[str, object, object]]
):
    world = simulated.begin_world(tmp_path_factory.mktemp("world") / "w", template)
    with world.clock.installed():
        for _ in play(world, design, played):
            pass


def test_two_others_let_it_on(template: Path, tmp_path: Path):
    bob, eve = (Actor(name=name, kind=Kind.TOKEN, grants=(Grant(role=Role.APPROVER),)) for name in ("bob", "eve"))
    world = simulated.begin_world(tmp_path / "w", template)
    with world.clock.installed():
        said = [("say", bob, True), ("die", "before", 1), ("say", eve, True), ("look", None, 0)]
        states = [story.state for story in play(world, "plain", said)]
    assert states == [*[State.AWAITING_APPROVAL] * 3, State.INCUMBENT]


def test_policy_holds_until_the_end(template: Path, tmp_path: Path):
    world = simulated.begin_world(tmp_path / "w", template)
    with world.clock.installed():
        story = Story(world, "plain")
        (world.folder / "rung.toml").write_text("")
        story.die("after", 1)
        story.look()
        assert story.state is State.AWAITING_APPROVAL
        simulated.ended_quietly(story.control)
