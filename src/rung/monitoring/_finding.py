"""One thing that watching found, as a value that rules can judge and people can read. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["Finding", "Kind"]

Kind: TypeAlias = Literal["drift", "integrity", "segment", "errors", "latency", "quality", "estimate"]
"""What moved: a distribution; what is in a column at all; a part of the traffic; how often requests fail and how long
they take; quality as measured, and as estimated before any truth has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was."""

    kind: Kind
    subject: str  # of what: `instance.rooms`, `prediction.price`, `garage is none`, a metric
    against: str  # what it is held against: `training` or `before`
    size: float  # 0 and more, as its kind measures it; of drift and segments at most 1
    p: float | None  # probability that chance alone does that; None where it is not a matter of chance
    is_alarm: bool  # within the rate of false alarms that is kept, and large enough to matter
    because: str  # one sentence
    data: dict[str, Any] = field(default_factory=dict)  # figures, as JSON has them

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON data."""
        return {name: getattr(self, name) for name in Finding.__slots__}
