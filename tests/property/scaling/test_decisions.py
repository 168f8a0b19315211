"""What holds for every specification and every load: bounds, monotony, rest, and holding what is not known."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rung.infrastructure import Autoscaling
from rung.scaling import TRAFFICS, Load, Memory, Replica, Sample, Traffic, decide, simulate

AMOUNTS = st.floats(0, 1_000)


@st.composite
def specifications(draw: st.DrawFn) -> Autoscaling:
    minimum = draw(st.integers(0, 4))
    return Autoscaling(
        minimum=minimum,
        maximum=max(minimum, 1) + draw(st.integers(0, 20)),
        target_concurrency=draw(st.floats(0.5, 64)),
        target_cpu=draw(st.none() | st.floats(0.1, 1)),
        scale_down_after_s=draw(st.sampled_from([1, 30, 300])),
        cold_start_s=10 if minimum == 0 else None,
    )


@st.composite
def loads(draw: st.DrawFn) -> Load:
    """Draw samples up to second 30, with gaps."""
    times = sorted(draw(st.sets(st.integers(0, 60), max_size=61)))
    spread = draw(st.lists(AMOUNTS, min_size=61, max_size=61))
    return Load(
        samples=tuple(
            Sample(at=at / 2, in_flight=spread[at], arrived=spread[-at], ready=at % 5, cpu=spread[at] / 50 or None)
            for at in times
        )
    )


memories = st.builds(
    Memory,
    replicas=st.integers(0, 30),
    sudden_at=st.none() | st.floats(-60, 30),
    rise_at=st.none() | st.floats(-60, 30),
    rise_from=st.integers(0, 30),
    fell_at=st.none() | st.floats(-600, 30),
    regrets=st.integers(0, 4),
    busy_at=st.none() | st.floats(-2_000, 30),
)


@given(spec=specifications(), seen=loads(), memory=memories, now=st.floats(25, 60))
def test_bounds_are_always_kept(spec: Autoscaling, seen: Load, memory: Memory, now: float):
    decision = decide(spec, seen, memory, now)
    assert spec.minimum <= decision.replicas <= spec.maximum
    assert decision.memory.replicas == decision.replicas
    assert decision.because


@given(spec=specifications(), seen=loads(), memory=memories, factor=st.floats(1, 10))
def test_more_load_never_means_fewer(spec: Autoscaling, seen: Load, memory: Memory, factor: float):
    more = Load(
        samples=tuple(
            replace(one, in_flight=one.in_flight * factor, cpu=None if one.cpu is None else one.cpu * factor)
            for one in seen.samples
        )
    )
    assert decide(spec, more, memory, 30).replicas >= decide(spec, seen, memory, 30).replicas


@given(spec=specifications(), seen=loads(), memory=memories, late_s=st.floats(5.1, 1_000))
def test_nothing_moves_without_fresh_measurements(spec: Autoscaling, seen: Load, memory: Memory, late_s: float):
    assume(spec.minimum <= memory.replicas <= spec.maximum)
    assert decide(spec, seen, memory, 30 + late_s).replicas == memory.replicas


@given(spec=specifications(), in_flight=st.floats(0, 500), start=st.integers(0, 24))
@settings(max_examples=20, deadline=None)
def test_constant_load_comes_to_rest(spec: Autoscaling, in_flight: float, start: int):
    memory, seen, now = Memory(replicas=start), Load(), 0.0
    found = []
    for _ in range(1_300):
        now += 2
        ready = memory.replicas
        cpu = min(in_flight / 50, ready)
        seen = seen.plus(Sample(at=now, in_flight=in_flight, arrived=in_flight, ready=ready, cpu=cpu))
        decision = decide(spec, seen, memory, now)
        memory = decision.memory
        found.append(decision.replicas)
    assert len(set(found[1_000:])) == 1


@given(
    target=st.integers(2, 16),
    needed=st.floats(0.3, 6),
    service_time_s=st.sampled_from([0.02, 0.1, 0.5]),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=8, deadline=None)
def test_noisy_constant_load_does_not_flap(target: int, needed: float, service_time_s: float, seed: int):
    spec = Autoscaling(minimum=1, maximum=12, target_concurrency=target)
    rate = min(target * needed / service_time_s, 300)
    traffic = TRAFFICS["steady"](rate, 600)
    found = simulate(spec, traffic, Replica(service_time_s=service_time_s, at_once=2 * target), seed=seed)
    assert sum(change.at > 300 for change in found.changes) <= 2


@given(target=st.integers(4, 16), service_time_s=st.sampled_from([0.1, 0.5]), seed=st.integers(0, 1_000))
@settings(max_examples=8, deadline=None)
def test_four_answer_within_ten_seconds_of_a_step(target: int, service_time_s: float, seed: int):
    spec = Autoscaling(minimum=1, maximum=4, target_concurrency=target)
    low, high = (share * target / service_time_s for share in (0.8, 3.6))
    traffic = Traffic(name="step", rates=(low,) * 40 + (high,) * 12)
    replica = Replica(service_time_s=service_time_s, at_once=2 * target, start_s=4, max_waiting=10_000)
    found = simulate(spec, traffic, replica, seed=seed)
    assert found.points[39].replicas == 1
    assert (found.points[49].ready, found.refused) == (4, 0)
