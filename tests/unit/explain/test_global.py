"""What matters on the whole: shuffled fields, and mean terms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from rung.explain import NotExplainableError, explain_linear, explained, explained_of, importance, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = [{"area": float(index), "colour": index % 3} for index in range(100)]


def error(rows: list[Any]) -> Mapping[str, float | None]:
    """Mean error of a model that knows the area alone."""
    wrong = [abs(row["area"] - truth["area"]) for row, truth in zip(rows, ROWS, strict=True)]
    return {"error": sum(wrong) / len(wrong), "nothing": None}


def test_field_that_the_model_uses_matters():
    found = importance(error, ROWS, ["area", "colour"], {"error": "minimize"})
    assert [one.field for one in found] == ["area", "colour"]
    assert (found[0].loss or 0) > 20
    assert found[0].spread > 0
    assert (found[1].loss, found[1].spread) == (0.0, 0.0)


def test_same_rows_are_shuffled_the_same_way():
    once, again = (importance(error, ROWS, ["area"], {"error": "minimize"}) for _ in range(2))
    assert once == again


def test_better_is_a_negative_loss():
    (found,) = importance(error, ROWS, ["area"], {"error": "maximize"})
    assert (found.loss or 0) < -20


def test_test_without_a_number_has_no_loss():
    (found,) = importance(error, ROWS, ["area"], {"nothing": "minimize"})
    assert found.loss is None


def test_what_would_take_too_long_is_not_begun(monkeypatch: pytest.MonkeyPatch):
    moments = iter([0.0, 11.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    with pytest.raises(NotExplainableError, match="would take longer than 30 s"):
        importance(error, ROWS, ["area"], {"error": "minimize"})


def test_mean_sizes_are_of_absolute_terms():
    rows = np.array([[1.0, 0.0], [-3.0, 0.0], [2.0, 1.0]])
    model = LinearRegression().fit(rows, rows[:, 0] * 2)
    (found,) = summarise(explain_linear(model, rows, artifact="fit"))
    assert found.mean_size == pytest.approx({"column 0": 4.0, "column 1": 0.0}, abs=1e-9)
    assert (found.rows, found.artifact, found.output) == (3, "fit", None)
    assert summarise([]) == []


def test_mark_names_the_model():
    @explained(artifact="fit")
    def predict() -> None: ...

    def other() -> None: ...

    assert explained_of(predict).artifact == "fit"  # type: ignore[union-attr]
    assert explained_of(other) is None
