from __future__ import annotations

import math
from typing import Any

import pytest

from rung.errors import CallError
from rung.infrastructure import Autoscaling
from rung.scaling import TRAFFICS, Replica, Simulated, Traffic, simulate

SPEC = Autoscaling(minimum=1, maximum=4, target_concurrency=4)
ABLE = Replica(service_time_s=0.1, at_once=8, start_s=3)


def steady(rate: float, seconds: int = 60) -> Traffic:
    return TRAFFICS["steady"](rate, seconds)


def test_every_request_is_accounted_for():
    found = simulate(SPEC, steady(20), ABLE)
    assert found.requests == pytest.approx(20 * 60, rel=0.1)
    assert (found.refused, found.replica_seconds, found.changes) == (0, 60, ())
    assert [point.at for point in found.points] == list(range(1, 61))


def test_same_seed_gives_the_same_figures():
    first, second, other = (simulate(SPEC, steady(90), ABLE, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


def test_replicas_that_start_do_not_answer_yet():
    found = simulate(SPEC, TRAFFICS["step"](200, 120), ABLE)
    risen = next(change.at for change in found.changes if change.at > 60)
    points = {point.at: point for point in found.points}
    assert points[math.ceil(risen + 1)].ready < points[math.ceil(risen + 1)].replicas
    assert points[math.ceil(risen + 4)].ready >= points[math.ceil(risen + 1)].replicas


def test_starting_replicas_cost_too():
    slow = Replica(service_time_s=0.1, at_once=8, start_s=1_000)
    found = simulate(SPEC, steady(200), slow)
    assert found.points[-1].ready == 1
    assert found.replica_seconds > 200


def test_overload_waits_or_is_rejected():
    weak = Replica(service_time_s=0.5, at_once=1, start_s=30, max_waiting=10_000)
    queued = simulate(SPEC, steady(20, 20), weak)
    rejected = simulate(SPEC.model_copy(update={"while_scaling": "reject"}), steady(20, 20), weak)
    assert (queued.refused, queued.waited_most_s > 5) == (0, True)
    assert (rejected.refused > 300, rejected.waited_most_s) == (True, 0)


def test_full_line_and_lost_patience_refuse():
    weak: dict[str, Any] = {"service_time_s": 0.5, "at_once": 1, "start_s": 30}
    assert simulate(SPEC, steady(20, 20), Replica(**weak, max_waiting=5)).refused > 300
    hasty = simulate(SPEC, steady(20, 20), Replica(**weak, timeout_s=1))
    assert (hasty.refused > 0, hasty.waited_most_s <= 1) == (True, True)


def test_slower_answers_are_answered_by_more_replicas():
    found = simulate(SPEC, TRAFFICS["leak"](30, 600), ABLE)
    assert (found.points[60].replicas, found.points[-1].replicas) == (1, 3)


def test_sleeper_wakes_within_its_start_up_time():
    spec = Autoscaling(minimum=0, maximum=4, target_concurrency=4, cold_start_s=10)
    found = simulate(spec, Traffic(name="one", rates=(0.0,) * 10 + (5.0,) * 30), ABLE)
    assert (found.refused, 3 <= found.waited_most_s <= 4) == (0, True)
    assert found.changes[0].because.endswith("waiting for one that is awake")


def test_sleeper_refuses_beyond_its_budget():
    spec = Autoscaling(minimum=0, maximum=4, target_concurrency=4, cold_start_s=2)
    late = Replica(service_time_s=0.1, at_once=8, start_s=5, timeout_s=0.1)
    assert simulate(spec, steady(5, 30), late).refused > 5


def test_leaving_replica_finishes_what_it_has():
    found = simulate(SPEC, Traffic(name="fall", rates=(100.0,) * 60 + (5.0,) * 200), ABLE)
    assert (found.refused, found.points[-1].replicas, found.most_replicas > 2) == (0, 1, True)


def test_starting_replicas_go_first():
    slow = Replica(service_time_s=0.1, at_once=16, start_s=500)
    found = simulate(SPEC, Traffic(name="peak", rates=(100.0,) * 10 + (5.0,) * 200), slow)
    assert {point.ready for point in found.points} == {1}
    assert found.points[-1].replicas == 1


def test_figures_can_be_written():
    found = simulate(SPEC, steady(20), ABLE).to_json()
    assert {"requests", "refused", "waited_p99_s", "replica_seconds", "changes", "most_replicas"} < found.keys()


def test_nothing_sent_is_nothing_waited():
    found = simulate(SPEC, steady(0), ABLE)
    assert isinstance(found, Simulated)
    assert (found.requests, found.waited_most_s) == (0, 0)


@pytest.mark.parametrize("name", ["service_time_s", "at_once", "max_waiting", "timeout_s"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_impossible_replica_is_refused(name: str, value: float):
    with pytest.raises(CallError, match=f"{name} of a replica is"):
        Replica(**{"service_time_s": 1, name: value})


@pytest.mark.parametrize("times", [{"start_s": -1}, {"start_s": math.inf}, {"service_time_s": math.inf}])
def test_replica_that_never_is_ready_is_refused(times: dict[str, float]):
    with pytest.raises(CallError, match="never starts, or never answers"):
        Replica(**{"service_time_s": 1, **times})


@pytest.mark.parametrize("name", sorted(TRAFFICS))
def test_made_up_traffic_keeps_its_length_and_its_peak(name: str):
    traffic = TRAFFICS[name](40, 700)
    assert (traffic.name, len(traffic.rates), max(traffic.rates)) == (name, 700, pytest.approx(40, rel=1e-4))


@pytest.mark.parametrize("rates", [(), (1.0, -1.0), (float("nan"),)])
def test_impossible_traffic_is_refused(rates: tuple[float, ...]):
    with pytest.raises(CallError, match="has no second, or one with a rate"):
        Traffic(name="bad", rates=rates)


def test_each_second_has_its_factor():
    with pytest.raises(CallError, match="has 2 rates and 1 factors"):
        Traffic(name="bad", rates=(1, 2), slower=(1,))


def test_recorded_seconds_are_counted():
    traffic = Traffic.recorded("log", [(12.7, 1), (10, 2), (12.1, 4)])
    assert traffic.rates == (2.0, 0.0, 5.0)
    with pytest.raises(CallError, match="'log' has no second"):
        Traffic.recorded("log", [])
