"""The lake: what was predicted and what came of it, from append-only files into Delta tables, read by decisions.

Revision servers take `AppendLog` and the line builders, which need the standard library only; the control plane takes
`Lake`. Importing this package imports neither polars nor deltalake: they come with the first use of `Lake`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rung.lake.log import OUTCOMES, PREDICTIONS, AppendLog, outcome_line, prediction_line

if TYPE_CHECKING:
    from rung.lake._agreement import Agreement, Answered, Difference, FieldAgreement, compare_predictions
    from rung.lake._arms import ArmSums, Comparison, OutcomeCounts
    from rung.lake._audit import Audit, Stretch
    from rung.lake._business import Measured, Traffic
    from rung.lake._capture import Capture
    from rung.lake._condition import Condition
    from rung.lake._health import Health, Minute
    from rung.lake._lake import Lake
    from rung.lake._open import open_lake
    from rung.lake._outcomes import OutcomeReport
    from rung.lake._rewards import BanditArm
    from rung.lake._shadow import Latency, Pairs, Truth
    from rung.lake._shift import Shift
    from rung.lake._ship import Shipped
    from rung.lake._upkeep import Upkept

__all__ = [
    "OUTCOMES",
    "PREDICTIONS",
    "Agreement",
    "Answered",
    "AppendLog",
    "ArmSums",
    "Audit",
    "BanditArm",
    "Capture",
    "Comparison",
    "Condition",
    "Difference",
    "FieldAgreement",
    "Health",
    "Lake",
    "Latency",
    "Measured",
    "Minute",
    "OutcomeCounts",
    "OutcomeReport",
    "Pairs",
    "Shift",
    "Shipped",
    "Stretch",
    "Traffic",
    "Truth",
    "Upkept",
    "compare_predictions",
    "open_lake",
    "outcome_line",
    "prediction_line",
]

_HEAVY = {
    "Agreement": "rung.lake._agreement",
    "Answered": "rung.lake._agreement",
    "ArmSums": "rung.lake._arms",
    "Audit": "rung.lake._audit",
    "BanditArm": "rung.lake._rewards",
    "Capture": "rung.lake._capture",
    "Comparison": "rung.lake._arms",
    "Condition": "rung.lake._condition",
    "Difference": "rung.lake._agreement",
    "FieldAgreement": "rung.lake._agreement",
    "Health": "rung.lake._health",
    "Lake": "rung.lake._lake",
    "Latency": "rung.lake._shadow",
    "Measured": "rung.lake._business",
    "Minute": "rung.lake._health",
    "OutcomeCounts": "rung.lake._arms",
    "OutcomeReport": "rung.lake._outcomes",
    "Pairs": "rung.lake._shadow",
    "Shift": "rung.lake._shift",
    "Shipped": "rung.lake._ship",
    "Stretch": "rung.lake._audit",
    "Traffic": "rung.lake._business",
    "Truth": "rung.lake._shadow",
    "Upkept": "rung.lake._upkeep",
    "compare_predictions": "rung.lake._agreement",
    "open_lake": "rung.lake._open",
}


def __getattr__(name: str) -> Any:
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
