"""Document before code: every case of a branch, decided from facts of git."""

from __future__ import annotations

from typing import Any

import pytest

from rung.documents import History, judge_order, parse

PLAN = "## Intention\na\n## Hypothesis\nb\n## Approach\nc\n## What would change our mind\nd\n"
OPEN = parse(PLAN)
JUDGED = parse(
    PLAN
    + "## Results\n\n<!-- results, made by `rung doc fill`: sha256:"
    + "0" * 64
    + " -->\nx\n<!-- end of results -->"
)
COMMIT = "c0ffee00" * 5
FACTS: dict[str, Any] = {"service": "housing", "base": "origin/main", "major": 1, "is_new": False, "code": COMMIT}

CASES: dict[str, tuple[dict[str, Any], bool, str]] = {
    "no code is changed": ({"code": None}, True, "the code of housing is as in origin/main"),
    "the service is new": ({"is_new": True}, True, "this is the code of housing.v1.m0, the benchmark"),
    "the registry has the benchmark next": ({"next_minor": 0}, True, "the benchmark, which needs no document"),
    "a new major begins": ({"major": 2, "merged": {(1, 3): JUDGED}}, True, "housing.v2.m0, the benchmark"),
    "no document": (
        {},
        False,
        "origin/main has no v1.m1.md: `rung doc new housing`, then merge the document by itself",
    ),
    "document beside the code": (
        {"proposed": {(1, 1): "v1.m1.md"}},
        False,
        "commit c0ffee00 changes the code of housing.v1.m1 beside its document: merge v1.m1.md by itself first",
    ),
    "document merged first": (
        {"merged": {(1, 1): OPEN}, "before_code": frozenset({(1, 1)})},
        True,
        "v1.m1.md was merged into origin/main before the code of housing.v1.m1",
    ),
    "document merged after the code was begun": (
        {"merged": {(1, 1): OPEN}},
        False,
        "commit c0ffee00 changes the code of housing.v1.m1, and does not follow v1.m1.md",
    ),
    "code that is not committed yet": ({"code": "", "merged": {(1, 1): OPEN}}, True, "v1.m1.md was merged"),
    "code that is not committed, without document": ({"code": ""}, False, "what is not committed yet changes the code"),
    "document says too little": (
        {"merged": {(1, 1): parse("## Intention\na")}},
        False,
        "v1.m1.md in origin/main does not say hypothesis, approach, what would change our mind",
    ),
    "the last one was judged": ({"merged": {(1, 1): JUDGED}}, False, "origin/main has no v1.m2.md"),
    "the registry knows more": (
        {"merged": {(1, 1): OPEN}, "next_minor": 2, "before_code": frozenset({(1, 1)})},
        False,
        "the code of housing.v1.m2, and origin/main has no v1.m2.md",
    ),
}


@pytest.mark.parametrize(("facts", "holds", "told"), CASES.values(), ids=CASES.keys())
def test_order_is_judged(facts: dict[str, Any], holds: bool, told: str):
    order = judge_order(History(**{**FACTS, **facts}))
    assert (order.holds, told in order.because) == (holds, True), order.because
