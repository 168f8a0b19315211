"""Exact terms of linear models of scikit-learn, also behind preprocessing and a transformed target.

A linear model is its own explanation: coefficient times value, for each column. Columns that come from one input are
added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rung.explain._columns import sources
from rung.explain._explanation import Explanation, NotExplainableError, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOGS = {"log": "log", "log1p": "log of 1 +", "log10": "log10", "log2": "log2", "sqrt": "square root"}
_CHECKED = 1e-6  # of the model's own value


def explain_linear(model: Any, rows: Any, *, artifact: str = "model") -> list[Explanation]:
    """Give the terms of a linear model for each row: baseline plus terms are exactly what it says.

    Terms are relative to 0 of each column as the model sees it: the mean, where a `StandardScaler` stands before it.

    Args:
        model: A fitted regressor or classifier with `coef_` and `intercept_`, alone, at the end of a `Pipeline`, or in
            a `TransformedTargetRegressor`: then terms add up to the transformed target, and `space` says so.
        rows: What its `predict` takes.
        artifact: Its name.

    Raises:
        NotExplainableError: It is not such a model, or its columns have no names.
    """
    inner, space = unwrapped(model)
    steps, last = split(inner)
    coefficients = getattr(last, "coef_", None)
    intercept = getattr(last, "intercept_", None)
    if coefficients is None or intercept is None:
        raise NotExplainableError(f"{type(last).__name__} is not linear")
    matrix, names = transformed(steps, rows)
    weights, baselines, outputs, kind = _outputs(last, coefficients, intercept)
    _check(last, matrix[:1] if steps else rows[:1], matrix[:1] @ weights.T + baselines)
    method = "linear terms"
    return [
        Explanation(
            artifact=artifact,
            method=method,
            space=space or kind,
            outputs=tuple(
                Output(name=name, baseline=float(baseline), terms=terms)
                for name, baseline, terms in zip(outputs, baselines, _terms(matrix[index], weights, names), strict=True)
            ),
        )
        for index in range(matrix.shape[0])
    ]


def unwrapped(model: Any) -> tuple[Any, str | None]:
    """Give the regressor inside of a `TransformedTargetRegressor`, and what it predicts there."""
    if type(model).__name__ != "TransformedTargetRegressor":
        return model, None
    function = getattr(model, "func", None)
    if function is not None:
        name = getattr(function, "__name__", "a function")
        return model.regressor_, f"{_LOGS.get(name, name)} of the prediction"
    kind = type(model.transformer_).__name__
    return model.regressor_, None if kind == "FunctionTransformer" else f"{kind} of the prediction"


def split(model: Any) -> tuple[list[Any], Any]:
    """Give the preprocessing and the estimator behind it."""
    if type(model).__name__ != "Pipeline":
        return [], model
    *steps, (_, last) = model.steps
    before = [step for _, step in steps if step not in (None, "passthrough")]
    further, innermost = split(last)
    return [*before, *further], innermost


def transformed(steps: Sequence[Any], rows: Any) -> tuple[Any, list[str]]:
    """Give the rows as the estimator sees them, and the input that each column comes from."""
    names = [str(name) for name in getattr(rows, "columns", ())] or None
    matrix = rows
    for step in steps:
        matrix = step.transform(matrix)
        names = sources(step, names, matrix.shape[1])
    matrix = matrix if hasattr(matrix, "toarray") else _numbers(matrix)
    return matrix, names or [f"column {index}" for index in range(matrix.shape[1])]


def _numbers(matrix: Any) -> Any:
    import numpy as np  # noqa: PLC0415  the model's own library; rung itself does without

    try:
        return np.atleast_2d(np.asarray(matrix, dtype=float))
    except (TypeError, ValueError) as error:
        raise NotExplainableError("the rows are no numbers") from error


def _outputs(last: Any, coefficients: Any, intercept: Any) -> tuple[Any, Any, list[str | None], str]:
    """Give weights (outputs x columns), baselines, names of the outputs, and what they are."""
    import numpy as np  # noqa: PLC0415  as above

    weights = np.atleast_2d(np.asarray(coefficients, dtype=float))
    baselines = np.broadcast_to(np.atleast_1d(np.asarray(intercept, dtype=float)), (weights.shape[0],))
    classes = getattr(last, "classes_", None)
    if classes is None:
        several = weights.shape[0] > 1
        names = [f"output {index}" for index in range(weights.shape[0])] if several else [None]
        return weights, baselines, list(names), "prediction"
    if type(last).__name__ != "LogisticRegression":
        raise NotExplainableError(f"{type(last).__name__} is a linear classifier whose terms are no log-odds")
    if weights.shape[0] == 1:
        return weights, baselines, [str(classes[-1])], "log-odds"
    return weights, baselines, [str(name) for name in classes], "log of the probability, up to a constant of the row"


def _terms(row: Any, weights: Any, names: Sequence[str]) -> list[dict[str, float]]:
    """Multiply, for one row; inputs without a value other than 0 are left out of sparse ones."""
    if hasattr(row, "tocoo"):
        found = row.tocoo()
        columns, values = found.coords[-1].tolist(), found.data.tolist()
    else:
        columns, values = range(len(names)), row.tolist()
    told: list[dict[str, float]] = []
    for weight in weights:
        terms: dict[str, float] = {}
        for column, value in zip(columns, values, strict=True):
            terms[names[column]] = terms.get(names[column], 0.0) + float(weight[column]) * float(value)
        told.append(terms)
    return told


def _check(last: Any, first: Any, sums: Any) -> None:
    """Hold the sums against what the estimator itself says of the first row: a link between them is not linear."""
    import numpy as np  # noqa: PLC0415  as above

    expected = last.decision_function(first) if hasattr(last, "decision_function") else last.predict(first)
    if not np.allclose(np.ravel(expected), np.ravel(sums), rtol=_CHECKED, atol=_CHECKED):
        raise NotExplainableError(f"{type(last).__name__} puts something between its terms and what it predicts")
