"""Charts of held-out rows, by the kind of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from rung.charts.svg import to_svg
from rung.control.dashboard._parallel import axes_of, parallel
from rung.control.dashboard._quality import Classes, Numbers, read
from rung.testing import Evaluated, Exchange


def evaluated(predictions: list[Any], truths: list[Any]) -> Evaluated:
    exchange = Exchange(route="predict", instances=[{}] * len(predictions), predictions=predictions, truths=truths)
    return Evaluated(max_difference=0, exchanges=[exchange])


def test_numbers_have_residuals_and_calibration():
    (found,) = read(evaluated([{"price": float(n)} for n in range(40)], [n + 1 for n in range(40)]))
    assert isinstance(found, Numbers)
    residuals, calibration = found.figures()
    assert residuals.told == "40 held-out rows; truth less answer, +1 on average."
    assert calibration.panels[0].curves[1].points[0] == (1.5, 2.5)
    assert "<style>" not in to_svg(residuals, within="x")


def test_distributions_have_curves():
    answers = [{"yes": n / 40, "no": 1 - n / 40} for n in range(40)]
    (found,) = read(evaluated(answers, ["yes" if n >= 20 else "no" for n in range(40)]))
    assert isinstance(found, Classes)
    assert found.confusion() == [[20, 0], [1, 19]]  # of two that are as likely, the first
    roc, precision, calibration = found.figures()
    assert roc.panels[0].curves[-1].label == "yes 1.000"
    assert precision.panels[0].curves[0].points[-1] == (1.0, 0.5)
    assert calibration.panels[0].curves[-1].points[-1][1] == 1.0


def test_named_classes_have_a_confusion_alone():
    answers = [{"label": "a" if n % 2 else "b"} for n in range(40)]
    (found,) = read(evaluated(answers, ["a"] * 20 + ["b"] * 20))
    assert isinstance(found, Classes)
    assert found.confusion() == [[10, 10], [10, 10]]
    assert found.figures() == []


@pytest.mark.parametrize(
    ("predictions", "truths"),
    [
        ([{"price": 1.0}] * 40, []),
        ([{"price": 1.0}] * 5, [1.0] * 5),
        ([{"words": ["a"]}] * 40, [1.0] * 40),
        ([{"price": float("nan")}] * 40, [1.0] * 40),
    ],
    ids=["no truths", "too few", "another kind", "no numbers"],
)
def test_what_cannot_be_drawn_is_left_out(predictions: list[Any], truths: list[Any]):
    assert read(evaluated(predictions, truths)) == []


def test_axes_are_those_in_which_runs_differ():
    records = [
        {"hyperparameters": {"model": name, "same": 1, "flag": True}, "metrics": {"error": error}}
        for name, error in (("linear", 0.3), ("boosting", 0.1), ("boosting", None))
    ]
    model, error = axes_of(records)
    assert (model.name, model.places) == ("model", (1.0, 0.0, 0.0))
    assert (error.name, error.places, error.low, error.high) == ("error", (1.0, 0.0, None), "0.1", "0.3")
    assert "M96.0" in parallel([model, error], ["<a>", "b", "c"])
    assert "<a>" not in parallel([model, error], ["<a>", "b", "c"])
