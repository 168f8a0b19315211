"""Which calls of `evaluate_models` plainly hand over no training rows."""

from __future__ import annotations

import pytest

from rung.checks._evaluation import calls_without_training_rows


@pytest.mark.parametrize(
    "call",
    [
        "evaluate_models(X, y)",
        "evaluate_models(X_test=X, y_test=y, explain=True)",
        "training.evaluate_models(X, y_test=y, X_train=None)",
    ],
)
def test_a_call_without_them_is_found(call: str):
    assert list(calls_without_training_rows(f"def evaluate():\n    return {call}\n")) == [2]


@pytest.mark.parametrize(
    "call",
    [
        "evaluate_models(X, y, Z)",
        "evaluate_models(X_test=X, y_test=y, X_train=Z, y_train=z)",
        "evaluate_models(*rows)",
        "evaluate_models(X, y, **more)",
        "evaluate(X, y)",
    ],
)
def test_a_call_that_may_give_them_is_not(call: str):
    assert list(calls_without_training_rows(f"def evaluate():\n    return {call}\n")) == []
