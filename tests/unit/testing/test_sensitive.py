"""Declared sensitive attributes: which rows belong together, and what is measured of each group."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from rung.errors import CallError, ConflictError
from rung.testing import Sensitive, goal, measure_groups

ROWS = [{"age": age, "y": age % 7} for age in range(120)]
TRUTHS = [row["y"] + 1.0 for row in ROWS]


class Client:
    """Answers what the rows say themselves."""

    def predict(self, instances: list[dict[str, Any]], route: str = "predict") -> list[Any]:
        assert route == "predict"
        return [instance["y"] for instance in instances]


@goal.minimize
def error(client: Any, rows: Any, truths: Any) -> float:
    return sum(abs(p - y) for p, y in zip(client.predict(rows), truths, strict=True)) / len(truths)


@goal.minimize(smooth=False)
def median(client: Any, rows: Any, truths: Any) -> float:
    return sorted(client.predict(rows))[len(rows) // 2]


@goal.maximize
def broken(client: Any, rows: Any, truths: Any) -> float:
    raise ValueError("no number")


def measure(sensitive: Sensitive, tests: Any = None, rows: Any = None) -> dict[str, Any]:
    (found,) = measure_groups([sensitive], tests or {"error": error}, Client(), rows or (ROWS, TRUTHS))  # type: ignore[arg-type]
    return found


def test_edges_cut_a_number():
    found = measure(Sensitive("age", edges=(20, 60)))
    assert found["groups"] == [
        {"name": "60 and above", "rows": 60},
        {"name": "20 to 60", "rows": 40},
        {"name": "below 20", "rows": 20},
    ]


def test_small_group_has_no_standard_error():
    scores = measure(Sensitive("age", edges=(20, 60)))["measures"][0]["scores"]
    assert scores[0] == {"value": 1.0, "standard_error": 0.0, "freedom": 19}
    assert scores[2] == {"value": 1.0}


def test_test_that_jumps_is_drawn():
    (score, *_) = measure(Sensitive("age", edges=(60,)), {"median": median})["measures"][0]["scores"]
    assert score["value"] == 3
    assert 0 < score["standard_error"] < 1


def test_test_without_a_number_says_why():
    (score, *_) = measure(Sensitive("age", edges=(60,)), {"broken": broken})["measures"][0]["scores"]
    assert score["value"] is None
    assert "no number" in score["because"]


def test_rates_count_what_is_favourable_and_deserved():
    declared = Sensitive("age", edges=(60,), favourable=lambda y: y >= 5, deserved=lambda y: y >= 5)
    rates = {one["name"]: one["shares"] for one in measure(declared)["measures"] if "shares" in one}
    assert rates["selection_rate"] == [[18, 60], [16, 60]]
    assert rates["true_positive_rate"] == [[18, 27], [16, 24]]
    assert rates["false_positive_rate"] == [[0, 33], [0, 36]]


class Kind(Enum):
    NEW = "new"


@pytest.mark.parametrize(("value", "label"), [(None, "not given"), (True, "True"), (Kind.NEW, "new"), ("a", "a")])
def test_values_are_named(value: object, label: str):
    found = measure(Sensitive("kind", of=lambda _, truths: [value] * len(truths)))
    assert found["groups"] == [{"name": label, "rows": 120}]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Sensitive("height"), "the held-out rows have no 'height'"),
        (Sensitive("age"), "120 values, and at most 20 groups"),
        (Sensitive("age", of=lambda *_: ["a"]), "gives 1 groups for 120"),
        (Sensitive("age", edges=(60,), max_difference={"r2": 0.1}), "bounds 'r2', which is not measured"),
    ],
)
def test_what_cannot_be_measured_is_refused(declared: Sensitive, told: str):
    with pytest.raises(ConflictError, match=told):
        measure(declared)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"edges": (60, 20)}, "has the edges"),
        ({"edges": (20, 20)}, "has the edges"),
        ({"deserved": bool}, "without favourable="),
        ({"max_difference": {"error": -1}}, "max_difference of error is -1"),
        ({"max_difference": {"selection_rate": 0.1}}, "bounds selection_rate without favourable="),
    ],
)
def test_declaration_that_says_nothing_is_refused(arguments: dict[str, Any], told: str):
    with pytest.raises(CallError, match=told):
        Sensitive("age", **arguments)
