"""Models into the ONNX format, for the uses that handlers made of them. Called by the parity gate of a training."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung.conversion._verdict import NotConvertibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.conversion._recorder import Use
    from rung.conversion._signature import Signature

_CONVERTERS = {"sklearn": "skl2onnx", "torch": "onnxscript"}
"""Library of the model to the distribution that converts it, beside onnxruntime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A converted model."""

    signature: Signature
    content: bytes
    """In the ONNX format."""
    precision: str
    """Of the numeric inputs: NumPy's name."""

    def to_artifact(self) -> dict[str, Any]:
        """Give it as data: reading it runs no code."""
        return {"signature": self.signature.model_dump(mode="json"), "onnx": self.content}


def candidates(model: Any, use: Use) -> Iterator[Callable[[], Converted]]:
    """Give ways to convert a model, the most precise first; each is a function that does it.

    Args:
        model: A scikit-learn estimator or a torch module.
        use: How handlers use it.

    Raises:
        NotConvertibleError: It is no such model, handlers use it in another way, or a library is not installed. The
            functions raise it, too, for what the converting library raises.
    """
    library = _library_of(model)
    _require("onnxruntime", _CONVERTERS[library])
    if not use.calls:
        raise NotConvertibleError("the handlers did not call the model for the held-out rows")
    if library == "torch":
        from rung.conversion._torch import ways  # noqa: PLC0415  an extra
    else:
        from rung.conversion._sklearn import ways  # noqa: PLC0415  the service's own libraries
    for way in ways(model, use):
        yield _guarded(way)


def _guarded(way: Callable[[], Converted]) -> Callable[[], Converted]:
    def convert() -> Converted:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the parity gate judges, not the libraries' doubts
                return way()
        except NotConvertibleError:
            raise
        except Exception as error:
            told = " ".join(str(error).split())[:300]
            raise NotConvertibleError(f"the model cannot be converted ({type(error).__name__}: {told})") from error

    return convert


def _library_of(model: Any) -> str:
    roots = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    found = next((library for library in _CONVERTERS if library in roots), None)
    if found is None:
        raise NotConvertibleError(
            f"a {type(model).__name__} is not converted", hint="return a scikit-learn estimator or a torch module"
        )
    return found


def _require(*distributions: str) -> None:

    for name in distributions:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise NotConvertibleError(
                f"{name} is not installed", hint="add it to infrastructure/requirements.txt"
            ) from error
