"""Which way a model is explained, and what it was asked: seen from how the handler uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.explain._explanation import NotExplainableError
from rung.explain._linear import explain_linear, split, unwrapped
from rung.explain._shap import explain_shap

if TYPE_CHECKING:
    from rung.conversion import Use
    from rung.explain._explanation import Explanation

_PREDICTS = ("predict", "predict_proba", "decision_function", "predict_log_proba")


def explain_model(model: Any, rows: Any, *, artifact: str = "model") -> list[Explanation]:
    """Explain what a model says of each row: exactly where it is linear, else with shap.

    Args:
        model: A fitted estimator.
        rows: What its `predict` takes.
        artifact: Its name.

    Raises:
        NotExplainableError: Neither knows it.
    """
    _, last = split(unwrapped(model)[0])
    if hasattr(last, "coef_") and hasattr(last, "intercept_"):
        return explain_linear(model, rows, artifact=artifact)
    return explain_shap(model, rows, artifact=artifact)


def explain_use(model: Any, use: Use, *, artifact: str, count: int) -> list[Explanation]:
    """Explain what a handler was told by a model: one explanation for each instance, in order.

    Args:
        model: That was recorded, itself.
        use: How the handler used it.
        artifact: Its name.
        count: Instances that the handler was asked about.

    Raises:
        NotExplainableError: The handler did not ask the model for one row of each instance.
    """
    calls = [use.calls[method] for method in _PREDICTS if method in use.calls]
    if not calls or len(calls[0].arguments) != 1:
        raise NotExplainableError(f"the handler did not ask {artifact} for a prediction of rows")
    found = explain_model(model, calls[0].arguments[0], artifact=artifact)
    if len(found) != count:
        raise NotExplainableError(f"the handler asked {artifact} for {len(found)} rows, for {count} instances")
    return found
