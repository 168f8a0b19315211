"""The gates of a promotion and what each of them finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Gate(StrEnum):
    """The steps that judge a candidate, in their order."""

    REGRESSION = "regression"
    DATA = "data"
    REPLAY = "replay"
    LOAD = "load"
    APPROVAL = "approval"
    SHADOW = "shadow"
    EXPERIMENT = "experiment"


class VerdictKind(StrEnum):
    """How a gate ended."""

    PASS = "pass"  # noqa: S105  not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate found."""

    gate: Gate
    kind: VerdictKind
    because: str
    """One sentence."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Figures behind it, as JSON data."""
