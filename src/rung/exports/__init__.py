"""A revision taken elsewhere, in forms that other tools read. Every one is verified before it is exported.

Called by `rung export`, which needs no control plane.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.exports._application import Application, read_application
    from rung.exports._container import Container, write_container
    from rung.exports._export import HANDLERS, Export, open_export
    from rung.exports._mlflow import Pyfunc, write_mlflow
    from rung.exports._onnx import Model, write_onnx

__all__ = [
    "HANDLERS",
    "Application",
    "Container",
    "Export",
    "Model",
    "Pyfunc",
    "open_export",
    "read_application",
    "write_container",
    "write_mlflow",
    "write_onnx",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("Application", "read_application"), "_application"),
        **dict.fromkeys(("Container", "write_container"), "_container"),
        **dict.fromkeys(("HANDLERS", "Export", "open_export"), "_export"),
        **dict.fromkeys(("Pyfunc", "write_mlflow"), "_mlflow"),
        **dict.fromkeys(("Model", "write_onnx"), "_onnx"),
    },
)
