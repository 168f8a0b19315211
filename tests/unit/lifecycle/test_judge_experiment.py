"""An A/B test at one look: what ends it, and with which sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rung import stats
from rung.lifecycle import Gate, Stretch, VerdictKind, judge_experiment
from rung.schema import ABTest, BusinessMetric


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


OUTCOMES = {
    "better": "better",
    "equal": "not_better",
    "harmful": "harmful",
    "units lost": "invalid",
    "better, guardrail broken": "harmful",
}


def stretch(case: Case, *, share: float = 0.5) -> Stretch:
    _, challenger, exposed, rail, *_ = case
    incumbent = arm(0, 0) if challenger.units == 0 else BASE
    return Stretch(share=share, exposed=exposed, arms={"sold": (challenger, incumbent), "returned": (rail, BASE)})


@pytest.mark.parametrize(("name", "case"), EXPERIMENT.items(), ids=EXPERIMENT.keys())
def test_experiment_ends_by_its_figures(name: str, case: Case):
    test, _, _, _, kind, told = case
    found = judge_experiment(test, [stretch(case)])
    assert (found.verdict.kind if found.verdict else None) == kind
    assert told in found.because
    assert json.loads(json.dumps(found.figures, allow_nan=False)) == found.figures
    if found.verdict is not None:
        assert (found.verdict.gate, found.verdict.evidence) == (Gate.EXPERIMENT, found.figures)
        assert found.figures["outcome"] == OUTCOMES.get(name, found.figures["outcome"])


def test_pause_compares_nothing():
    alone = Stretch(
        share=0.0,
        exposed={"challenger": 0, "incumbent": 9_000},
        arms={"sold": (arm(0, 0), arm(9_000, 9_000))},
    )
    case = EXPERIMENT["too early"]
    look = judge_experiment(PLAIN, [stretch(case)]).figures["look"]
    found = judge_experiment(PLAIN, [stretch(case), alone])
    assert (found.figures["look"], found.figures["share"]) == (look, 0.0)


def test_growing_share_is_no_lost_unit():
    small = Stretch(
        share=0.1,
        exposed={"challenger": 1_000, "incumbent": 9_000},
        arms={"sold": (arm(1_000, 200), arm(9_000, 1_800))},
    )
    found = judge_experiment(PLAIN, [small, stretch(EXPERIMENT["too early"])])
    assert found.verdict is None or found.figures["outcome"] != "invalid"
    assert found.figures["exposed"] == {"challenger": 6_000, "incumbent": 14_000}


@pytest.mark.parametrize("arm", ["challenger", "incumbent"])
@pytest.mark.parametrize(("away", "counts"), [(0, True), (50, True), (51, False)])
def test_short_absence_is_waited_out(arm: str, away: int, counts: bool):
    found = judge_experiment(PLAIN, [stretch(EXPERIMENT["better"])], fallback={arm: (1_000, away)})
    assert (found.verdict is not None) == counts
    assert counts or f"answered 51 of 1,000 requests of the {arm}'s units (5.1%), and 5.0% may" in found.because
    later = judge_experiment(PLAIN, [stretch(EXPERIMENT["better"])], fallback={arm: (2_000, away)})
    assert later.verdict is not None


@pytest.mark.parametrize("arm", ["challenger", "incumbent"])
@pytest.mark.parametrize(("requests", "away", "is_valid"), [(499, 499, True), (500, 250, True), (500, 251, False)])
def test_arm_that_is_hardly_ever_there_invalidates(arm: str, requests: int, away: int, is_valid: bool):
    found = judge_experiment(PLAIN, [stretch(EXPERIMENT["too early"])], fallback={arm: (requests, away)})
    assert (found.verdict is None) == is_valid
    assert is_valid or found.figures["outcome"] == "invalid"
