"""torch modules into the ONNX format, by torch's own exporter."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from rung.conversion._convert import Converted
from rung.conversion._signature import Input, Output, Signature, read_attributes
from rung.conversion._verdict import NotConvertibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rung.conversion._recorder import Use

_HARMLESS = ("eval",)
"""Methods that change nothing in a converted module, which is always ready to predict."""


def ways(model: Any, use: Use) -> Iterator[Callable[[], Converted]]:
    """Give the way to convert a module, in the types of the tensors that it is given.

    Raises:
        NotConvertibleError: Handlers use it in a way that is not converted.
    """
    others = sorted(use.calls.keys() - {"__call__", *_HARMLESS})
    if others:
        raise NotConvertibleError(f"a handler calls {others[0]} of the module, and only calling it is converted")
    if "__call__" not in use.calls:
        raise NotConvertibleError("the handlers did not call the module for the held-out rows")
    call = use.calls["__call__"]
    tensors = (*call.arguments, call.output)
    if call.named or not call.arguments or not all(isinstance(one, torch.Tensor) and one.ndim for one in tensors):
        raise NotConvertibleError("a module is converted that takes tensors, by place, and gives one tensor")
    yield partial(_convert, model, use, call.arguments)


def _convert(model: Any, use: Use, arguments: tuple[Any, ...]) -> Converted:
    two_rows = tuple(
        torch.cat([tensor, tensor])[:2].detach() for tensor in arguments
    )  # one row would become a constant
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it names operators of libraries that are not installed
    try:
        program = torch.onnx.export(
            model,
            two_rows,
            dynamo=True,
            dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in two_rows),
            verbose=False,
        )
    finally:
        logger.setLevel(level)
    if program is None:
        raise NotConvertibleError("torch exported nothing")
    graph = program.model_proto.graph
    elements = [str(tensor.dtype).removeprefix("torch.") for tensor in two_rows]
    signature = Signature(
        library="torch",
        kind="tensors",
        inputs=tuple(Input(name=one.name, element=kind) for one, kind in zip(graph.input, elements, strict=True)),
        outputs={"__call__": Output(name=graph.output[0].name)},
        attributes=read_attributes(use),
        ignored=tuple(name for name in _HARMLESS if name in use.calls),
    )
    content = program.model_proto.SerializeToString(deterministic=True)
    return Converted(signature=signature, content=content, precision=elements[0])
