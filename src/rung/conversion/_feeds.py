"""From what a handler hands to its model to what the runtime takes: as little Python as one row allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rung.conversion._signature import Input, Signature
from rung.conversion._verdict import NotConvertibleError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.conversion._signature import Element

_KINDS = {"float64": "fiu", "float32": "fiu", "int64": "iu", "text": "OUT"}
"""NumPy's kinds of arrays that may be given to an input; others were not proven."""


class UnprovenError(Exception):
    """A call of a kind that the parity gate has not seen; the native model answers it."""


def describe(value: Any, *, floats: Element, integers: Element) -> tuple[str, tuple[Input, ...]]:
    """Derive kind and inputs from what a handler handed to its model.

    Args:
        value: The argument.
        floats: Type of the inputs that numbers with a fraction become.
        integers: Type of the inputs that columns of whole numbers become.

    Raises:
        NotConvertibleError: It is none of the kinds that are converted.
    """
    if _is_frame(value):
        columns = [(str(name), _array(value[name])) for name in value.columns]
        return "frame", tuple(
            Input(name=name, element=_element(name, array, floats, integers)) for name, array in columns
        )
    if _are_texts(value):
        return "texts", (Input(name="X", element="text"),)
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu":  # noqa: PLR2004  rows, columns
        return "matrix", (Input(name="X", element=floats),)
    raise NotConvertibleError(
        f"a handler hands the model a {type(value).__name__}",
        hint="hand it a polars or pandas frame, an array of two dimensions, texts, or tensors",
    )


def feed_for(signature: Signature) -> Callable[..., dict[str, Any]]:
    """Make the function that turns a method's arguments into the runtime's inputs.

    It raises `UnprovenError`, or whatever a library raises, for arguments of another kind.
    """
    if signature.kind == "frame":
        return _frame_feed(signature.inputs)
    if signature.kind == "texts":
        return _texts_feed(signature)
    if signature.kind == "tensors":
        return _tensors_feed(signature.inputs)
    return _matrix_feed(signature.inputs[0])


def _matrix_feed(declared: Input) -> Callable[..., dict[str, Any]]:
    name, element = declared.name, np.dtype(declared.element)

    def feed(array: Any) -> dict[str, Any]:
        if type(array) is not np.ndarray or array.dtype.kind not in "fiu":
            raise UnprovenError(f"a {type(array).__name__} in place of an array of numbers")
        return {name: array if array.dtype is element else array.astype(element)}

    return feed


def _frame_feed(inputs: tuple[Input, ...]) -> Callable[..., dict[str, Any]]:
    columns = [(one.name, _KINDS[one.element], one.element) for one in inputs]

    def feed(frame: Any) -> dict[str, Any]:
        fed = {}
        for name, kinds, element in columns:
            array = _array(frame[name])
            if array.dtype.kind not in kinds:
                raise UnprovenError(f"the column {name} is of another type")
            if element == "text":
                array = _as_texts(array, name)
            elif array.dtype != element:
                array = array.astype(element)
            fed[name] = array.reshape(-1, 1)
        return fed

    return feed


def _texts_feed(signature: Signature) -> Callable[..., dict[str, Any]]:
    name, lowercase = signature.inputs[0].name, signature.lowercase

    def feed(texts: Any) -> dict[str, Any]:
        if isinstance(texts, str):
            raise UnprovenError("one text in place of several")
        array = np.array([text.lower() for text in texts] if lowercase else list(texts), dtype=object)
        return {name: _as_texts(array, "the texts")}

    return feed


def _tensors_feed(inputs: tuple[Input, ...]) -> Callable[..., dict[str, Any]]:
    expected = [(one.name, np.dtype(one.element)) for one in inputs]

    def feed(*tensors: Any) -> dict[str, Any]:
        if len(tensors) != len(expected):
            raise UnprovenError(f"{len(tensors)} tensors in place of {len(expected)}")
        fed = {name: tensor.numpy(force=True) for (name, _), tensor in zip(expected, tensors, strict=True)}
        if any(fed[name].dtype != element for name, element in expected):
            raise UnprovenError("a tensor of another type")
        return fed

    return feed


def _as_texts(array: Any, name: str) -> Any:
    """Give an array of texts as objects. The runtime would take anything else by its `str`, a None as "None"."""
    if array.dtype.kind == "O":
        if not all(type(text) is str for text in array.ravel().tolist()):
            raise UnprovenError(f"{name}: something is missing or is no text")
        return array
    return array.astype(object)


def _array(series: Any) -> Any:
    return series.to_numpy()


def _element(name: str, array: Any, floats: Element, integers: Element) -> Element:
    kind = array.dtype.kind
    if kind == "f":
        return floats
    if kind in "iu":
        return integers
    if kind in "OUT" and all(type(text) is str for text in array.tolist()):
        return "text"
    raise NotConvertibleError(
        f"the column {name} holds neither only numbers nor only texts ({array.dtype})",
        hint="fill what is missing, or leave the column away",
    )


def _is_frame(value: Any) -> bool:
    return type(value).__name__ == "DataFrame" and type(value).__module__.partition(".")[0] in ("polars", "pandas")


def _are_texts(value: Any) -> bool:
    if not isinstance(value, list | tuple | np.ndarray) and type(value).__name__ != "Series":
        return False
    return getattr(value, "ndim", 1) == 1 and len(value) > 0 and all(isinstance(text, str) for text in value)
