from __future__ import annotations

from typing import Any

import pytest

from rung.testing.load._figures import answer_rate, percentile, summarize


def closed(**changed: Any) -> dict[str, Any]:
    return {"latencies_ms": [4.0, 1.0, 3.0, 2.0], "failures": 1, "errors": [], "seconds": 2.0, **changed}


def steady(**changed: Any) -> dict[str, Any]:
    answered = [number / 10 for number in range(100)]
    sample = {"latencies_ms": [5.0] * 100, "failures": 0, "errors": [], "answered_s": answered, "late_ms": [0.5] * 100}
    return {**sample, **changed}


@pytest.mark.parametrize(("share", "value"), [(1, 1), (50, 50), (90, 90), (99, 99), (100, 100)])
def test_percentile_is_a_measured_value(share: float, value: float):
    assert percentile([float(number) for number in range(1, 101)], share) == value


def test_percentile_of_few_is_the_slowest():
    assert percentile([1.0, 2.0, 900.0], 99) == 900.0


def test_percentile_of_nothing_is_none():
    assert percentile([], 99) is None


def test_answers_that_keep_up_give_the_rate():
    assert answer_rate([0.3 + number / 20 for number in range(100)], 20) == pytest.approx(20)


def test_growing_queue_gives_the_capacity():
    assert answer_rate([number / 8 for number in range(100)], 20) == pytest.approx(8)


def test_one_slow_answer_bends_no_rate():
    instants = [number / 20 for number in range(100)]
    assert answer_rate([*instants[:-1], 12.0], 20) == pytest.approx(20)


def test_queue_caught_up_is_no_capacity():
    assert answer_rate([2.0] * 40 + [number / 20 for number in range(40, 100)], 20) == 20


@pytest.mark.parametrize("instants", [[], [0.1], [0.1, 0.1]])
def test_too_few_answers_show_no_queue(instants: list[float]):
    assert answer_rate(instants, 20) == 20


def test_throughput_counts_what_did_not_fail():
    found = summarize(closed(), steady(failures=25), users=7, rate_rps=10)
    assert (found["requests"], found["failures"], found["throughput_rps"]) == (4, 1, 1.5)
    assert (found["users"], found["seconds"], found["open"]["rate_rps"]) == (7, 2.0, 10)
    assert found["open"]["throughput_rps"] == pytest.approx(7.5)


def test_latencies_need_no_order():
    found = summarize(closed(), steady(), users=1, rate_rps=10)
    assert (found["latency_p50_ms"], found["latency_p90_ms"], found["latency_p99_ms"]) == (2.0, 4.0, 4.0)
    assert (found["open"]["latency_p99_ms"], found["open"]["sent_late_p99_ms"]) == (5.0, 0.5)


def test_most_frequent_error_comes_first():
    errors = [{"error": "b", "count": 1}, {"error": "c", "count": 9}, {"error": "a", "count": 1}]
    found = summarize(closed(errors=errors), steady(), users=1, rate_rps=10)
    assert [error["error"] for error in found["errors"]] == ["c", "a", "b"]


def test_nothing_sent_has_no_latency():
    found = summarize(closed(latencies_ms=[], failures=0), steady(), users=1, rate_rps=10)
    assert (found["requests"], found["latency_p99_ms"], found["throughput_rps"]) == (0, None, 0)
