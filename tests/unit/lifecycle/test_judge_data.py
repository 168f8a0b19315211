"""The data gate: scores of two revisions on the same rows, and what is known of rows and tests."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from rung import stats
from rung.lifecycle import DataFacts, Gate, TestChanges, Verdict, VerdictKind, compare_tests, judge_data

ROWS = 10_000


def facts(**known: Any) -> DataFacts:
    return DataFacts(candidate="housing.v1.m2", reference="housing.v1.m1", rows=ROWS, **known)


def judged(*results: dict[str, Any], **known: Any) -> Verdict:
    return judge_data(results, facts(**known))


def accuracy(right: int, *, from_row: int = 0) -> dict[str, Any]:
    """Score a revision that is right on that many of 10,000 rows, wrong ones spread evenly."""
    hits = np.ones(ROWS)
    hits[np.linspace(from_row, ROWS - 1, ROWS - right).astype(int)] = 0
    assert hits.sum() == right
    group = stats.groups(ROWS)
    return {"full": hits.mean(), "without_group": [hits[group != one].mean() for one in range(50)]}


def score(full: float) -> dict[str, Any]:
    return {"full": full, "without_group": [full] * 50}


def result(candidate: Any, reference: Any, **more: Any) -> dict[str, Any]:
    said = {"name": "r2", "goal": "maximize", "budget": None, "smooth": True}
    return {**said, "candidate": candidate, "reference": reference, **more}


DATA = {
    "98.2 % to 98.1 %": (
        result(accuracy(9_810), accuracy(9_820)),
        True,
        "r2 0.981 against 0.982 (a loss beyond 0.0037 is caught)",
    ),
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
    "reference raised": (
        result(score(0.5), "it raised KeyError"),
        True,
        "0.5 (alone: housing.v1.m1's has no number, it raised KeyError)",
    ),
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
    verdict = judged(one)
    assert (verdict.gate, verdict.kind) == (Gate.DATA, VerdictKind.PASS if passes else VerdictKind.FAIL)
    assert told in verdict.because
    assert ("no data test is significantly worse than housing.v1.m1's on the same 10,000 rows" in verdict.because) == (
        passes
    )


@pytest.mark.parametrize("one", [row[0] for row in DATA.values()], ids=DATA.keys())
def test_data_evidence_is_json(one: dict[str, Any]):
    history = [("housing.v1.m1", {"reference": "housing.v1.m0", "tests": [{"name": "r2", "difference": 0.1}]})]
    evidence = judged(one, history=history).evidence
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence


def test_one_bad_data_test_rejects():
    good, bad = result(score(0.5), None), result("it raised", score(0.5), name="mae")
    verdict = judged(good, bad)
    assert (verdict.kind, verdict.because) == (VerdictKind.FAIL, "mae: it raised")


def test_data_gate_needs_a_test():
    verdict = judged()
    assert (verdict.kind, verdict.because) == (VerdictKind.FAIL, "there is no data test")


def medians(shift: float, *, missing: int = 0) -> dict[str, Any]:
    """Score a median on 1,000 draws of rows; some have no number."""
    values = np.random.default_rng(1).normal(size=400)
    drawn = [float(np.median(values[np.random.default_rng(draw).integers(400, size=400)])) for draw in range(1_000)]
    return {
        "full": float(np.median(values)) + shift,
        "drawn": [None if draw < missing else score + shift for draw, score in enumerate(drawn)],
    }


@pytest.mark.parametrize(
    ("candidate", "kind", "told"),
    [
        pytest.param(medians(0.0), VerdictKind.PASS, "is caught", id="same"),
        pytest.param(medians(0.5), VerdictKind.PASS, "against", id="better"),
        pytest.param(medians(-0.5), VerdictKind.FAIL, "significantly worse", id="worse"),
        pytest.param(medians(0.0, missing=100), VerdictKind.PASS, "against", id="some draws without a number"),
        pytest.param(
            medians(0.0, missing=101), VerdictKind.FAIL, "a number on 899 of 1,000 draws", id="many draws without one"
        ),
    ],
)
def test_medians_are_judged_by_draws(candidate: dict[str, Any], kind: VerdictKind, told: str):
    verdict = judged(result(candidate, medians(0.0), smooth=False))
    assert (verdict.kind, told in verdict.because) == (kind, True)


def rows_of(leaked: int, *, repeated: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"held_out": 1_000, "training": 5_000, "leaked": leaked, "repeated": repeated, "sampled": 1.0}
    return {**counts, "max_leaked": 0.0, **more}


SAME = result(score(0.5), score(0.5))


def test_leaked_rows_reject():
    verdict = judged(SAME, training_rows=rows_of(12))
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.because == "12 of 1,000 held-out rows are also training rows (1.20%)"
    assert verdict.evidence["training_rows"]["leaked"] == 12


@pytest.mark.parametrize(
    ("trained", "told"),
    [
        pytest.param(rows_of(0), None, id="none"),
        pytest.param(rows_of(10, max_leaked=0.01), "10 of 1,000 held-out rows are also training rows", id="declared"),
        pytest.param(rows_of(0, repeated=3), "3 held-out rows are training rows but for their truth", id="repeated"),
    ],
)
def test_honest_repetitions_pass(trained: dict[str, Any], told: str | None):
    verdict = judged(SAME, training_rows=trained)
    assert verdict.kind is VerdictKind.PASS
    assert ("; " in verdict.because) == (told is not None)
    assert (told or "") in verdict.because


def test_unknown_training_rows_are_said_to_be():
    evidence = judged(SAME).evidence
    assert evidence["training_rows"] == "not checked: the training gave no X_train"
    assert evidence["seen_by_reference"] == "not checked: housing.v1.m1 kept no training rows"


@pytest.mark.parametrize(("left_out", "then"), [(True, "they were left out"), (False, "it looks better than it is")])
def test_rows_that_the_reference_saw_are_told(left_out: bool, then: str):
    verdict = judged(SAME, seen_by_reference=rows_of(40, left_out=left_out))
    assert verdict.kind is VerdictKind.PASS
    assert f"housing.v1.m1 was trained on 40 of 1,000 held-out rows: {then}" in verdict.because


def test_removed_test_needs_a_reason():
    verdict = judged(SAME, changes=TestChanges(removed={"bias": "", "mae": ""}))
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.because == (
        "housing.v1.m1 has the data tests bias, mae, and housing.v1.m2 has not:"
        ' say why in tests/data.py, removed = {"bias": "why", "mae": "why"}'
    )


def test_reason_for_a_removed_test_is_told():
    verdict = judged(SAME, changes=TestChanges(removed={"bias": "nobody reads it"}))
    assert verdict.kind is VerdictKind.PASS
    assert verdict.because.endswith("; without bias: nobody reads it")
    assert verdict.evidence["removed"] == {"bias": "nobody reads it"}


def test_changed_test_is_recorded_alone():
    verdict = judged(result(score(0.5), None), changes=TestChanges(changed=frozenset({"r2"})))
    assert verdict.kind is VerdictKind.PASS
    assert "r2 0.5 (changed, so not compared)" in verdict.because


def earlier(*differences: float) -> list[tuple[str, dict[str, Any]]]:
    return [
        (
            f"housing.v1.m{minor}",
            {
                "reference": f"housing.v1.m{minor - 1}",
                "tests": [{"name": "r2", "difference": difference, "smallest_caught": 0.01}],
            },
        )
        for minor, difference in enumerate(differences, 1)
    ]


def test_losses_add_up_to_a_rejection():
    facts = DataFacts(
        candidate="housing.v1.m4", reference="housing.v1.m3", rows=ROWS, history=earlier(0.3, -0.009, -0.009)
    )
    verdict = judge_data([result(accuracy(9_810), accuracy(9_820), budget=0.015)], facts)
    assert verdict.kind is VerdictKind.FAIL
    assert verdict.because == (
        "r2 is 0.019 below housing.v1.m1, the best promoted revision, by the differences that have added up since;"
        " the budget is 0.015"
    )
    mark = verdict.evidence["tests"][0]["high_water"]
    assert (mark["best"], mark["declared"], mark["holds"]) == ("housing.v1.m1", True, False)


COMPARED = {
    "same": ({"a": "1"}, {"a": "1"}, {}, TestChanges(compared=frozenset("a"))),
    "changed": ({"a": "1"}, {"a": "2"}, {}, TestChanges(changed=frozenset("a"))),
    "new": ({"a": "1", "b": "2"}, {"a": "1"}, {}, TestChanges(compared=frozenset("a"))),
    "removed": ({"a": "1"}, {"a": "1", "b": "2"}, {}, TestChanges(compared=frozenset("a"), removed={"b": ""})),
    "removed with a reason": (
        {"a": "1"},
        {"a": "1", "b": "2"},
        {"b": "old", "c": "older"},
        TestChanges(compared=frozenset("a"), removed={"b": "old"}),
    ),
    "digest unknown": ({"a": "1"}, {"a": ""}, {}, TestChanges(compared=frozenset("a"))),
    "reference kept no names": ({"a": "1"}, {}, {}, TestChanges(compared=frozenset("a"))),
    "candidate kept no names": ({}, {"a": "1"}, {}, TestChanges(compared=frozenset("a"))),
}


@pytest.mark.parametrize(("candidate", "reference", "reasons", "changes"), COMPARED.values(), ids=COMPARED.keys())
def test_tests_are_told_apart(
    candidate: dict[str, str], reference: dict[str, str], reasons: dict[str, str], changes: TestChanges
):
    assert compare_tests(candidate, reference, reasons) == changes
