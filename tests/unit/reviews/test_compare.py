"""What differs between two versions of a service, as rows and as Markdown."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from rung.reviews import compare, markdown
from rung.schema import Contract, max_instances, route_contract


@max_instances(8)
class Instance(BaseModel):
    rooms: Annotated[int, Field(ge=0, description="rooms")]
    wall: Literal["wood", "brick"]


class Parameters(BaseModel):
    step: int = 1


class Prediction(BaseModel):
    price: float


ROUTE = route_contract(instance=Instance, parameters=Parameters, prediction=Prediction)
BEFORE: dict[str, Any] = {
    "contract": Contract(major=1, routes={"predict": ROUTE}).to_json(),
    "hyperparameters": {"trees": 300, "kind": "boosting"},
    "tasks": {"load_data": "task"},
    "requirements": {"numpy": "2.4.6"},
    "data tests": {"r2": "a", "mae": "b", "bias": "c"},
    "removed": {},
    "regression tests": {"test_x": "test"},
    "infrastructure": {"serving.vcpus": 1},
    "service levels": {"latency_p99_ms": 250.0},
    "A/B test": {"share": 0.5},
}


def changed(**parts: Any) -> dict[str, Any]:
    return copy.deepcopy(BEFORE) | parts


def contract(**fields: Any) -> dict[str, Any]:
    """Give the contract with some parts of its route changed."""
    route = {**copy.deepcopy(BEFORE["contract"]["routes"]["predict"]), **fields}
    return {"major": 1, "routes": {"predict": route}}


def run(**more: Any) -> dict[str, Any]:
    return {"id": "r1", "revision": None, "overrides": {}, "settings": {}, "failed_tests": [], "metrics": {}} | more


def rows(after: dict[str, Any]) -> list[tuple[str, str, str | None, str | None, bool]]:
    found = compare("housing", BEFORE, after, base="main").changes
    return [(one.kind, one.what, one.before, one.after, one.breaks) for one in found]


def test_nothing_differs():
    review = compare("housing", BEFORE, changed(), base="main")
    assert (review.changes, review.takes) == ((), "the schema is the same: it takes the next minor of v1")
    assert "Nothing of schema" in markdown(review)


def test_a_new_service_begins():
    review = compare("housing", None, changed(), base="main")
    assert review.takes == "the service is new: it begins with v1.m0, its benchmark"
    assert not review.breaks_promise


def test_values_are_told_before_and_after():
    after = changed(
        hyperparameters={"trees": 10, "kind": "boosting", "seed": 0},
        requirements={},
        infrastructure={"serving.vcpus": 2},
    )
    assert rows(after) == [
        ("hyperparameters", "seed", None, "0", False),
        ("hyperparameters", "trees", "300", "10", False),
        ("requirements", "numpy", "2.4.6", None, False),
        ("infrastructure", "serving.vcpus", "1", "2", False),
    ]


def test_data_tests_are_told_by_what_becomes_of_them():
    after = changed(**{"data tests": {"r2": "other", "new": "d"}, "removed": {"mae": "never used"}})
    assert [row[1:4] for row in rows(after)] == [
        ("bias", "there", "removed, no reason"),
        ("mae", "there", "removed: never used"),
        ("new", None, "new: recorded, not compared, this once"),
        ("r2", "there", "computes something else: not compared"),
    ]


def test_an_addition_keeps_the_promise():
    instance = copy.deepcopy(ROUTE.instance)
    instance["properties"]["garage"] = {"type": "boolean", "default": False}
    review = compare("housing", BEFORE, changed(contract=contract(instance=instance)), base="main")
    assert review.takes == "the schema is kept: it takes the next minor of v1"
    (row,) = review.changes
    assert (row.what, row.before, row.breaks) == ("predict: instance.garage", None, False)


def test_a_break_is_told_at_its_field():
    instance = copy.deepcopy(ROUTE.instance)
    instance["properties"]["rooms"]["minimum"] = 1
    review = compare("housing", BEFORE, changed(contract=contract(instance=instance, max_instances=4)), base="main")
    assert review.breaks_promise
    assert review.takes == "it breaks what v1 promises: it takes major = 2 in schema/service.py"
    assert {(one.what, one.breaks) for one in review.changes} == {
        ("predict: instance.rooms", True),
        ("predict: max_instances", True),
    }
    assert "**schema, breaking**" in markdown(review)


def test_another_major_may_break():
    gone = {"major": 2, "routes": {}}
    review = compare("housing", BEFORE, changed(contract=gone), base="main")
    assert not review.breaks_promise
    assert review.takes == "it opens v2; consumers of v1 stay where they are"
    assert any(one.breaks and one.after == "the route is gone" for one in review.changes)


def test_what_is_only_said_of_a_field_is_no_change():
    instance = copy.deepcopy(ROUTE.instance)
    instance["properties"]["rooms"]["description"] = "all of them"
    assert rows(changed(contract=contract(instance=instance))) == []


def test_metrics_are_of_runs_that_are_alike():
    small = {"overrides": {"load_data": "sample_data"}}
    runs = run(id="old", metrics={"r2": 0.5}, **small), run(id="new", metrics={"r2": 0.75, "mae": 2.0}, **small)
    review = compare("housing", BEFORE, changed(), base="main", runs=runs)
    assert [(one.name, one.before, one.after) for one in review.metrics] == [("r2", 0.5, 0.75), ("mae", None, 2.0)]
    assert review.trained == "run new on small data, against old"
    assert "| `r2` | 0.5 | 0.75 | +0.25 |" in markdown(review)


def test_runs_that_are_not_alike_are_told_so():
    runs = run(revision="housing.v1.m2"), run(id="new", overrides={"a": "b"}, failed_tests=["test_x"])
    told = compare("housing", BEFORE, changed(), base="main", runs=runs).trained
    assert told == (
        "run new on small data, against housing.v1.m2, which was trained otherwise: look at the order of magnitude "
        "only; regression tests that did not pass: test_x"
    )
    assert compare("housing", BEFORE, changed(), base="main").trained == "nothing was trained yet: `rung train` first"


def test_values_cannot_break_the_table():
    text = markdown(
        compare("housing", BEFORE, changed(hyperparameters={"trees": "a|b\n`c` " + "x" * 300}), base="main")
    )
    (row,) = [line for line in text.splitlines() if "`trees`" in line]
    assert "a\\|b 'c' xxx" in row
    assert len(row) < 250
