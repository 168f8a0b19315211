"""What every business metric of a major must say, and what names a declaration of them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.schema import ABTest

RULE = "each says where its truth comes from (source), how near that is to the product's purpose (proximity), "
RULE += "how far it can be trusted (fidelity), and its priority"


def metrics_without(test: ABTest) -> str | None:
    """Say what the declared business metrics lack; None when each says all that it must."""
    if test.decision is None:
        return "no business metric decides an A/B test: declare one in schema/service.py"
    lacking = [f"{metric.name} has no {' and no '.join(metric.lacks)}" for metric in test.metrics if metric.lacks]
    return f"{'; '.join(lacking)}: {RULE}" if lacking else None


def metrics_digest(test: ABTest) -> str:
    """Name a declaration of business metrics: a review is of exactly this one."""
    declared = sorted((metric.model_dump(mode="json") for metric in test.metrics), key=lambda one: str(one["name"]))
    return "sha256:" + hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()
