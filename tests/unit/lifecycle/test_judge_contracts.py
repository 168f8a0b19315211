"""Contracts of consumers, judged beside the regression tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rung.lifecycle import ContractFinding, Gate, RegressionFacts, VerdictKind, judge_contracts, judge_regression

PRICE = {"expected": ["number"], "declared": ["number"], "seen": ["number"]}
FOUND: dict[str, Any] = {
    "consumer": "webshop",
    "version": 2,
    "asked": 12,
    "refused": 0,
    "failed": 0,
    "problem": "",
    "reads": {"/price": PRICE},
}
PASSED = [{"name": "test_x", "passed": True, "because": ""}]


def read(**types: list[str]) -> dict[str, Any]:
    return {"reads": {"/price": {**PRICE, **types}}}


def facts(*contracts: ContractFinding) -> RegressionFacts:
    return RegressionFacts(candidate="housing.v1.m2", contracts=contracts)


CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "all is there": ({}, None),
    "a whole number": (read(seen=["integer"], declared=["integer"]), None),
    "nothing was answered": (read(seen=[]), None),
    "was nullable before": (read(expected=["null", "number"], declared=["number"]), None),
    "one refused": (
        {"refused": 1, "problem": "predict answered 422"},
        "1 of 12 recorded requests was refused (predict answered 422)",
    ),
    "some failed": ({"failed": 2, "problem": "500"}, "2 of 12 recorded requests were not answered (500)"),
    "gone in an answer": (read(seen=["absent", "number"]), "/price is gone"),
    "gone in the schema": (read(seen=[], declared=["absent"]), "/price is gone"),
    "need not be there any more": (
        read(declared=["absent", "number"]),
        "/price may be absent, and webshop reads number",
    ),
    "may be null": (read(declared=["null", "number"]), "/price may be null, and webshop reads number"),
    "is a text": (read(seen=["string"]), "/price is string, and webshop reads number"),
}


@pytest.mark.parametrize(("changes", "told"), CASES.values(), ids=CASES.keys())
def test_contract_is_judged(changes: dict[str, Any], told: str | None):
    (finding,) = judge_contracts([{**FOUND, **changes}])
    assert finding.broken == (() if told is None else (told,))
    verdict = judge_regression(PASSED, facts(finding))
    assert (verdict.gate, verdict.kind) == (Gate.REGRESSION, VerdictKind.FAIL if told else VerdictKind.PASS)
    assert json.loads(json.dumps(verdict.evidence)) == verdict.evidence


def test_the_consumer_is_named():
    findings = judge_contracts([{**FOUND, "refused": 1, "problem": "422"}, {**FOUND, "consumer": "desk"}])
    assert judge_regression(PASSED, facts(*findings)).because == (
        "all 1 regression tests passed on the live endpoint; the contract of webshop (version 2) is broken: 1 of 12"
        " recorded requests was refused (422)"
    )


def test_contracts_that_hold_are_named():
    findings = judge_contracts([{**FOUND, "consumer": name} for name in ("webshop", "desk", "app")])
    assert judge_regression(PASSED, facts(*findings)).because.endswith("; the contracts of app, desk and webshop hold")
    assert judge_regression(PASSED, facts(findings[0])).because.endswith("; the contract of webshop holds")


def test_without_contracts_nothing_is_said_of_them():
    verdict = judge_regression(PASSED, facts())
    assert verdict.because == "all 1 regression tests passed on the live endpoint"
    assert "contracts" not in verdict.evidence
