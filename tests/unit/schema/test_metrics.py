from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from rung.schema import ABTest, BusinessMetric

METRIC: dict[str, Any] = {
    "name": "sold",
    "kind": "proportion",
    "goal": "maximize",
    "role": "decision",
    "minimum_effect": 0.03,
    "source": "the till",
    "proximity": "it is the product's purpose",
}
RAIL = METRIC | {"name": "returned", "goal": "minimize", "role": "guardrail"}

BAD_METRICS = {
    "name in capitals": {"name": "Sold"},
    "name with a dash": {"name": "sold-out"},
    "name with a line end": {"name": "sold\n"},
    "name too long": {"name": "a" * 64},
    "unknown kind": {"kind": "median"},
    "unknown goal": {"goal": "max"},
    "unknown role": {"role": "main"},
    "unknown priority": {"priority": "medium"},
    "no effect": {"minimum_effect": 0},
    "negative effect": {"minimum_effect": -0.1},
    "infinite effect": {"minimum_effect": float("inf")},
    "effect that is no number": {"minimum_effect": float("nan")},
    "effect in percent": {"minimum_effect": 3},
    "no source": {"source": ""},
    "no proximity": {"proximity": ""},
    "unknown key": {"unit": "sales"},
}


@pytest.mark.parametrize("change", BAD_METRICS.values(), ids=BAD_METRICS.keys())
def test_bad_metric_is_refused(change: dict[str, Any]):
    with pytest.raises(ValidationError) as caught:
        BusinessMetric(**METRIC | change)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("missing", METRIC)
def test_metric_must_be_complete(missing: str):
    with pytest.raises(ValidationError, match=missing):
        BusinessMetric(**{key: value for key, value in METRIC.items() if key != missing})


SAID = METRIC | {"fidelity": "as the till has it", "priority": "low"}
LACKING = {
    "nothing": (SAID, ()),
    "fidelity": (SAID | {"fidelity": None}, ("fidelity",)),
    "priority": ({key: value for key, value in SAID.items() if key != "priority"}, ("priority",)),
    "both": (METRIC, ("fidelity", "priority")),
}


@pytest.mark.parametrize(("metric", "lacks"), LACKING.values(), ids=LACKING.keys())
def test_what_a_metric_does_not_say_is_named(metric: dict[str, Any], lacks: tuple[str, ...]):
    assert BusinessMetric(**metric).lacks == lacks


def test_percent_is_explained():
    with pytest.raises(ValidationError, match=r"cannot change by 3: write three percentage points as 0\.03"):
        BusinessMetric(**METRIC | {"minimum_effect": 3})


def test_mean_may_change_by_more_than_one():
    assert BusinessMetric(**METRIC | {"kind": "mean", "minimum_effect": 3}).minimum_effect == 3


BAD_TESTS = {
    "unit header in capitals": ({"unit_header": "X-Unit-Id"}, "unit_header"),
    "unit header empty": ({"unit_header": ""}, "unit_header"),
    "all units": ({"share": 1}, "share"),
    "no units": ({"share": 0}, "share"),
    "alpha 0": ({"alpha": 0}, "alpha"),
    "alpha one half": ({"alpha": 0.5}, "alpha"),
    "power one half": ({"power": 0.5}, "power"),
    "power 1": ({"power": 1}, "power"),
    "no time": ({"deadline": timedelta(0)}, "deadline"),
    "one name twice": ({"metrics": [METRIC, RAIL | {"name": "sold"}]}, "two business metrics are named sold"),
    "nothing decides": ({"metrics": [RAIL]}, r"exactly one business metric decides an A/B test, not 0: \[\]"),
    "two decide": ({"metrics": [METRIC, METRIC | {"name": "bought"}]}, r"not 2: \['sold', 'bought'\]"),
    "unknown key": ({"days": 14}, "days"),
}


@pytest.mark.parametrize(("change", "told"), BAD_TESTS.values(), ids=BAD_TESTS.keys())
def test_bad_test_is_refused(change: dict[str, Any], told: str):
    with pytest.raises(ValidationError, match=told):
        ABTest(**change)


def test_without_metrics_nothing_decides():
    assert (ABTest().decision, ABTest().guardrails) == (None, ())


def test_roles_are_told_apart():
    test = ABTest(metrics=[RAIL, METRIC])
    assert test.decision == BusinessMetric(**METRIC)
    assert test.guardrails == (BusinessMetric(**RAIL),)


def test_declared_test_survives_json():
    test = ABTest(metrics=[METRIC, RAIL], deadline=timedelta(hours=36))
    assert ABTest.model_validate_json(test.model_dump_json()) == test
    assert ABTest.model_validate(test.model_dump(mode="json")) == test


BEATEN = ABTest(metrics=(BusinessMetric(**METRIC), BusinessMetric(**RAIL)))
CHANGES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "another metric": ({"metrics": [METRIC, RAIL, RAIL | {"name": "asked"}]}, ()),
    "a narrower guardrail": ({"metrics": [METRIC, RAIL | {"minimum_effect": 0.01}]}, ()),
    "another smallest effect": ({"metrics": [METRIC | {"minimum_effect": 0.1}, RAIL]}, ()),
    "another way to test": ({"share": 0.1, "deadline": timedelta(days=2), "power": 0.9, "alpha": 0.01}, ()),
    "no guardrail": ({"metrics": [METRIC]}, ("the guardrail returned (proportion, minimize) is gone",)),
    "a wider guardrail": (
        {"metrics": [METRIC, RAIL | {"minimum_effect": 0.2}]},
        ("minimum_effect of returned is 0.2, and was 0.03",),
    ),
    "a guardrail the other way": (
        {"metrics": [METRIC, RAIL | {"goal": "maximize"}]},
        ("the guardrail returned (proportion, minimize) is gone",),
    ),
    "something else decides": (
        {"metrics": [METRIC | {"name": "clicked"}, RAIL]},
        ("it does not decide by sold (proportion, maximize) any more",),
    ),
    "decision and guardrail change places": (
        {"metrics": [METRIC | {"role": "guardrail"}, RAIL | {"role": "decision"}]},
        ("it does not decide by sold (proportion, maximize) any more",),
    ),
    "no metric": (
        {"metrics": []},
        (
            "it does not decide by sold (proportion, maximize) any more",
            "the guardrail returned (proportion, minimize) is gone",
        ),
    ),
    "more wrong promotions": ({"alpha": 0.2}, ("alpha is 0.2, and was 0.05",)),
    "other units": ({"unit_header": "x-user"}, ("unit_header is x-user, and was x-unit-id",)),
}


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_metrics_belong_to_the_major(change: dict[str, Any], told: tuple[str, ...]):
    assert ABTest.model_validate({"metrics": [METRIC, RAIL], **change}).breaks(BEATEN) == told


def test_whatever_is_measured_is_more_than_nothing():
    assert BEATEN.breaks(ABTest()) == ()
