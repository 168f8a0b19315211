from __future__ import annotations

import pytest
from pydantic import ValidationError

from rung.errors import CallError
from rung.schema import ServiceLevel
from rung.testing import AcceptanceTest, Limits, Stage

LEVEL = ServiceLevel(latency_p99_ms=250, throughput_rps=20, error_rate=0.01)
STAGES = [Stage(users=1, duration=1)]


def test_limits_are_those_of_the_specification():
    test = AcceptanceTest(requests=lambda: [1], stages=STAGES)
    assert test.limits(LEVEL) == Limits(latency_p99_ms=250, throughput_rps=20, error_rate=0.01)


def test_own_limits_come_first():
    test = AcceptanceTest(requests=lambda: [1], stages=STAGES, latency_p99_ms=100, error_rate=0.0)
    assert test.limits(LEVEL) == Limits(latency_p99_ms=100, throughput_rps=20, error_rate=0.0)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"latency_p99_ms": 251}, "latency_p99_ms = 251, and promised is 250"),
        ({"throughput_rps": 19.9, "error_rate": 0.01}, "throughput_rps = 19.9, and promised is 20"),
        ({"error_rate": 0.5}, "error_rate = 0.5, and promised is 0.01"),
    ],
)
def test_limit_that_is_looser_than_the_promise_is_refused(own: dict[str, float], told: str):
    with pytest.raises(CallError, match=f"content with less than the specification: {told}"):
        AcceptanceTest(requests=lambda: [1], stages=STAGES, **own).limits(LEVEL)


def test_impossible_limit_is_refused():
    with pytest.raises(ValidationError):
        AcceptanceTest(requests=lambda: [1], stages=STAGES, error_rate=1.0).limits(LEVEL)


def test_stages_are_needed():
    with pytest.raises(CallError, match="no stage"):
        AcceptanceTest(requests=lambda: [1], stages=[])


@pytest.mark.parametrize(
    "stage", [{"users": 0, "duration": 1}, {"users": 1, "duration": 0}, {"users": 1, "duration": 1, "interval": -1}]
)
def test_impossible_stage_is_refused(stage: dict[str, float]):
    with pytest.raises(ValidationError):
        Stage.model_validate(stage)


def test_callback_is_asked_until_there_are_enough():
    numbers = iter(range(100))
    test = AcceptanceTest(requests=lambda: [next(numbers), next(numbers)], stages=STAGES)
    assert test.sample(5) == [0, 1, 2, 3, 4, 5]


def test_callback_without_requests_is_refused():
    with pytest.raises(CallError, match="gave no request"):
        AcceptanceTest(requests=list, stages=STAGES).sample(1)


def test_steady_part_has_a_length():
    assert AcceptanceTest(requests=list, stages=STAGES).steady_s == 5
    for length in (0, -1, float("inf"), float("nan")):
        with pytest.raises(CallError, match=f"steady_s of an acceptance test is {length}"):
            AcceptanceTest(requests=list, stages=STAGES, steady_s=length)
