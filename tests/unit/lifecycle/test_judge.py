"""Evidence of each gate, judged."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rung.lifecycle import Gate, RegressionFacts, TestChanges, Verdict, VerdictKind, judge_load, judge_regression


def passed(name: str) -> dict[str, Any]:
    return {"name": name, "passed": True, "because": ""}


def failed(name: str) -> dict[str, Any]:
    return {"name": name, "passed": False, "because": "it gave False"}


REGRESSION = {
    "all pass": ([passed("a"), passed("b")], VerdictKind.PASS, "all 2 regression tests passed on the live endpoint"),
    "one fails": (
        [passed("a"), failed("b")],
        VerdictKind.FAIL,
        "1 of 2 regression tests did not pass: b: it gave False",
    ),
    "all fail": (
        [failed("a"), failed("b")],
        VerdictKind.FAIL,
        "2 of 2 regression tests did not pass: a: it gave False; b: it gave False",
    ),
    "none": ([], VerdictKind.FAIL, "there is no regression test"),
}


@pytest.mark.parametrize(("results", "kind", "because"), REGRESSION.values(), ids=REGRESSION.keys())
def test_all_regression_tests_must_pass(results: list[dict[str, Any]], kind: VerdictKind, because: str):
    verdict = judge_regression(results, RegressionFacts(candidate="housing.v1.m2"))
    assert verdict == Verdict(gate=Gate.REGRESSION, kind=kind, because=because, evidence={"tests": results})


CHANGES: dict[str, tuple[TestChanges, VerdictKind, str]] = {
    "gone": (
        TestChanges(removed={"test_sea": "", "test_old": "no such houses"}),
        VerdictKind.FAIL,
        (
            "; housing.v1.m1 has the regression test test_sea, and housing.v1.m2 has not: say why in"
            ' tests/regression.py, removed = {"test_sea": "why"}; without test_old: no such houses'
        ),
    ),
    "with a reason": (
        TestChanges(removed={"test_old": "no such houses"}),
        VerdictKind.PASS,
        "; without test_old: no such houses",
    ),
    "changed": (
        TestChanges(compared=frozenset("a"), changed=frozenset({"test_sea", "test_bay"})),
        VerdictKind.PASS,
        "; changed since housing.v1.m1: test_bay, test_sea",
    ),
}


@pytest.mark.parametrize(("changes", "kind", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_no_regression_test_goes_without_a_reason(changes: TestChanges, kind: VerdictKind, told: str):
    facts = RegressionFacts(candidate="housing.v1.m2", reference="housing.v1.m1", changes=changes)
    verdict = judge_regression([passed("a")], facts)
    assert (verdict.kind, verdict.because) == (kind, f"all 1 regression tests passed on the live endpoint{told}")
    assert verdict.evidence["removed"] == changes.removed
    assert verdict.evidence["changed"] == sorted(changes.changed)


LIMITS = {"latency_p99_ms": 250.0, "throughput_rps": 20.0, "error_rate": 0.01}
CLOSED = {"requests": 1_000, "failures": 0, "latency_p99_ms": 100.0, "throughput_rps": 15.0}
OPEN = {"requests": 600, "failures": 0, "latency_p99_ms": 120.0, "throughput_rps": 20.0}

LOAD: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "within": ({}, {}, None),
    "just within": ({"failures": 10, "latency_p99_ms": 250.0}, {"failures": 6, "throughput_rps": 19.0}, None),
    "failures with users": ({"failures": 11}, {}, "1.10% of requests failed with users in turn, and 1.00% may"),
    "failures at the rate": ({}, {"failures": 60}, "10.00% of requests failed at a fixed rate, and 1.00% may"),
    "slow with users": ({"latency_p99_ms": 251.0}, {}, "the 99th percentile is 251 ms with users in turn"),
    "slow at the rate": ({}, {"latency_p99_ms": 900.0}, "900 ms at a fixed rate, and the limit is 250 ms"),
    "no latency": ({"latency_p99_ms": math.nan}, {}, "the 99th percentile is nan ms"),
    "too few answers": ({}, {"throughput_rps": 18.9}, "18.9 of the promised 20 requests/s were answered"),
    "no rate": ({}, {"throughput_rps": math.nan}, "nan of the promised 20 requests/s"),
    "no request of users": ({"requests": 0}, {}, "no request was answered with users in turn"),
    "no request at the rate": (
        {},
        {"requests": 0, "throughput_rps": 0.0},
        "no request was answered at a fixed rate; 0.0 of the promised",
    ),
    "all at once": (
        {"failures": 1_000, "latency_p99_ms": 900.0},
        {"throughput_rps": 1.0},
        "100.00% of requests failed with users in turn, and 1.00% may; the 99th percentile is 900 ms",
    ),
}


@pytest.mark.parametrize(("closed", "steady", "told"), LOAD.values(), ids=LOAD.keys())
def test_service_levels_must_hold(closed: dict[str, Any], steady: dict[str, Any], told: str | None):
    verdict = judge_load({**CLOSED, **closed, "open": {**OPEN, **steady}}, LIMITS)
    assert (verdict.gate, verdict.kind) == (Gate.LOAD, VerdictKind.PASS if told is None else VerdictKind.FAIL)
    assert (told or "") in verdict.because


def test_good_load_is_told_in_figures():
    verdict = judge_load({**CLOSED, "open": OPEN}, LIMITS)
    assert verdict.because == (
        "1,600 requests with 0 failures; 99th percentile 100 ms with users in turn and 120 ms at 20 requests/s"
        " (limit 250 ms)"
    )
    assert verdict.evidence == {"measured": {**CLOSED, "open": OPEN}, "limits": LIMITS}


@pytest.mark.parametrize("is_above", [False, True])
def test_memory_that_was_declared_must_hold(is_above: bool):
    memory = {"is_above": is_above, "told": "2 workers, 3 GiB in all; 2 GiB declared"}
    verdict = judge_load({**CLOSED, "open": OPEN}, LIMITS, memory)
    assert verdict.evidence["memory"] == memory
    assert verdict.kind is (VerdictKind.FAIL if is_above else VerdictKind.PASS)
    if is_above:
        assert verdict.because == f"its server takes more memory than was declared: {memory['told']}"
