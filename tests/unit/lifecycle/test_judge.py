"""Evidence of each gate, judged."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from rung import stats
from rung.lifecycle import Gate, Verdict, VerdictKind, judge_data, judge_experiment, judge_load, judge_regression
from rung.schema import ABTest, BusinessMetric


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
    verdict = judge_regression(results)
    assert verdict == Verdict(gate=Gate.REGRESSION, kind=kind, because=because, evidence={"tests": results})


ROWS = 10_000


def accuracy(right: int, *, from_row: int = 0) -> dict[str, Any]:
    """Score a revision that is right on that many of 10,000 rows, wrong ones spread evenly."""
    hits = np.ones(ROWS)
    hits[np.linspace(from_row, ROWS - 1, ROWS - right).astype(int)] = 0
    assert hits.sum() == right
    group = stats.groups(ROWS)
    return {"full": hits.mean(), "without_group": [hits[group != one].mean() for one in range(50)]}


def score(full: float) -> dict[str, Any]:
    return {"full": full, "without_group": [full] * 50}


def result(candidate: Any, reference: Any, *, goal: str = "maximize") -> dict[str, Any]:
    return {"name": "r2", "goal": goal, "candidate": candidate, "reference": reference}


DATA = {
    "98.2 % to 98.1 %": (result(accuracy(9_810), accuracy(9_820)), True, "0.981 against 0.982"),
    "98.2 % to 97.2 %": (result(accuracy(9_720), accuracy(9_820, from_row=7)), False, "significantly worse"),
    "98.2 % to 98.2 %": (result(accuracy(9_820), accuracy(9_820)), True, "0.982 against 0.982"),
    "better": (result(accuracy(9_900), accuracy(9_820)), True, "0.99 against 0.982"),
    "worse on every group": (result(score(0.5), score(0.6)), False, "significantly worse"),
    "less error": (result(score(0.5), score(0.6), goal="minimize"), True, "0.5 against 0.6"),
    "more error": (result(score(0.6), score(0.5), goal="minimize"), False, "significantly worse"),
    "new test": (result(score(0.5), None), True, "0.5 (new)"),
    "new test without a number": (result(score(math.nan), None), False, "its score is nan, which is no number"),
    "no number": (result(score(math.nan), score(0.5)), False, "its score is nan, which is no number"),
    "endless": (result(score(math.inf), score(0.5)), False, "its score is inf, which is no number"),
    "candidate raised": (result("it raised KeyError", score(0.5)), False, "it raised KeyError"),
    "candidate raised on a new test": (result("it raised KeyError", None), False, "it raised KeyError"),
    "reference raised": (result(score(0.5), "it raised KeyError"), True, "0.5 (alone)"),
    "no number and the reference raised": (result(score(-math.inf), "it raised"), False, "its score is -inf"),
    "reference without a number": (result(score(0.5), score(math.nan)), False, "reference's score is nan"),
    "no number on a part": (
        result({"full": 0.5, "without_group": [0.5, math.nan]}, {"full": 0.5, "without_group": [0.5, 0.5]}),
        False,
        "without group 1 is nan",
    ),
}


@pytest.mark.parametrize(("one", "passes", "told"), DATA.values(), ids=DATA.keys())
def test_data_test_must_not_be_worse(one: dict[str, Any], passes: bool, told: str):
    verdict = judge_data([one], reference="housing.v1.m1", rows=ROWS)
    assert (verdict.gate, verdict.kind) == (Gate.DATA, VerdictKind.PASS if passes else VerdictKind.FAIL)
    assert told in verdict.because
    assert ("no data test is significantly worse than housing.v1.m1's on the same 10,000 rows" in verdict.because) == (
        passes
    )


@pytest.mark.parametrize("one", [row[0] for row in DATA.values()], ids=DATA.keys())
def test_data_evidence_is_json(one: dict[str, Any]):
    evidence = judge_data([one], reference="housing.v1.m1", rows=ROWS).evidence
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence


def test_one_bad_data_test_rejects():
    good, bad = result(score(0.5), None), result("it raised", score(0.5)) | {"name": "mae"}
    verdict = judge_data([good, bad], reference="housing.v1.m1", rows=ROWS)
    assert (verdict.kind, verdict.because) == (VerdictKind.FAIL, "mae: it raised")


def test_data_gate_needs_a_test():
    verdict = judge_data([], reference="housing.v1.m1", rows=ROWS)
    assert (verdict.kind, verdict.because) == (VerdictKind.FAIL, "there is no data test")


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


def metric(name: str, **changes: Any) -> BusinessMetric:
    values: dict[str, Any] = {
        "name": name,
        "kind": "proportion",
        "goal": "maximize",
        "role": "decision",
        "minimum_effect": 0.03,
        "source": "the till",
        "proximity": "near",
    }
    return BusinessMetric(**values | changes)


PLAIN = ABTest(metrics=(metric("sold"),))
GUARDED = ABTest(metrics=(metric("sold"), metric("returned", goal="minimize", role="guardrail")))


def arm(units: int, hits: int) -> stats.Arm:
    return stats.Arm(units=units, y=hits, yy=hits)


FAIR = {"challenger": 5_000, "incumbent": 5_000}
BASE, BETTER, WORSE = arm(5_000, 1_000), arm(5_000, 1_300), arm(5_000, 700)

Case = tuple[ABTest, stats.Arm, dict[str, int], stats.Arm, VerdictKind | None, str]
EXPERIMENT: dict[str, Case] = {
    "better": (PLAIN, BETTER, FAIR, BASE, VerdictKind.PASS, "sold: after 5,000 challenger"),
    "equal": (PLAIN, BASE, FAIR, BASE, VerdictKind.FAIL, "does not reach the smallest effect worth having"),
    "harmful": (PLAIN, WORSE, FAIR, BASE, VerdictKind.FAIL, "the challenger is worse"),
    "too early": (PLAIN, arm(20, 5), FAIR, BASE, None, "sold: after 20 challenger"),
    "no outcome": (PLAIN, arm(0, 0), FAIR, arm(0, 0), None, "there is no evidence yet"),
    "units lost": (
        PLAIN,
        BETTER,
        {"challenger": 5_000, "incumbent": 7_000},
        BASE,
        VerdictKind.INCONCLUSIVE,
        "invalid: the traffic did not split as declared",
    ),
    "units lost, though harmful": (
        PLAIN,
        WORSE,
        {"challenger": 1, "incumbent": 7_000},
        BASE,
        VerdictKind.INCONCLUSIVE,
        "invalid",
    ),
    "better, guardrail holds": (GUARDED, BETTER, FAIR, BASE, VerdictKind.PASS, "sold: after"),
    "better, guardrail broken": (GUARDED, BETTER, FAIR, BETTER, VerdictKind.FAIL, "guardrail returned is broken"),
    "better, guardrail not known": (GUARDED, BETTER, FAIR, arm(0, 0), None, "returned is not yet shown to hold"),
    "equal, guardrail not known": (GUARDED, BASE, FAIR, arm(0, 0), VerdictKind.FAIL, "does not reach"),
}


@pytest.mark.parametrize("case", EXPERIMENT.values(), ids=EXPERIMENT.keys())
def test_experiment_ends_by_its_figures(case: Case):
    test, challenger, exposed, rail, kind, told = case
    verdict, progress, figures = judge_experiment(
        test=test,
        challenger=challenger,
        incumbent=arm(0, 0) if challenger.units == 0 else BASE,
        exposed=exposed,
        guardrails={"returned": (rail, BASE)},
    )
    assert (verdict.kind if verdict else None) == kind
    assert told in (verdict.because if verdict else progress)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    if verdict is not None:
        assert (verdict.gate, verdict.evidence) == (Gate.EXPERIMENT, figures)
