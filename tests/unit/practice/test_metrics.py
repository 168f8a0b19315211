from __future__ import annotations

from typing import Any

import pytest

from rung.practice import metrics_digest, metrics_without
from rung.schema import ABTest

SOLD: dict[str, Any] = {
    "name": "sold",
    "kind": "proportion",
    "goal": "maximize",
    "role": "decision",
    "minimum_effect": 0.03,
    "source": "the till",
    "proximity": "it is the product's purpose",
    "fidelity": "as the till has it",
    "priority": "high",
}
RETURNED = SOLD | {"name": "returned", "goal": "minimize", "role": "guardrail"}
WITHOUT = {
    "none": ([], "no business metric decides"),
    "whole": ([SOLD, RETURNED], None),
    "no fidelity": ([SOLD | {"fidelity": None}], "sold has no fidelity: each says where its truth comes from"),
    "no priority": (
        [SOLD, {key: value for key, value in RETURNED.items() if key != "priority"}],
        "returned has no priority",
    ),
}


@pytest.mark.parametrize(("metrics", "told"), WITHOUT.values(), ids=WITHOUT.keys())
def test_what_metrics_lack_is_told(metrics: list[dict[str, Any]], told: str | None):
    found = metrics_without(ABTest.model_validate({"metrics": metrics}))
    assert (found is None) == (told is None)
    assert told is None or told in str(found)


def test_declaration_is_named_by_what_it_says():
    one = ABTest.model_validate({"metrics": [SOLD, RETURNED]})
    assert metrics_digest(one) == metrics_digest(ABTest.model_validate({"metrics": [RETURNED, SOLD], "share": 0.1}))
    assert metrics_digest(one) != metrics_digest(
        ABTest.model_validate({"metrics": [SOLD | {"priority": "low"}, RETURNED]})
    )


def test_declaration_survives_its_bundle():
    one = ABTest.model_validate({"metrics": [SOLD]})
    again = ABTest.model_validate(one.model_dump(mode="json"))
    assert (metrics_digest(again), metrics_without(again)) == (metrics_digest(one), None)
