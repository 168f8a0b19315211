"""What the model found, step by step: each of these went wrong once."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import simulated_platform as simulated
from lifecycle_invariants import Held
from lifecycle_machine import Lifecycle, empty_registry

from rung.errors import ConflictError
from rung.lifecycle import SplitKind, State, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rung.registry import Experiment

__all__ = ["empty_registry"]

MAJOR = simulated.SERVICE, simulated.MAJOR


@contextmanager
def lifecycle(design: str) -> Iterator[Lifecycle]:
    """An incumbent m1, and m2 of this design in its A/B test; afterwards everything holds and comes to its end."""
    machine = Lifecycle()
    try:
        machine.begin(design=design, stage=2)
        yield machine
        machine.all_holds()
    finally:
        machine.teardown()


def experiment(machine: Lifecycle) -> Experiment:
    return machine.control.platform.promotions.experiments.running(*MAJOR)


def challengers(machine: Lifecycle) -> float:
    shares = experiment(machine).shares
    return sum(share for name, share in shares.items() if name != str(experiment(machine).incumbent))


@pytest.mark.parametrize("design", ["bandit", "ramp"])
def test_pause_beats_the_loop(design: str) -> None:
    with lifecycle(design) as machine:
        machine.operator_acts_in_the_middle(deed=("pause", 0), minutes=2, write=1)
        machine.operator_acts_in_the_middle(deed=("pause", 0), minutes=2, write=2)
        assert experiment(machine).splits[-1].kind is SplitKind.PAUSE
        assert challengers(machine) == 0


def second_arm(machine: Lifecycle) -> None:
    machine.deploy(design="bandit")
    machine.ticks(times=2)
    machine.goes_through_the_gates(which=0)
    assert len(experiment(machine).shares) == 3


def test_joining_arm_keeps_a_pause() -> None:
    with lifecycle("bandit") as machine:
        machine.operate(("pause", 0))
        second_arm(machine)
        machine.ticks(times=3)
        assert challengers(machine) == 0
        machine.operate(("resume", 0))
        assert len([share for share in experiment(machine).shares.values() if share > 0]) == 3


def test_leaving_arm_keeps_a_pause() -> None:
    with lifecycle("bandit") as machine:
        second_arm(machine)
        machine.operate(("pause", 0))
        machine.operate(("tear_down", 0))
        machine.time_passes(minutes=2)
        machine.ticks(times=3)
        assert challengers(machine) == 0
        machine.operate(("resume", 0))
        assert sum(experiment(machine).shares.values()) == pytest.approx(1)
        assert set(experiment(machine).shares) == {"tiny.v1.m1", "tiny.v1.m2"}


def test_arm_that_joins_too_late_ends() -> None:
    with lifecycle("bandit") as machine:
        registry = machine.control.registry
        machine.deploy(design="bandit")
        machine.ticks(times=2)
        machine.operate(("promote", 0))
        for _ in range(3):
            machine.ticks(times=2)
            machine.gates_end([VerdictKind.PASS], 0)
        machine.ticks(times=2)
        for job, found in machine.world.jobs.items():
            machine.world.jobs[job] = found or simulated.passing(job[1])
        machine.evidence_comes(told="better", which=0)
        machine.time_passes(minutes=2)
        machine.ticks(times=1)  # the bandit is decided, and then m3 joins it
        assert Held.by(registry).states["tiny.v1.m3"] is State.EXPERIMENTING
        machine.ticks(times=3)
        assert not registry.promotions(active_only=True)


def test_rollback_survives_a_clock_that_was_set_back() -> None:
    with lifecycle("plain") as machine:
        machine.a_winner()
        machine.clock_jumps(minutes=-120)
        machine.deploy(design="plain")
        machine.ticks(times=2)
        machine.a_test()
        assert experiment(machine).challenger.minor == 3
        machine.a_winner()
        assert Held.by(machine.control.registry).states["tiny.v1.m3"] is State.INCUMBENT
        machine.operate(("rollback", 0))
        states = Held.by(machine.control.registry).states
        assert states["tiny.v1.m2"] is State.INCUMBENT


def test_ended_attempt_moves_nothing() -> None:
    with lifecycle("plain") as machine:
        registry = machine.control.registry
        (stale,) = registry.promotions(active_only=True)
        for deed in ("tear_down", "revive"):
            machine.operate((deed, 0))
        machine.operate(("promote", 0))
        before = Held.by(registry)
        with pytest.raises(ConflictError, match="has ended"):
            registry.begin_experiment(
                stale, registry.revision(stale.revision).name, design={}, shares={str(stale.revision): 0.5}
            )
        with pytest.raises(ConflictError, match="has ended"):
            registry.begin_gate(stale, stale.verdicts[0].gate, because="it was next")
        assert Held.by(registry) == before


@pytest.mark.parametrize("order", [("tear_down", "promote"), ("promote", "tear_down")])
def test_teardown_and_promotion_at_once_leave_no_attempt_behind(order: tuple[str, str]) -> None:
    with lifecycle("plain") as machine:
        machine.operate(("abort", 0))
        machine.operate(("revive", 0))
        machine.two_operators_act_at_once(first=(order[0], 0), second=(order[1], 0))


def test_expiry_and_promotion_at_once_leave_no_attempt_behind() -> None:
    with lifecycle("plain") as machine:
        machine.operate(("abort", 0))
        machine.operate(("revive", 0))
        machine.time_passes(minutes=40 * 24 * 60)
        machine.operator_acts_in_the_middle(deed=("promote", 0), minutes=0, write=2)


def test_time_that_passes_ends_a_pause_with_the_test() -> None:
    with lifecycle("plain") as machine:
        machine.operate(("pause", 0))
        machine.world.clock.pass_time(simulated.TEST_DEADLINE + timedelta(minutes=1))
        machine.ticks(times=2)
        assert not machine.control.registry.promotions(active_only=True)


def test_attempt_whose_papers_are_lost_ends() -> None:
    machine = Lifecycle()
    machine.begin(design="plain", stage=1)
    with closed(machine):
        machine.operate(("promote", 0))
        machine.ticks(times=1)
        machine.world.place.revision(machine.one(0)).joinpath("bundle.json").write_text("{")
        for _ in range(2):
            machine.time_passes(minutes=21)
            machine.ticks(times=2)
        assert not machine.control.registry.promotions(active_only=True)
        assert "is not a bundle" in machine.control.registry.revision(machine.one(0)).reason


def test_lost_papers_of_a_candidate_leave_the_routes_of_others() -> None:
    machine = Lifecycle()
    machine.begin(design="plain", stage=1)
    with closed(machine):
        machine.world.place.revision(machine.one(0)).joinpath("bundle.json").write_text("{")
        machine.operate(("tear_down", 2))
        machine.ticks(times=2)
        assert [backend.revision for backend in machine.world.routing.backends] == ["tiny.v1.m1"]


@contextmanager
def closed(machine: Lifecycle) -> Iterator[None]:
    """Let go of a machine whose world is not well at the end."""
    try:
        yield
    finally:
        simulated.ended_quietly(machine.control)
        machine.clock.__exit__(None, None, None)
        machine.folder.cleanup()
