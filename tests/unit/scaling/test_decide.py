from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rung import scaling
from rung.infrastructure import Autoscaling
from rung.scaling import Decision, Load, Memory, Sample, decide

SPEC = Autoscaling(minimum=1, maximum=10, target_concurrency=8)
ZERO = Autoscaling(minimum=0, maximum=10, target_concurrency=8, cold_start_s=10, idle_after_s=120)
CPU = Autoscaling(minimum=1, maximum=10, target_concurrency=None, target_cpu=0.5)


def load(in_flight: float, *, seconds: float = 40, end: float = 100, **more: Any) -> Load:
    """Make samples every half second up to the end."""
    kept = {"arrived": in_flight, "ready": 1, **more}
    times = [end - step / 2 for step in range(int(seconds * 2))]
    return Load(samples=tuple(Sample(at=at, in_flight=in_flight, **kept) for at in reversed(times)))


def course(spec: Autoscaling, memory: Memory, parts: list[tuple[float, float]]) -> list[Decision]:
    """Decide every half second while (seconds, requests in flight) follow each other."""
    now, seen, found = 0.0, Load(), []
    for seconds, in_flight in parts:
        for _ in range(int(seconds * 2)):
            now += 0.5
            sample = Sample(at=now, in_flight=in_flight, arrived=in_flight, ready=memory.replicas)
            seen = seen.plus(sample)
            found.append(decide(spec, seen, memory, now))
            memory = found[-1].memory
    return found


def replicas(found: list[Decision]) -> list[int]:
    """Leave out what follows its like."""
    numbers = [one.replicas for one in found]
    return [one for number, one in enumerate(numbers) if number == 0 or numbers[number - 1] != one]


def test_load_is_divided_by_the_target():
    assert decide(SPEC, load(30), Memory(replicas=2), 100).replicas == 4


def test_reason_has_what_was_measured_and_aimed_at():
    because = decide(SPEC, load(20), Memory(replicas=2), 100).because
    assert because == "raised from 2 to 3: 20 requests in flight over 30 s, 8 per replica aimed at"


@pytest.mark.parametrize(("in_flight", "expected"), [(17.5, 2), (17.7, 3)])
def test_a_tenth_above_the_target_changes_nothing(in_flight: float, expected: int):
    assert decide(SPEC, load(in_flight), Memory(replicas=2), 100).replicas == expected


@pytest.mark.parametrize(("in_flight", "expected"), [(7.3, 2), (7.1, 1)])
def test_a_tenth_below_the_target_changes_nothing(in_flight: float, expected: int):
    assert course(SPEC, Memory(replicas=2), [(300, in_flight)])[-1].replicas == expected


def test_usual_load_needs_some_time_to_be_known():
    assert replicas(course(SPEC, Memory(replicas=1), [(15, 12)])) == [1]
    assert replicas(course(SPEC, Memory(replicas=1), [(17, 12)])) == [1, 2]


def test_step_is_followed_within_seconds():
    found = course(SPEC, Memory(replicas=1), [(60, 6), (3, 30)])
    assert replicas(found)[-1] == 4


def test_short_burst_below_double_is_ignored():
    assert replicas(course(SPEC, Memory(replicas=1), [(60, 6), (3, 14), (60, 6)])) == [1]


def test_little_load_has_to_be_beyond_chance():
    spec = Autoscaling(minimum=1, maximum=10, target_concurrency=1)
    assert replicas(course(spec, Memory(replicas=1), [(60, 0.5), (2, 3), (60, 0.5)])) == [1]


def test_past_load_does_not_raise():
    quiet = load(1, seconds=3)
    seen = Load(samples=tuple(one for one in load(60).samples if one.at < quiet.samples[0].at) + quiet.samples)
    assert decide(SPEC, seen, Memory(replicas=3), 100).replicas == 3


def test_rise_is_limited_until_time_has_passed():
    found = course(SPEC, Memory(replicas=1), [(14, 1_000)])
    assert replicas(found) == [1, 5]
    assert replicas(course(SPEC, Memory(replicas=1), [(30, 1_000)])) == [1, 5, 10]


def test_rise_waits_for_replicas_that_start():
    memory = Memory(replicas=5, rise_at=0, rise_from=1)
    held = decide(SPEC, load(1_000, ready=1), memory, 100)
    assert (held.replicas, "1 of them answer" in held.because) == (5, True)
    assert decide(SPEC, load(1_000, ready=3), memory, 100).replicas == 10


def test_maximum_is_told():
    decision = decide(SPEC, load(1_000, ready=10), Memory(replicas=10), 100)
    assert (decision.replicas, decision.because.startswith("stays at 10: the maximum; ")) == (10, True)


def test_fall_waits_for_the_cool_down():
    found = course(SPEC, Memory(replicas=2), [(60, 1)])
    assert replicas(found) == [2]
    assert "1 would do for 58 of 60 s" in found[-1].because
    assert replicas(course(SPEC, Memory(replicas=2), [(62, 1)])) == [2, 1]


def test_busiest_moment_of_the_cool_down_counts():
    assert replicas(course(SPEC, Memory(replicas=5), [(31, 1), (30, 26), (30, 1)])) == [5, 4]
    assert replicas(course(SPEC, Memory(replicas=5), [(62, 1)])) == [5, 3]


def test_fall_is_by_half_at_the_most():
    assert replicas(course(SPEC, Memory(replicas=10), [(62, 1)])) == [10, 5]


def test_regretted_fall_doubles_the_cool_down():
    swing = [(62, 1), (10, 20)]
    found = course(SPEC, Memory(replicas=2), [*swing, (100, 1)])
    assert replicas(found) == [2, 1, 3]
    assert "of 120 s" in found[-1].because


def test_late_rise_forgives_a_regret():
    memory = Memory(replicas=1, regrets=2, fell_at=0)
    risen = decide(SPEC, load(30, end=1_000), memory, 1_000)
    assert (risen.replicas, risen.memory.regrets) == (4, 1)


def test_nothing_changes_without_measurements():
    for seen in (Load(), load(100, end=90), load(100, seconds=1)):
        decision = decide(SPEC, seen, Memory(replicas=3), 100)
        assert (decision.replicas, decision.because.startswith("stays at 3: held, ")) == (3, True)


def test_gap_begins_the_cool_down_anew():
    lull = course(SPEC, Memory(replicas=2), [(58, 1)])[-1].memory
    assert lull.lull is not None
    assert decide(SPEC, Load(), lull, 59).memory.lull is None


def test_measurements_of_the_future_are_not_looked_at():
    assert decide(SPEC, load(100, end=200), Memory(replicas=3), 100).replicas == 3


@pytest.mark.parametrize(("before", "after"), [(0, 2), (9, 5)])
def test_changed_bounds_hold_at_once(before: int, after: int):
    spec = Autoscaling(minimum=2, maximum=5)
    assert decide(spec, Load(), Memory(replicas=before), 100).replicas == after


def test_fixed_number_needs_no_measurement():
    decision = decide(Autoscaling(), Load(), Memory(replicas=3), 100)
    assert decision == Decision(
        replicas=1, because="stays at 1: neither fewer nor more are declared", memory=Memory(replicas=1)
    )


def test_processors_alone_can_decide():
    assert decide(CPU, load(0, cpu=1.2), Memory(replicas=1), 100).replicas == 3


def test_target_that_asks_for_more_counts():
    both = Autoscaling(minimum=1, maximum=10, target_concurrency=8, target_cpu=0.5)
    assert decide(both, load(30, cpu=0.1), Memory(replicas=1), 100).replicas == 4
    assert decide(both, load(1, cpu=0.9), Memory(replicas=1), 100).replicas == 2


def test_missing_processors_hold_what_they_would_lower():
    both = Autoscaling(minimum=1, maximum=10, target_concurrency=8, target_cpu=0.5)
    assert course(both, Memory(replicas=3), [(200, 1)])[-1].replicas == 3
    assert decide(both, load(80), Memory(replicas=3), 100).replicas == 7
    assert decide(CPU, load(80), Memory(replicas=3), 100).because.startswith("stays at 3: held")


def test_last_replica_sleeps_when_nobody_asks():
    found = course(ZERO, Memory(replicas=1), [(119, 0)])
    assert replicas(found) == [1]
    asleep = course(ZERO, Memory(replicas=1), [(121, 0)])
    assert replicas(asleep) == [1, 0]
    assert {"lowered from 1 to 0: no request for 120 s"} < {one.because for one in asleep}


def test_requests_between_measurements_keep_it_awake():
    asked = load(0, seconds=2, arrived=1)
    memory = Memory(replicas=1, busy_at=-200)
    assert decide(ZERO, asked, memory, 100).replicas == 1
    assert decide(ZERO, load(0, seconds=2, arrived=0), memory, 100).replicas == 0


def test_gap_keeps_it_awake():
    held = decide(ZERO, Load(), Memory(replicas=1, busy_at=-200), 100)
    assert decide(ZERO, load(0, end=110), held.memory, 110).replicas == 1


def test_request_wakes_at_once():
    asleep = Memory(replicas=0, fell_at=90)
    assert decide(ZERO, load(0, arrived=0), asleep, 100).replicas == 0
    one = Load(samples=(Sample(at=100, in_flight=0, arrived=1, waiting=1, ready=0),))
    woken = decide(ZERO, one, asleep, 100)
    assert (woken.replicas, woken.because) == (1, "raised from 0 to 1: 1 waiting for one that is awake")
    many = Load(samples=(Sample(at=100, in_flight=0, arrived=90, waiting=90, ready=0),))
    assert decide(ZERO, many, asleep, 100).replicas == 4


def test_request_before_the_sleep_wakes_nobody():
    seen = Load(samples=(Sample(at=99, in_flight=0, arrived=1, ready=1),))
    assert decide(ZERO, seen, Memory(replicas=0, fell_at=99), 100).replicas == 0


def test_woken_by_processors_alone_there_is_one():
    spec = ZERO.model_copy(update={"target_concurrency": None, "target_cpu": 0.5})
    many = Load(samples=(Sample(at=100, in_flight=0, arrived=90, waiting=90, ready=0),))
    assert decide(spec, many, Memory(replicas=0), 100).replicas == 1


def test_sudden_load_is_over_after_a_while():
    found = course(SPEC, Memory(replicas=1), [(60, 6), (3, 30), (32, 6)])
    assert found[-1].memory.sudden_at is None


def test_decision_leaves_its_memory_unchanged():
    memory = Memory(replicas=2)
    assert decide(SPEC, load(30), memory, 100).memory != memory == replace(memory)


def test_exports_are_sorted():
    assert sorted(scaling.__all__, key=lambda name: (not name.isupper(), name)) == scaling.__all__
