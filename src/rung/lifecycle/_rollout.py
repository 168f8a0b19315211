"""How an A/B test's traffic split changes: its history, and the share that is due now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rung.schema import ABTest


class SplitKind(StrEnum):
    """Why the split changed."""

    START = "start"
    RAMP = "ramp"
    PAUSE = "pause"
    RESUME = "resume"
    BANDIT = "bandit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A stretch of time in which every arm had the same share."""

    since: datetime
    """When it was decided."""
    kind: SplitKind
    shares: Mapping[str, float]
    """Of the units, by revision; the incumbent's included."""
    because: str
    actor: str
    applied: datetime | None = None
    """When the gateway had taken it; what came before was split as before."""

    @property
    def is_pause(self) -> bool:
        """Nobody but the incumbent gets units."""
        return self.kind is SplitKind.PAUSE


def first_share(test: ABTest) -> float:
    """Give the share that a challenger begins with.

    >>> from rung.schema import ABTest
    >>> first_share(ABTest(share=0.5))
    0.5
    """
    return test.ramp[0].share if test.ramp else test.share


def step_of(test: ABTest, splits: Sequence[Split]) -> int:
    """Give the number of the ramp's step that a test is on; `len(test.ramp)` is the test's own share."""
    taken = sum(split.kind in (SplitKind.START, SplitKind.RAMP) for split in splits)
    return min(taken - 1, len(test.ramp))


def share_of_step(test: ABTest, step: int) -> float:
    """Give the challenger's share on a step."""
    return test.ramp[step].share if step < len(test.ramp) else test.share


def due_share(test: ABTest, splits: Sequence[Split], now: datetime) -> float | None:
    """Give the next share of a ramp when it is due; None while it is not, at the top, and during a pause."""
    last = splits[-1]
    step = step_of(test, splits)
    if last.is_pause or step >= len(test.ramp):
        return None
    return share_of_step(test, step + 1) if now - last.since >= test.ramp[step].hold else None
