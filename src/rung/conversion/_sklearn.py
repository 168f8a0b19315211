"""scikit-learn estimators into the ONNX format, by skl2onnx."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_extraction.text import CountVectorizer

from rung.conversion._convert import Converted
from rung.conversion._feeds import describe
from rung.conversion._signature import INVERSES, Signature, output_of, read_attributes
from rung.conversion._sklearn_operators import OPERATORS
from rung.conversion._verdict import NotConvertibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.conversion._recorder import Use
    from rung.conversion._signature import Element, Input

_TYPES = {
    "float32": FloatTensorType,
    "float64": DoubleTensorType,
    "int64": Int64TensorType,
    "text": StringTensorType,
}
_OUTPUTS = {"predict": 0, "transform": 0, "predict_proba": 1}
"""Methods that are converted, each with the place of its output in what skl2onnx makes."""

_WORDS = r"(?u)\b\w\w+\b"
_WORDS_FOR_ONNX = r"[\p{L}\p{N}_]{2,}"
"""The tokens of `CountVectorizer` in the regular expressions of onnxruntime, where `\\w` is ASCII only."""


def ways(model: Any, use: Use) -> Iterator[Callable[[], Converted]]:
    """Give ways to convert an estimator: with doubles, then with floats; whole numbers as such, then as the others.

    Raises:
        NotConvertibleError: Handlers use it in a way that is not converted.
    """
    attributes = read_attributes(use)
    arguments = [_argument(method, call.arguments, call.named) for method, call in use.calls.items()]
    inner, inverse = _without_target_transformer(model, use)
    tried: list[tuple[Input, ...]] = []
    for floats in ("float64", "float32"):
        for integers in ("int64", floats):
            kinds = {describe(argument, floats=floats, integers=integers) for argument in arguments}
            if len(kinds) > 1:
                raise NotConvertibleError("the handlers hand the model arguments of several kinds")
            ((kind, inputs),) = kinds
            if inputs not in tried:
                tried.append(inputs)
                given = {"kind": kind, "inputs": inputs, "attributes": attributes, "inverse": inverse}
                yield partial(_convert, inner, use, arguments[0], given, precision=floats)


def _convert(model: Any, use: Use, argument: Any, given: dict[str, Any], *, precision: Element) -> Converted:
    vectorizers = list(_vectorizers(model))
    options: dict[int, dict[str, Any]] = {id(one): _vectorizer_options(one) for one in vectorizers}
    if is_classifier(model):
        options[id(model)] = {"zipmap": False}
    converted = convert_sklearn(
        model,
        name="model",  # the default is drawn at random
        initial_types=_initial_types(given, argument),
        options=options,
        custom_conversion_functions=OPERATORS,
    )
    names = [output.name for output in converted.graph.output]
    signature = Signature(
        library="sklearn",
        outputs={method: output_of(names[_OUTPUTS[method]], call) for method, call in use.calls.items()},
        lowercase=given["kind"] == "texts" and bool(vectorizers) and all(one.lowercase for one in vectorizers),
        **given,
    )
    return Converted(signature=signature, content=converted.SerializeToString(deterministic=True), precision=precision)


def _argument(method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if method not in _OUTPUTS:
        raise NotConvertibleError(
            f"a handler calls {method} of the model, and only {', '.join(_OUTPUTS)} are converted"
        )
    if named or len(arguments) != 1:
        raise NotConvertibleError(f"a handler gives {method} more than one argument")
    return arguments[0]


def _initial_types(given: dict[str, Any], argument: Any) -> list[tuple[str, Any]]:
    if given["kind"] == "texts":
        return [("X", StringTensorType([None]))]
    width = argument.shape[1] if given["kind"] == "matrix" else 1
    return [(one.name, _TYPES[one.element]([None, width])) for one in given["inputs"]]


def _without_target_transformer(model: Any, use: Use) -> tuple[Any, str]:
    """Give the regressor inside, and the NumPy function that takes its predictions back.

    Raises:
        NotConvertibleError: The target is transformed by anything but one of these functions.
    """
    if not isinstance(model, TransformedTargetRegressor):
        return model, ""
    found = [name for name in INVERSES if model.inverse_func is getattr(np, name)]
    if not found or set(use.calls) != {"predict"}:
        raise NotConvertibleError(
            "the target is transformed by something that is not converted",
            hint=f"give TransformedTargetRegressor an inverse_func of NumPy: {', '.join(INVERSES)}",
        )
    return model.regressor_, found[0]


def _vectorizer_options(vectorizer: Any) -> dict[str, Any]:
    options = {"locale": "C"}
    if vectorizer.analyzer == "word" and vectorizer.token_pattern == _WORDS:
        options["tokenexp"] = _WORDS_FOR_ONNX
    return options


def _vectorizers(model: Any) -> Iterator[Any]:
    """Find what turns texts into counts, in the fitted parts of an estimator."""
    if isinstance(model, CountVectorizer):
        yield model
    elif isinstance(model, list | tuple):
        for part in model:
            yield from _vectorizers(part)
    elif hasattr(model, "get_params"):
        for name in ("steps", "transformers_", "transformer_list", "estimators_", "estimator", "regressor_"):
            yield from _vectorizers(getattr(model, name, ()))
