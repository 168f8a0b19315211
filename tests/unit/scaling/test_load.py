from __future__ import annotations

from typing import Any

import pytest

from rung.errors import CallError
from rung.scaling import Load, Sample


def sample(at: float, in_flight: float = 1, **more: Any) -> Sample:
    return Sample(**{"at": at, "in_flight": in_flight, "arrived": 1, "ready": 1, **more})


@pytest.mark.parametrize("name", ["in_flight", "arrived", "ready", "waiting", "cpu"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_impossible_measurement_is_refused(name: str, value: float):
    with pytest.raises(CallError, match=f"{name} of a sample is {value}"):
        sample(**{"at": 0, name: value})


def test_time_before_zero_is_a_time():
    assert sample(-5).at == -5


def test_order_of_times_is_held():
    with pytest.raises(CallError, match="a sample of 1 s follows one of 1 s"):
        Load(samples=(sample(1),)).plus(sample(1))


def test_old_samples_are_forgotten():
    load = Load()
    for at in range(100):
        load = load.plus(sample(at))
    assert [one.at for one in load.samples] == list(range(70, 100))


def test_demand_has_those_that_are_held():
    load = Load(samples=(sample(1, 4), sample(2, 0, waiting=8)))
    assert load.demand(now=2, over_s=30) == 6
    assert load.demand(now=2, over_s=1) == 8
    assert load.demand(now=40, over_s=30) is None


def test_missing_processors_are_left_out():
    load = Load(samples=(sample(1), sample(2, cpu=3.0)))
    assert load.cpu(now=2, over_s=30) == 3
    assert load.cpu(now=1, over_s=30) is None


def test_idle_is_when_nobody_asked_and_nobody_waits():
    assert sample(1, 0, arrived=0).is_idle
    assert not any(one.is_idle for one in (sample(1, 0), sample(1, 0, arrived=0, waiting=1), sample(1, arrived=0)))
