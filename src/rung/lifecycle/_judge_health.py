"""Does a challenger do harm by itself: errors and slowness, long before an outcome comes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rung import stats
from rung.lifecycle._verdict import Gate, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.schema import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Production requests of one arm in one period."""

    requests: int
    errors: int
    slow: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A stretch of time, for both arms."""

    challenger: Requests
    incumbent: Requests


def judge_health(limits: Limits, periods: Sequence[Period]) -> tuple[Verdict | None, dict[str, Any]]:
    """Judge the requests since the traffic split changed; give a verdict only when the test must end now.

    Args:
        limits: What the challenger may do worse.
        periods: Oldest first.

    Returns:
        The verdict or None, and the figures as JSON data.
    """
    figures: dict[str, Any] = {}
    for name, kind, tolerated in (
        ("errors", "errors", limits.error_rate),
        ("slow answers", "slow", limits.slow_rate),
    ):
        found = stats.worse_errors(
            [period.challenger.requests for period in periods],
            [getattr(period.challenger, kind) for period in periods],
            [period.incumbent.requests for period in periods],
            [getattr(period.incumbent, kind) for period in periods],
            tolerated=tolerated,
            name=name,
        )
        figures[kind] = {"decision": found.decision, "because": found.because}
        if found.decision == "abort":
            because = f"aborted: {found.because}"
            evidence = {"outcome": "aborted", "health": figures}
            return Verdict(gate=Gate.EXPERIMENT, kind=VerdictKind.FAIL, because=because, evidence=evidence), figures
    return None, figures
