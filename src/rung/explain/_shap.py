"""SHAP values of models that are not linear, with the service's own `shap`: exact ones of trees.

S. Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2020. Imported for such models only: `shap` takes seconds to import.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rung.explain._explanation import Explanation, NotExplainableError, Output
from rung.explain._linear import split, transformed, unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHECKED = 1e-3  # trees of other libraries add up in single precision
_ROWS = 100
"""At the most: an exact explanation of a deep forest takes a tenth of a second a row, and more."""


def explain_shap(model: Any, rows: Any, *, artifact: str = "model") -> list[Explanation]:
    """Give the SHAP values of a model of trees for each row, by input.

    Args:
        model: A fitted ensemble of trees of scikit-learn, XGBoost, LightGBM or CatBoost, alone, at the end of a
            `Pipeline` or in a `TransformedTargetRegressor`.
        rows: What its `predict` takes; 100 at the most.
        artifact: Its name.

    Raises:
        NotExplainableError: `shap` is not installed, it does not know the model, or there are more than 100 rows.
    """
    inner, space = unwrapped(model)
    steps, last = split(inner)
    if find_spec("shap") is None:
        raise NotExplainableError(
            f"{type(last).__name__} is not linear, and shap is not installed",
            hint="add shap, pinned, to infrastructure/requirements.txt",
        )
    matrix, names = transformed(steps, rows)
    if matrix.shape[0] > _ROWS:
        raise NotExplainableError(f"{matrix.shape[0]} rows are more than the {_ROWS} that are explained at a time")
    values, bases = _values(last, matrix)
    return [_explanation(values[row], bases, names, (artifact, space, last)) for row in range(matrix.shape[0])]


def _values(last: Any, matrix: Any) -> tuple[Any, Any]:
    """Ask shap: values (rows x columns x outputs) and the baseline of each output."""
    import numpy as np  # noqa: PLC0415  the model's own library; rung itself does without
    import shap  # noqa: PLC0415  optional, and slow to import

    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    try:
        explainer = shap.TreeExplainer(last)
        values = np.asarray(explainer.shap_values(dense, check_additivity=False))
        bases = np.atleast_1d(np.asarray(explainer.expected_value, dtype=float))
    except Exception as error:  # whatever shap raises of a model that it does not know
        raise NotExplainableError(f"shap does not explain {type(last).__name__} ({error})") from error
    values = values[:, :, None] if values.ndim == 2 else values  # noqa: PLR2004  one output
    sums = values.sum(axis=1) + bases
    if not any(np.allclose(sums, told, rtol=_CHECKED, atol=_CHECKED) for told in _said(last, dense, sums.shape)):
        raise NotExplainableError(
            f"shap's values of {type(last).__name__} do not add up to what it predicts",
            hint="it does not follow splits by category of scikit-learn's trees",
        )
    return values, bases


def _said(last: Any, rows: Any, shape: tuple[int, ...]) -> Iterator[Any]:
    """Give what the sums may add up to: predictions, margins, probabilities, or margins that make these."""
    import numpy as np  # noqa: PLC0415  as above

    if not hasattr(last, "predict_proba"):
        yield np.reshape(last.predict(rows), shape)
        return
    if hasattr(last, "decision_function"):
        yield np.reshape(last.decision_function(rows), shape)
    probabilities = last.predict_proba(rows)
    if shape[1] == 1:
        with np.errstate(divide="ignore"):
            yield (np.log(probabilities[:, -1]) - np.log(probabilities[:, 0]))[:, None]
    else:
        yield probabilities


def _explanation(values: Any, bases: Any, names: list[str], told: tuple[str, str | None, Any]) -> Explanation:
    artifact, space, last = told
    classes = [str(name) for name in getattr(last, "classes_", ())]
    labels: list[str | None] = [None]
    if classes:
        labels = list(classes) if values.shape[1] == len(classes) else [classes[-1]]
    outputs = []
    for index, label in enumerate(labels):
        terms: dict[str, float] = {}
        for name, value in zip(names, values[:, index].tolist(), strict=True):
            terms[name] = terms.get(name, 0.0) + value
        outputs.append(Output(name=label, baseline=float(bases[min(index, len(bases) - 1)]), terms=terms))
    kind = "what the trees add up to" if classes else "prediction"
    return Explanation(artifact=artifact, method="shap", space=space or kind, outputs=tuple(outputs))
