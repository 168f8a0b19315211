"""Group metrics as a gate or a note."""

from __future__ import annotations

from typing import Any

from rung.lifecycle import DataFacts, VerdictKind, judge_data, judge_groups

TEST = {"name": "r2", "goal": "maximize", "budget": None, "candidate": {"full": 0.9, "without_group": [0.9, 0.9]}}


def figures(limit: float | None, *shares: list[int]) -> list[dict[str, Any]]:
    return [
        {
            "name": "garage",
            "max_difference": {} if limit is None else {"selection_rate": limit},
            "groups": [{"name": f"g{index}", "rows": trials} for index, (_, trials) in enumerate(shares)],
            "measures": [{"name": "selection_rate", "shares": list(shares)}],
        }
    ]


def verdict(limit: float | None, *shares: list[int]) -> Any:
    facts = DataFacts(candidate="s.v1.m2", reference="s.v1.m1", rows=600, groups=figures(limit, *shares))
    return judge_data([{**TEST, "reference": TEST["candidate"]}], facts)


def test_difference_without_a_limit_is_a_note():
    (found,) = judge_groups(figures(None, [270, 300], [150, 300], [1, 9]))
    assert found.passed
    assert found.because.startswith("g0 and g1 are 0.4 apart (95 % interval of the largest difference 0.3")
    assert found.because.endswith("too small to compare: g2")


def test_groups_that_are_surely_apart_fail_the_data_gate():
    judged = verdict(0.1, [270, 300], [150, 300])
    assert judged.kind is VerdictKind.FAIL
    assert judged.because.startswith("selection_rate by garage: g0 and g1 are 0.4 apart, surely more than allowed")
    assert judged.evidence["groups"][0]["disparity"]["difference"] == 0.4


def test_groups_that_may_be_apart_pass_and_are_told():
    judged = verdict(0.1, [160, 300], [150, 300])
    assert judged.kind is VerdictKind.PASS
    assert "selection_rate by garage: g0 and g1 are 0.0333 apart, not surely more than allowed" in judged.because


def test_scores_are_judged_as_shares_are():
    measured = figures(None, [0, 300], [0, 300])
    measured[0]["measures"] = [
        {
            "name": "r2",
            "goal": "maximize",
            "scores": [{"value": 0.9, "standard_error": 0.01, "freedom": 19}, {"value": None, "because": "it raised"}],
        }
    ]
    (found,) = judge_groups(measured)
    assert found.because == (
        "fewer than two groups have 30 rows and a number: nothing is compared; too small to compare: g1"
    )
