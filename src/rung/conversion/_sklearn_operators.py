"""Converters of our own where those of skl2onnx lose precision, or fail with today's onnx.

Given to skl2onnx for one conversion at a time; nothing is registered in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from skl2onnx.operator_converters.common import concatenate_variables
from sklearn import ensemble, tree
from sklearn.impute import SimpleImputer

if TYPE_CHECKING:
    from collections.abc import Callable


class _Doubles:
    """Writes the nodes of trees with thresholds and weights as doubles, where the inputs are.

    Without it they are rounded to floats, and rows next to a threshold take the other branch. Everything else goes to
    the container of skl2onnx as it is.
    """

    def __init__(self, container: Any, operator: Any, scope: Any) -> None:
        self._container = container
        self._scope = scope
        self._gives_doubles = any(isinstance(output.type, DoubleTensorType) for output in operator.outputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, op_type: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        """Write a node."""
        attributes = {name: _whole(value) for name, value in attributes.items()}
        if not op_type.startswith("TreeEnsemble") or attributes["nodes_values"].dtype != np.float64:
            self._container.add_node(op_type, inputs, outputs, **attributes)
            return
        doubles = {name: value for name, value in attributes.items() if getattr(value, "dtype", None) == np.float64}
        tensors = {f"{name}_as_tensor": numpy_helper.from_array(value, name) for name, value in doubles.items()}
        others = {name: value for name, value in attributes.items() if name not in doubles} | {"op_version": 3}
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        if not self._gives_doubles:
            self._container.add_node(op_type, inputs, names, **others, **tensors)
            return
        floats = self._scope.get_unique_variable_name("floats")
        self._container.add_node(op_type, inputs, [*names[:-1], floats], **others, **tensors)
        cast = self._scope.get_unique_operator_name("Cast")
        self._container.add_node("Cast", [floats], [names[-1]], name=cast, op_version=13, to=TensorProto.DOUBLE)


def _whole(value: Any) -> Any:
    """Make booleans and NumPy's whole numbers plain: onnx takes no others in a list."""
    if isinstance(value, list) and value and isinstance(value[0], bool | np.bool_ | int | np.integer):
        return [int(item) for item in value]
    return np.array(value, dtype=np.float64) if _is_doubles(value) else value


def _is_doubles(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], float)


def _trees(alias: str, scope: Any, operator: Any, container: Any) -> None:
    """Convert trees; some converters round to floats unless they are told that the operator knows doubles."""
    version = ("TreeEnsembleClassifier", "ai.onnx.ml", 3) if alias in _ROUNDING else ()
    get_converter(alias)(scope, operator, _Doubles(container, operator, scope), *version)


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    """Replace NaN in the type of the inputs; onnxruntime's own operator knows no doubles."""
    imputer, kind = operator.raw_operator, operator.inputs[0].type
    fills_nan = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    is_plain = fills_nan and not imputer.add_indicator and isinstance(kind, DoubleTensorType | FloatTensorType)
    if not is_plain or np.isnan(imputer.statistics_).any():
        get_converter(sklearn_operator_name_map[SimpleImputer])(scope, operator, container)
        return
    values = concatenate_variables(scope, operator.inputs, container)
    missing, fill = scope.get_unique_variable_name("missing"), scope.get_unique_variable_name("fill")
    element = TensorProto.DOUBLE if isinstance(kind, DoubleTensorType) else TensorProto.FLOAT
    container.add_initializer(fill, element, [1, len(imputer.statistics_)], imputer.statistics_)
    for name, inputs, output in (
        ("IsNaN", [values], missing),
        ("Where", [missing, fill, values], operator.outputs[0].full_name),
    ):
        container.add_node(name, inputs, [output], name=scope.get_unique_operator_name(name), op_version=9)


_ROUNDING = {
    sklearn_operator_name_map[kind]
    for kind in (
        ensemble.ExtraTreesClassifier,
        ensemble.HistGradientBoostingClassifier,
        ensemble.RandomForestClassifier,
    )
}

_OF_TREES = (
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    ensemble.ExtraTreesClassifier,
    ensemble.ExtraTreesRegressor,
    ensemble.GradientBoostingClassifier,
    ensemble.GradientBoostingRegressor,
    ensemble.HistGradientBoostingClassifier,
    ensemble.HistGradientBoostingRegressor,
    ensemble.RandomForestClassifier,
    ensemble.RandomForestRegressor,
)

OPERATORS: dict[type, Callable[..., None]] = {
    SimpleImputer: _imputer,
    **{kind: partial(_trees, sklearn_operator_name_map[kind]) for kind in _OF_TREES},
}
"""Class to converter, as `convert_sklearn(custom_conversion_functions=...)` takes them."""
