"""The lake: what was predicted and what came of it, from append-only files into Delta tables, read by decisions.

Revision servers take `AppendLog` and the line builders, which need the standard library only; the control plane takes
`Lake`. Importing this package imports neither polars nor deltalake: they come with the first use of `Lake`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rung.lake.log import OUTCOMES, PREDICTIONS, AppendLog, outcome_line, prediction_line

if TYPE_CHECKING:
    from rung.lake._arms import ArmSums, Comparison, OutcomeCounts
    from rung.lake._business import Measured
    from rung.lake._lake import Lake
    from rung.lake._ship import Shipped

__all__ = [
    "OUTCOMES",
    "PREDICTIONS",
    "AppendLog",
    "ArmSums",
    "Comparison",
    "Lake",
    "Measured",
    "OutcomeCounts",
    "Shipped",
    "outcome_line",
    "prediction_line",
]

_HEAVY = {
    "ArmSums": "rung.lake._arms",
    "Comparison": "rung.lake._arms",
    "Lake": "rung.lake._lake",
    "Measured": "rung.lake._business",
    "OutcomeCounts": "rung.lake._arms",
    "Shipped": "rung.lake._ship",
}


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
