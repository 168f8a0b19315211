"""What `rung doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one examination found."""

    subject: str
    """What was looked at: `registry`, `gateway`, `housing.v1.m2`..."""
    is_well: bool
    told: str
    """One sentence."""
    mend: str = ""
    """The command, or the deed, that mends it."""
