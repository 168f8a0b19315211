"""Models converted to a faster runtime, where that is proven to change nothing.

Training records how the service's handlers use a model, converts it for these uses, and compares what the handlers
predict with either on the held-out rows. Serving loads the converted one only where the verdict was `equal`; everything
that was not proven, down to a single call of another kind, is answered by the native model. No library is imported
before it is needed.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports
from rung.conversion._verdict import MAX_DIFFERENCE, Difference, NotConvertibleError, Tolerance, Verdict, artifact_name

if TYPE_CHECKING:
    from rung.conversion._compare import compare
    from rung.conversion._convert import Converted, candidates
    from rung.conversion._model import OnnxModel, load
    from rung.conversion._recorder import Recorder

__all__ = [
    "MAX_DIFFERENCE",
    "Converted",
    "Difference",
    "NotConvertibleError",
    "OnnxModel",
    "Recorder",
    "Tolerance",
    "Verdict",
    "artifact_name",
    "candidates",
    "compare",
    "load",
]

__getattr__ = exports(
    __name__,
    {
        "Converted": "_convert",
        "OnnxModel": "_model",
        "Recorder": "_recorder",
        "candidates": "_convert",
        "compare": "_compare",
        "load": "_model",
    },
)
