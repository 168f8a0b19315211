"""What a converted model takes and gives: the header beside its bytes, derived from what handlers did in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from rung.conversion._verdict import NotConvertibleError

if TYPE_CHECKING:
    from rung.conversion._recorder import Call, Use

Element = Literal["float32", "float64", "int64", "text"]

Inverse = Literal["", "cbrt", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "sqrt", "square"]
"""NumPy functions that take a target back: each maps one number to one number."""
INVERSES = tuple(name for name in get_args(Inverse) if name)

_LARGEST_ATTRIBUTE = 10_000
"""Elements of an array that is kept in the header."""


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(_Header):
    """One input of the converted model."""

    name: str
    element: Element | str
    """For tensors, NumPy's name of the type."""


class Output(_Header):
    """What one method gives."""

    name: str
    """Of the converted model's output."""
    element: str = ""
    """NumPy's name of the native output's type, as `<f8`; empty where it stays as it is."""
    dimensions: int = 0
    """Of the native output; a column is flattened where that has one."""


class Attribute(_Header):
    """A value that handlers read from the model."""

    value: Any
    element: str = ""
    """NumPy's name of the type of an array's elements; empty: plain data."""


class Signature(_Header):
    """How a converted model is called."""

    version: Literal[1] = 1
    library: Literal["sklearn", "torch"]
    kind: Literal["frame", "matrix", "texts", "tensors"]
    """What the methods take: a polars or pandas frame, an array of two dimensions, texts, or tensors."""
    inputs: tuple[Input, ...]
    outputs: dict[str, Output]
    """By method."""
    attributes: dict[str, Attribute] = {}
    ignored: tuple[str, ...] = ()
    """Methods that do nothing here and give the model back, as `eval`."""
    lowercase: bool = False
    """Texts are made lower-case first: the runtime knows no letters beyond ASCII."""
    inverse: Inverse = ""
    """What takes the target back to its own scale."""


def read_attributes(use: Use) -> dict[str, Attribute]:
    """Give what handlers read from the model, as data.

    Raises:
        NotConvertibleError: It is not data.
    """
    return {name: _attribute(name, value) for name, value in use.attributes.items()}


def _attribute(name: str, value: Any) -> Attribute:
    if type(value) in (bool, int, float, str):
        return Attribute(value=value)
    element = getattr(getattr(value, "dtype", None), "str", "")
    if type(value).__module__ == "numpy" and value.size <= _LARGEST_ATTRIBUTE and value.dtype.kind in "biufUO":
        plain = value.tolist()
        if value.dtype.kind != "O" or all(type(item) is str for item in plain):
            return Attribute(value=plain, element=element)
    raise NotConvertibleError(
        f"a handler reads {name} of the model, a {type(value).__name__}, which is not converted",
        hint="keep it in an artifact of its own",
    )


def output_of(name: str, call: Call) -> Output:
    """Describe what a method of a native estimator gave.

    Raises:
        NotConvertibleError: It gave no array.
    """
    output = call.output
    if type(output).__module__ != "numpy" or type(output).__name__ != "ndarray":
        raise NotConvertibleError(f"the model gives a {type(output).__name__}, and only NumPy arrays are converted")
    return Output(name=name, element=output.dtype.str, dimensions=output.ndim)
