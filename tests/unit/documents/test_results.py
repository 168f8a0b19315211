"""Results as Markdown, from what is on record."""

from __future__ import annotations

from typing import Any

from rung.documents import fill, results

REVISION: dict[str, Any] = {
    "id": "housing.v1.m2",
    "state": "incumbent",
    "reason": "it won",
    "run": "housing.v1.m2",
    "commit": "a88984f0eeb754a0e2c27363a1ce05ea47d304f9",
    "dirty": False,
}
DATA = {
    "reference": "housing.v1.m1",
    "rows": 3177,
    "tests": [{"name": "r2", "candidate": 0.81234, "reference": 0.7, "difference": 0.11234}, {"name": "new"}],
}
ATTEMPT: dict[str, Any] = {
    "id": 2,
    "actor": "root",
    "outcome": "promoted",
    "ended": "2026-11-21T17:17:10+00:00",
    "because": "it is better\n## Lessons",
    "verdicts": [
        {"gate": "regression", "kind": "pass", "because": "all 7 passed | really", "evidence": {}},
        {"gate": "data", "kind": "pass", "because": "no worse", "evidence": DATA},
    ],
    "experiment": {
        "incumbent": "housing.v1.m1",
        "bandit": False,
        "look": {
            "metric": "within_10_percent",
            "minimum_effect": 0.03,
            "outcomes": {"challenger": 783, "incumbent": 718},
            "look": {"effect": 0.07067, "interval": [0.01, None]},
        },
    },
}


def test_outcome_gates_effect_and_figures_are_told():
    told = results({"revision": REVISION, "attempts": [ATTEMPT]})
    assert told.startswith("**Promoted** on 2026-11-21: it is better ## Lessons\n")
    assert "Commit `a88984f0eeb7`; run `housing.v1.m2`." in told
    assert "| regression | pass | all 7 passed \\| really |" in told
    assert "A/B test against housing.v1.m1 by within_10_percent: effect +0.07067, interval unknown" in told
    assert "after 783 challenger and 718 incumbent units" in told
    assert "| data test, 3,177 rows | this | housing.v1.m1 | better by |" in told
    assert "| r2 | 0.8123 | 0.7 | 0.1123 |" in told
    assert "| new |  |  |  |" in told
    assert "`rung ab watch housing.v1`" in told


def test_an_interval_is_told_by_its_ends():
    look = ATTEMPT["experiment"]["look"]
    experiment = {**ATTEMPT["experiment"], "look": {**look, "look": {"effect": 0.07, "interval": [0.01, 0.13]}}}
    told = results({"revision": REVISION, "attempts": [{**ATTEMPT, "experiment": experiment}]})
    assert "interval +0.01 to +0.13 (worth having from 0.03 on)" in told


def test_what_was_not_promoted_shows_its_training():
    trained = {**REVISION, "state": "awaiting_approval", "reason": "<!-- end of results -->", "dirty": True}
    told = results({"revision": trained, "attempts": []}, {"r2": 0.5})
    assert told.startswith("**Not decided**: it has not been promoted yet; it is awaiting approval: <! -- end")
    assert ", from a tree that differed from it" in told
    assert "| r2 | 0.5 |" in told


def test_two_attempts_are_told_apart():
    ended = {**ATTEMPT, "id": 1, "outcome": "rejected"}
    going = {**ATTEMPT, "outcome": None, "ended": None}
    told = results({"revision": REVISION, "attempts": [ended, going]})
    assert told.startswith("**Rejected**")
    assert "### Attempt 1 by root: rejected" in told
    assert "### Attempt 2 by root: under way" in told


def test_results_fit_into_a_document():
    made = results({"revision": REVISION, "attempts": [ATTEMPT, {**ATTEMPT, "outcome": None}]})
    assert made in fill("# Any", made)
