"""The world, the control plane, operators, and what must be so: as a machine whose steps Hypothesis chooses.

`tests/property/test_lifecycle_model.py` runs it; what it found is beside it, step by step.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lifecycle_invariants as invariants
import pytest
import simulated_platform as simulated
import structlog
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from lifecycle_invariants import Held
from simulated_platform import ControlPlane, DiedError, World

from rung.access import Actor, Grant, Kind, Role
from rung.control.servers import COLLECTOR, GATEWAY
from rung.errors import ConflictError, RungError
from rung.gateway import assigned
from rung.lifecycle import MOVES, State, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rung.gateway import Routing
    from rung.registry import Event
    from rung.schema import RevisionName

MEMORY = Path("/dev/shm")  # a disk that forgets makes a registry's writes fast  # noqa: S108
UNITS = tuple(f"unit-{number}" for number in range(12))
MOST_REVISIONS = 6
STAGES = ("nothing_more", "an_incumbent", "a_test", "a_winner")
APPROVER = Actor(name="otto", kind=Kind.TOKEN, grants=(Grant(role=Role.APPROVER),))
VERBS = (
    "promote",
    "tear_down",
    "revive",
    "rollback",
    "pause",
    "resume",
    "abort",
    "shadow",
    "unshadow",
    "approve",
    "reject",
)

indexes = st.integers(0, 5)
kinds = st.sampled_from([VerdictKind.PASS] * 6 + list(VerdictKind))
writes = st.integers(1, 4)
deeds = st.tuples(st.sampled_from(VERBS), indexes)


@pytest.fixture(scope="module", autouse=True)
def empty_registry() -> Iterator[None]:
    """Make one empty registry for all examples: to make one takes longer than an example."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)  # nothing listens, but there are folders for sockets
        Lifecycle.template = simulated.empty_registry(Path(folder))
        yield


class Lifecycle(RuleBasedStateMachine):
    """The world, one control plane that leads, and what is known of both."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.world: World = simulated.begin_world(Path(self.folder.name) / "w", self.template)
        self.clock = self.world.clock.installed()
        self.clock.__enter__()
        self.control = ControlPlane.begin(self.world)
        self.world.applied.append(self.hold_that_routing_is_explained)
        self.legitimate: list[Routing] = []
        self.log: Sequence[Event] = ()
        self.arms: dict[tuple[str, str], str] = {}
        self.killed: set[str] = set()
        self.back = timedelta(0)

    # --- what the world does ---

    @initialize(
        design=st.sampled_from(list(simulated.DESIGNS)),
        stage=st.integers(0, len(STAGES) - 1),
        policy=st.sampled_from(["manual", "manual", "manual", "approve", "auto"]),
    )
    def begin(self, design: str, stage: int, policy: str = "manual") -> None:
        """Begin with a benchmark and two candidates, the newest of this design, and go as far as the stage."""
        simulated.settle(self.world, policy)
        with self.watched():
            for each in ("plain", "plain", design):
                simulated.deploy(self.control, each)
            self.control.tick()
            self.control.tick()
        for step in STAGES[: stage + 1]:
            getattr(self, step)()

    def nothing_more(self) -> None:
        """Stay with candidates."""

    def an_incumbent(self) -> None:
        self.goes_through_the_gates(which=1)

    def a_test(self) -> None:
        self.goes_through_the_gates(which=0)

    def a_winner(self) -> None:
        self.evidence_comes(told="better", which=0)
        self.time_passes(minutes=2)
        self.ticks(3)

    @rule(which=indexes)
    def goes_through_the_gates(self, which: int) -> None:
        """Promote a revision that passes all gates, and whose shadow answers."""
        self.operate(("promote", which))
        self.shadow_answers(answers=(50, 0), which=which)
        for _ in range(4):
            self.ticks(2)
            self.gates_end([VerdictKind.PASS], 0)
        self.ticks(1)
        self.operate(("approve", which))
        self.time_passes(minutes=1)
        self.ticks(2)

    @rule(design=st.sampled_from(list(simulated.DESIGNS)))
    @precondition(lambda self: len(self.control.registry.revisions()) < MOST_REVISIONS)
    def deploy(self, design: str) -> None:
        with self.watched(), suppress(RungError):
            simulated.deploy(self.control, design)

    @rule(times=st.integers(1, 3))
    def ticks(self, times: int) -> None:
        with self.watched():
            for _ in range(times):
                self.world.clock.pass_time(timedelta(seconds=2))
                self.control.tick()

    @rule(minutes=st.sampled_from([0.2, 1, 1, 2, 2, 16, 21, 40]))
    def time_passes(self, minutes: float) -> None:
        self.world.clock.pass_time(timedelta(minutes=minutes))

    @rule(minutes=st.sampled_from([-120, -10, -0.5, 0.5, 10, 120]))
    def clock_jumps(self, minutes: float) -> None:
        self.world.clock.jump(timedelta(minutes=minutes))
        self.back += timedelta(minutes=max(-minutes, 0))

    @rule(kinds=st.lists(kinds, min_size=1, max_size=5), which=indexes)
    def gates_end(self, kinds: list[VerdictKind], which: int) -> None:
        """Let the jobs of gates end one after the other, as many as there are kinds."""
        for kind in kinds:
            running = [job for job, found in self.world.jobs.items() if found is None]
            if running:
                job = running[which % len(running)]
                self.world.jobs[job] = simulated.passing(job[1], kind=kind)
                self.ticks(2)

    @rule(told=st.sampled_from(["better", "worse", "equal", "unhealthy", "away"]), which=indexes)
    def evidence_comes(self, told: str, which: int) -> None:
        running = self.control.registry.experiments()
        if running:
            self.world.evidence[running[-1 - which % len(running)].id] = told
            self.world.evidence_marks += 1

    @rule(answers=st.sampled_from([(50, 0), (50, 0), (5, 0), (50, 20)]), which=indexes)
    def shadow_answers(self, answers: tuple[int, int], which: int) -> None:
        self.world.mirrored[str(self.one(which))] = answers

    @rule(which=indexes, how=st.sampled_from(["dies", "hangs", "recovers"]))
    def server(self, which: int, how: str) -> None:
        name = str(self.one(which))
        if name in self.world.processes:
            self.killed.add(name)
            self.world.processes[name] = how == "recovers"
            if how == "dies":
                del self.world.processes[name]

    @rule(is_willing=st.booleans())
    def gateway_refuses(self, is_willing: bool) -> None:
        self.world.is_gateway_willing = is_willing

    @rule()
    def gateway_dies(self) -> None:
        self.world.processes.pop(GATEWAY, None)

    @rule(is_down=st.booleans())
    def database_goes(self, is_down: bool) -> None:
        self.control.faults.is_down = is_down

    @rule(do_fail=st.booleans())
    def gates_cannot_start(self, do_fail: bool) -> None:
        self.world.gates_fail_to_start = do_fail

    # --- what happens to control planes ---

    @rule(write=writes, is_before=st.booleans())
    def control_plane_dies(self, write: int, is_before: bool) -> None:
        """Die at a write of a tick, and begin anew."""
        faults = self.control.faults
        faults.dies_before, faults.dies_after = (write, 0) if is_before else (0, write)
        with self.watched():
            self.world.clock.pass_time(timedelta(seconds=2))
            with suppress(DiedError):
                self.control.tick()
        self.begin_anew()

    @rule(deed=deeds, write=writes, is_before=st.booleans())
    def control_plane_dies_while_asked(self, deed: tuple[str, int], write: int, is_before: bool) -> None:
        faults = self.control.faults
        faults.writes = 0
        faults.dies_before, faults.dies_after = (write, 0) if is_before else (0, write)
        with suppress(DiedError):
            self.operate(deed)
        self.begin_anew()

    @rule(deed=deeds, write=writes, minutes=st.sampled_from([0, 1, 16]))
    def operator_acts_in_the_middle(self, deed: tuple[str, int], write: int, minutes: float) -> None:
        """Have an operator's thread act just before a write of the loop, which goes on with what it had read."""
        self.time_passes(minutes=minutes)
        faults = self.control.faults
        faults.interrupted_before = write
        faults.interruption = lambda: self.operate(deed)
        self.ticks(1)
        faults.interruption = None

    @rule(first=deeds, second=deeds)
    def two_operators_act_at_once(self, first: tuple[str, int], second: tuple[str, int]) -> None:
        faults = self.control.faults
        faults.writes, faults.interrupted_before = 0, 1
        faults.interruption = lambda: self.operate(second)
        self.operate(first)
        faults.interruption = None

    @rule(write=writes, deed=deeds)
    def another_control_plane_takes_over(self, write: int, deed: tuple[str, int]) -> None:
        """Freeze at a write of a tick; another one leads, looks and is asked; then the frozen one goes on."""
        frozen = self.control

        def take_over() -> None:
            frozen.faults.is_replaced = True
            self.control = ControlPlane.begin(self.world)
            self.control.tick()
            self.operate(deed)
            self.control.tick()

        frozen.faults.interrupted_before, frozen.faults.interruption = write, take_over
        with self.watched():
            frozen.tick()
        frozen.faults.interruption = None
        if self.control is not frozen:
            frozen.end()

    # --- what operators do ---

    @rule(deed=deeds)
    def operator_acts(self, deed: tuple[str, int]) -> None:
        self.operate(deed)

    @rule(first=indexes, second=indexes)
    def two_operators_promote_at_once(self, first: int, second: int) -> None:
        """Let the second begin, as a whole, before the first one's write."""
        told: list[bool] = []

        def promote(which: int) -> None:
            try:
                self.control.operators.promote(self.one(which), actor="otto", ignore_plan=True)
                told.append(True)
            except RungError:
                told.append(False)

        faults = self.control.faults
        faults.writes, faults.interrupted_before, faults.interruption = 0, 1, lambda: promote(second)
        with self.watched():
            promote(first)
        faults.interruption = None
        running = [one for one in self.control.registry.promotions(active_only=True) if not one.joint]
        assert sum(told) <= 1 or not running or len(running) <= 1

    @rule(which=indexes, to=st.sampled_from(State))
    def illegal_move_changes_nothing(self, which: int, to: State) -> None:
        registry = self.control.registry
        revision = registry.revision(self.one(which))
        if to not in MOVES[revision.state]:
            before = Held.by(registry)
            with suppress(RungError) if self.control.faults.is_down else pytest.raises(ConflictError):
                registry.move(revision.name, to, because="somebody tries", actor="otto")
            assert Held.by(registry) == before

    def operate(self, deed: tuple[str, int]) -> None:
        """Do what an operator asks for; to be refused is fine, and everything else than a refusal is a fault."""
        self.legitimate.append(self.control.wanted())
        with self.watched(), suppress(RungError):
            self.deeds()[deed[0]](self.one(deed[1]))
        self.legitimate.append(self.control.wanted())

    def deeds(self) -> dict[str, Callable[[RevisionName], Any]]:
        platform, actor, because = self.control.operators, simulated.OPERATOR, "it is time"
        major = simulated.SERVICE, simulated.MAJOR
        until = self.world.clock.now() + timedelta(minutes=5)
        return {
            "promote": lambda name: platform.promote(name, actor=actor, ignore_plan=True),
            "tear_down": lambda name: platform.tear_down(name, because=because, actor=actor),
            "revive": lambda name: platform.revive(name, actor=actor),
            "rollback": lambda _: self.roll_back(),
            "pause": lambda _: platform.pause(*major, because=because, actor=actor),
            "resume": lambda _: platform.resume(*major, actor=actor),
            "abort": lambda _: platform.abort(*major, because=because, actor=actor),
            "approve": lambda name: platform.approve(name, approves=True, because=because, actor=APPROVER),
            "reject": lambda name: platform.approve(name, approves=False, because=because, actor=APPROVER),
            "shadow": lambda name: platform.begin_shadow(name, 0.2, until=until, actor=actor),
            "unshadow": lambda name: platform.begin_shadow(name, 0.0, until=None, actor=actor),
        }

    def roll_back(self) -> None:
        """A rollback brings back whoever was the incumbent before, whatever the clock did meanwhile."""
        platform = self.control.operators
        held, now = Held.by(self.control.registry), self.world.clock.now()
        warm = {str(one.name) for one in held.revisions if one.state is State.RETIRED and one.warm_until > now}
        name = platform.registry.rollback_target(simulated.SERVICE, simulated.MAJOR)
        retired = [name for name, state in held.moves if state is State.RETIRED and name in warm]
        assert str(name) == retired[-1]
        platform.rollback(simulated.SERVICE, simulated.MAJOR, because="it is time", actor=simulated.OPERATOR)

    # --- what must be so ---

    @invariant()
    def all_holds(self) -> None:
        self.registry_and_routing_are_as_they_must_be()
        self.whoever_is_routed_to_has_a_server()

    def registry_and_routing_are_as_they_must_be(self) -> None:
        held = Held.by(self.control.registry)
        invariants.check(held, self.control.wanted())
        invariants.only_grew(self.log, held.events)
        self.log = held.events

    def whoever_is_routed_to_has_a_server(self) -> None:
        """The incumbent stays until the winner answers: no server is stopped while the gateway routes to it."""
        for production in self.world.routing.productions:
            for name in production.answering:
                assert name in self.world.processes or name in self.killed, f"{name} was stopped under traffic"

    def hold_that_routing_is_explained(self, routing: Routing) -> None:
        """Every transition is in the log before it has an effect; and the same unit stays in the same arm."""
        assert routing in [*self.legitimate, self.control.wanted()]
        for production in routing.productions:
            split = production.split
            if split is not None and not split.bandit and split.weights[0]:
                for unit in UNITS:
                    arm = assigned(production, unit)
                    assert arm is not None
                    assert self.arms.get((split.experiment, unit)) in (None, "incumbent", arm.name), (unit, production)
                    self.arms[split.experiment, unit] = arm.name

    def teardown(self) -> None:
        """Everything comes to an end, whatever still hangs; and in a world that is well again nothing is left over."""
        try:
            self.everything_ends()
        finally:
            simulated.ended_quietly(self.control)
            self.clock.__exit__(None, None, None)
            self.folder.cleanup()

    def everything_ends(self) -> None:
        self.control.faults.is_down = False
        simulated.settle(self.world, "manual")
        registry, step = self.control.registry, timedelta(minutes=5)
        for _ in range((timedelta(hours=1, minutes=30) + self.back) // step):
            self.world.clock.pass_time(step)
            self.ticks(2)
        assert not registry.promotions(active_only=True), "an attempt goes on for ever"
        waiting = {State.TRAINING, State.DEPLOYING, *invariants.PROMOTED}
        assert not [one for one in registry.revisions() if one.state in waiting]
        self.world.is_gateway_willing = True
        for name in self.world.processes:
            self.world.processes[name] = True
        self.world.clock.pass_time(timedelta(days=2) + self.back)
        self.ticks(4)
        with self.watched():
            self.world.end_stopping()
            served = {backend.revision for backend in self.control.wanted().backends}
            assert self.world.routing == self.control.wanted(), "the gateway was not told"
            assert self.world.processes.keys() == served | {COLLECTOR, GATEWAY}, "a server is left over, or missing"
            invariants.check(Held.by(registry), self.world.routing)

    # --- how ---

    def one(self, which: int) -> RevisionName:
        """Choose a revision, mostly one of the newest."""
        revisions = self.control.registry.revisions()
        return revisions[-1 - which % len(revisions)].name

    def begin_anew(self) -> None:
        """Throw away all that was in memory."""
        self.world.end_stopping()
        self.control.end()
        self.control = ControlPlane.begin(self.world)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Fail when the control plane meets an error that is none of its own."""
        self.legitimate = [*self.legitimate[-20:], self.control.wanted()]
        with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as told:
            yield
        unexpected = [entry for entry in told if "exception" in entry]
        assert not unexpected, unexpected[0]["exception"]
