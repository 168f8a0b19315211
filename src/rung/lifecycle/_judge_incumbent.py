"""Whether a new incumbent keeps what its A/B test promised, as long as its predecessor could take over again. Pure.

There is nobody beside it to be compared with at the same time: it is held against what its predecessor did before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rung import stats
from rung.lifecycle._judge_health import Requests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from rung.schema import Limits

_ALPHA = 0.001
"""Probability to condemn, within one hour's requests, what is within its limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A guardrail metric under the incumbent, and under its predecessor."""

    name: str
    margin: float  # loss that is allowed, in the metric's unit
    difference: float  # incumbent - predecessor, turned so that more is better
    standard_error: float  # of the difference
    told: str  # both means, for the sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class IncumbentFacts:
    """All that the decision is made of."""

    down_since: datetime | None  # when its server stopped answering; None while it answers
    patience: timedelta  # that a server has to come back
    periods: Sequence[Requests]  # since it became the incumbent, at most an hour, oldest first
    before: Requests  # its predecessor's last hour
    guardrails: Sequence[Kept] = ()


def judge_incumbent(limits: Limits, facts: IncumbentFacts, now: datetime) -> str | None:
    """Say in a sentence why the predecessor must take over; None while the incumbent holds.

    Args:
        limits: What a challenger may do worse than the incumbent: it holds afterwards, too.
        facts: What is known.
        now: The present, aware.
    """
    if facts.down_since is not None and now - facts.down_since > facts.patience:
        return f"its server has not answered since {facts.down_since:%H:%M:%S} UTC"
    for name, kind, tolerated in (
        ("failed", "errors", limits.error_rate),
        ("were slower than the service level", "slow", limits.slow_rate),
    ):
        if _is_worse(facts, kind, tolerated):
            ours = sum(getattr(one, kind) for one in facts.periods), sum(one.requests for one in facts.periods)
            theirs = getattr(facts.before, kind), facts.before.requests
            return (
                f"{ours[0]:,} of its {ours[1]:,} requests {name}; of its predecessor's last {theirs[1]:,} it were"
                f" {theirs[0]:,}, and {tolerated:.3g} more are tolerated"
            )
    for kept in facts.guardrails:
        found = stats.loss(kept.difference, kept.standard_error, margin=kept.margin)
        if found == "broken":
            return f"{kept.name} {kept.told}: a loss of {kept.margin:.4g} is allowed"
    return None


def _is_worse(facts: IncumbentFacts, kind: str, tolerated: float) -> bool:
    """Hold the requests of each period and all after it against the predecessor's, whose requests count for each."""
    if not any(one.requests for one in facts.periods):
        return False
    earlier = [Requests(requests=0, errors=0, slow=0)] * (len(facts.periods) - 1)
    reference = [*earlier, facts.before]
    found = stats.worse_errors(
        [one.requests for one in facts.periods],
        [getattr(one, kind) for one in facts.periods],
        [one.requests for one in reference],
        [getattr(one, kind) for one in reference],
        tolerated=tolerated,
        alpha=_ALPHA,
    )
    return found.decision == "abort"
