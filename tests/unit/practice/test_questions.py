"""The seven questions: what answers each, whatever is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rung.practice import (
    AnswerKind,
    DeclaredLoad,
    DeclaredTests,
    Loaded,
    QuestionFacts,
    Scored,
    answers,
    fields_of,
    summary,
)
from rung.schema import Contract, Specification
from rung.schema._contract import RouteContract

SPECIFICATION: dict[str, Any] = {
    "title": "Houses",
    "latency_p99_ms": 250,
    "throughput_rps": 20,
    "error_rate": 0.01,
    "consumers": [
        {"name": "form", "needs": ["price"], "requests_per_s": 15},
        {"name": "desk", "needs": ["price"], "requests_per_s": 5},
    ],
    "edge_cases": [{"name": "no price", "test": "test_no_price"}],
    "accuracy": [{"test": "r2", "at_least": 0.5}],
}
TESTS = DeclaredTests(
    serving=("test_no_price", "test_more"),
    regression=("test_bigger",),
    data=("r2",),
    load=DeclaredLoad(stages=("4 users for 4 s",), own_limits={}, route=None),
)
LOAD = Loaded(
    revision="housing.v1.m1",
    passed=True,
    because="",
    latency_p99_ms=66,
    throughput_rps=19.8,
    latency_limit_ms=250,
    throughput_limit_rps=20,
)
WHOLE = QuestionFacts(
    service="housing",
    specification=Specification.model_validate(SPECIFICATION),
    tests=TESTS,
    fields={"predict": {"price": "dollars"}},
    scores={"r2": Scored(revision="housing.v1.m1", value=0.6)},
    passed=frozenset({"test_no_price"}),
    load=LOAD,
)


def known(**changes: Any) -> QuestionFacts:
    """Change what is known; a field of the specification by its name."""
    own = {name: changes.pop(name) for name in list(changes) if name in Specification.model_fields}
    return replace(WHOLE, specification=Specification.model_validate(SPECIFICATION | own), **changes)


def with_tests(**changes: Any) -> DeclaredTests:
    return replace(TESTS, **changes)


LOOSE = DeclaredLoad(stages=("4 users for 4 s",), own_limits={"latency_p99_ms": 400}, route=None)
TIGHT = DeclaredLoad(stages=("4 users for 4 s",), own_limits={"latency_p99_ms": 100}, route=None)
UNUSED = [{"name": "form"}]
WORKING = [{"name": "form", "needs": ["price"], "transforms": "multiply it by 1.2"}]
ANSWERS = {
    "1 measured": (1, known(), "shown", "66 ms at the 99th percentile in the load test of housing.v1.m1, 250 ms may"),
    "1 too slow": (1, known(load=replace(LOAD, latency_p99_ms=300.0)), "refuted", "300 ms"),
    "1 not run": (1, known(load=None), "named", "has not run on a revision yet"),
    "1 no load test": (1, known(tests=with_tests(load=None), load=None), "open", "there is no load test"),
    "2 measured": (2, known(), "shown", "19.8 requests a second were answered"),
    "2 too few": (2, known(load=replace(LOAD, throughput_rps=11.0)), "refuted", "11.0 requests a second"),
    "2 not run": (2, known(load=None), "named", "sends 20 requests a second"),
    "3 scored": (3, known(), "shown", "r2 0.6 of housing.v1.m1"),
    "3 scored and replayed": (3, known(replay="of 200 none was refused"), "shown", "; of 200 none was refused"),
    "3 not right enough": (3, known(scores={"r2": Scored(revision="m", value=0.4)}), "refuted", "needed is r2 >= 0.5"),
    "3 not scored": (3, known(scores={}), "named", "r2 >= 0.5 on the held-out rows"),
    "3 no need told": (3, known(accuracy=[]), "open", "does not say how right it must be"),
    "3 no such test": (3, known(accuracy=[{"test": "mae", "at_most": 1}]), "open", "tests/data.py has no mae"),
    "3 no regression": (3, known(tests=with_tests(regression=())), "open", "1 data tests and 0 regression tests"),
    "4 passed": (4, known(), "shown", "1 edge cases, 1 serving tests, which passed on this code"),
    "4 not run": (4, known(passed=None), "named", "have not run on this code"),
    "4 another one ran": (4, known(passed=frozenset({"test_more"})), "named", "have not run on this code"),
    "4 failed": (4, known(failed=frozenset({"test_no_price"})), "refuted", "test_no_price did not pass"),
    "4 no such test": (4, known(tests=with_tests(serving=())), "open", "tests/serve has no test_no_price"),
    "4 no edge cases": (4, known(edge_cases=[]), "open", "names no edge cases"),
    "5 run": (5, known(), "shown", "1 stages, then 20 requests a second; 20 are expected; run on housing.v1.m1"),
    "5 not run": (5, known(load=None), "named", "20 are expected"),
    "5 run by other levels": (5, known(latency_p99_ms=200), "named", "was judged by 250 ms and 20 requests a second"),
    "5 more expected": (5, known(throughput_rps=10, load=None), "refuted", "20 requests a second are expected, and 10"),
    "5 nothing expected": (5, known(consumers=UNUSED), "open", "does not say how much is expected"),
    "5 looser": (5, known(tests=with_tests(load=LOOSE)), "refuted", "latency_p99_ms = 400, and promised is 250"),
    "5 tighter": (5, known(tests=with_tests(load=TIGHT)), "shown", "run on"),
    "6 all there": (6, known(), "shown", "the prediction has price"),
    "6 not there": (6, known(fields={"predict": {"value": ""}}), "refuted", "has no price for form, price for desk"),
    "6 nobody looked": (6, known(fields=None), "named", "consumers need price"),
    "6 no consumer": (6, known(consumers=[]), "open", "names no consumer"),
    "6 no need": (6, known(consumers=UNUSED), "open", "nobody says which fields form needs"),
    "6 on its own route": (
        6,
        known(
            fields={"large": {"price": "x"}, "small": {}},
            consumers=[{"name": "f", "needs": ["price"], "route": "large"}],
        ),
        "shown",
        "the prediction has price",
    ),
    "6 on the other route": (
        6,
        known(fields={"large": {"price": "x"}, "small": {}}),
        "refuted",
        "has no price for form",
    ),
    "7 as it is": (7, known(), "shown", "no consumer transforms an answer (price: dollars)"),
    "7 work": (7, known(consumers=WORKING), "refuted", "form must multiply it by 1.2"),
    "7 not described": (7, known(fields={"predict": {"price": ""}}), "open", "price has no description"),
    "7 nobody looked": (7, known(fields=None), "named", "no consumer transforms an answer"),
    "7 no need": (7, known(consumers=UNUSED), "open", "nobody says what is done with an answer"),
}


@pytest.mark.parametrize(("number", "facts", "kind", "told"), ANSWERS.values(), ids=ANSWERS.keys())
def test_question_is_answered(number: int, facts: QuestionFacts, kind: str, told: str):
    found = answers(facts)
    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6, 7]
    answer = found[number - 1]
    assert (answer.standing, told in answer.because) == (kind, True), answer
    assert bool(answer.next) is (kind != "shown")


def test_summary_names_what_is_left():
    assert summary(answers(WHOLE)) == "7 of 7 questions are answered, 7 of them borne out"
    told = summary(answers(known(edge_cases=[], load=None)))
    assert (
        told == "6 of 7 questions are answered, 3 of them borne out; 4 is open: the specification names no edge cases"
    )


def test_answer_is_data():
    data = answers(WHOLE)[3].to_json()
    assert data["question"] == "Do the serving tests cover the edge cases?"
    assert (data["standing"], data["by"]) == (AnswerKind.SHOWN, ["test_no_price"])


def test_fields_have_their_descriptions():
    schema = {"properties": {"price": {"type": "number", "description": "dollars"}, "label": {"type": "string"}}}
    contract = Contract(
        major=1, routes={"predict": RouteContract(instance={}, parameters={}, prediction=schema, max_instances=1)}
    )
    assert fields_of(contract) == {"predict": {"price": "dollars", "label": ""}}
