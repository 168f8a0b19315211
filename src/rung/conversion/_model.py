"""A converted model with the methods of the native one, and the native one behind it."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from pydantic import ValidationError

from rung.conversion._feeds import feed_for
from rung.conversion._signature import Signature
from rung.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rung.conversion._signature import Attribute, Output

_logger = logging.getLogger("rung.serving")


class OnnxModel:
    """Answers what parity was proven for with onnxruntime, and everything else with the native model.

    The methods that handlers called in training take and give what the native ones do. Any other method, attribute or
    kind of argument loads the native model, once, and is answered by it: no call can go wrong that went right natively.
    One processor per call: the workers of a server share the machine.

    Args:
        signature: What was proven.
        content: The model in the ONNX format.
        native: Loads the native model.
        name: Of the artifact, for the log.

    Raises:
        Exception: onnxruntime does not take the file; whatever it raises.
    """

    __rung_runtime__ = "onnx"

    def __init__(self, signature: Signature, content: bytes, *, native: Callable[[], Any], name: str) -> None:
        self._load = native
        self._name = name
        self._native: list[Any] = []
        self._loading = threading.Lock()
        session = _session(content)
        given = {known.name for known in session.get_inputs()}
        used = signature.model_copy(update={"inputs": tuple(one for one in signature.inputs if one.name in given)})
        feed = feed_for(used)
        for method, output in signature.outputs.items():
            finish = _finish(signature, output)
            self.__dict__[_PLACES.get(method, method)] = self._method(method, session, feed, finish)
        for method in signature.ignored:
            self.__dict__[method] = lambda: self
        for attribute, kept in signature.attributes.items():
            self.__dict__[attribute] = _value(kept)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._fall_back(f"{name} was not proven"), name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name}>"

    @property
    def native(self) -> Any:
        """The native model, which is loaded for it."""
        return self._fall_back("the native model was asked for")

    def _method(
        self,
        name: str,
        session: onnxruntime.InferenceSession,
        feed: Callable[..., dict[str, Any]],
        finish: tuple[str, Callable[[Any], Any]],
    ) -> Callable[..., Any]:
        run, wanted, shape = session.run, [finish[0]], finish[1]

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return shape(run(wanted, feed(*arguments, **named))[0])
            except Exception as error:  # noqa: BLE001  whatever it was: the native model's answer, or its error, counts
                native = self._fall_back(f"{name}: {error}")
            return getattr(native, name)(*arguments, **named)

        return call

    def _fall_back(self, because: str) -> Any:
        """Give the native model; say why in the log when it is loaded for the first time."""
        with self._loading:
            if not self._native:
                _logger.warning("conversion_left: %s is asked of the native model (%s)", self._name, because[:300])
                self._native.append(self._load())
        return self._native[0]


class OnnxModule(OnnxModel):
    """A torch module: it is called itself."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it as the native one."""
        return self.__dict__[_PLACES["__call__"]](*arguments, **named)


_PLACES = {"__call__": "_call"}
"""Where a method lies in an instance; Python looks `__call__` up on the class."""


def load(value: Any, *, native: Callable[[], Any], name: str) -> OnnxModel:
    """Make the model from what the artifact of a conversion holds.

    Args:
        value: `{"signature": ..., "onnx": ...}`, as `Converted.to_artifact` gives it.
        native: Loads the native model.
        name: Of the artifact, for the log.

    Raises:
        IntegrityError: The artifact holds something else.
        Exception: onnxruntime does not take it; whatever it raises.
    """
    try:
        signature = Signature.model_validate(value["signature"])
        content = bytes(value["onnx"])
    except (ValidationError, KeyError, TypeError) as error:
        raise IntegrityError(f"{name} holds no converted model ({error})", hint="train it anew") from error
    kind = OnnxModule if "__call__" in signature.outputs else OnnxModel
    return kind(signature, content, native=native, name=name)


def _session(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, too
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _finish(signature: Signature, output: Output) -> tuple[str, Callable[[Any], Any]]:
    """Give the name of a method's output, and what makes the native form of it."""
    if signature.library == "torch":
        import torch  # noqa: PLC0415  an extra, there where torch modules are served

        return output.name, torch.from_numpy
    element, flat = np.dtype(output.element), output.dimensions == 1
    inverse = getattr(np, signature.inverse) if signature.inverse else None

    def finish(array: Any) -> Any:
        if flat:
            array = array.reshape(-1)
        if array.dtype != element:
            array = array.astype(element)
        return array if inverse is None else inverse(array)

    return output.name, finish


def _value(kept: Attribute) -> Any:
    return np.array(kept.value, dtype=kept.element) if kept.element else kept.value
