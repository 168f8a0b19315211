"""When an A/B test that runs will be decided, if it goes on as so far. `rung ab watch` and the dashboard show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rung.stats.sequential import Look

__all__ = ["Outlook", "outlook"]

_DRIFT = 0.5
"""Of the log-likelihood ratio, upwards when the challenger is better by the minimum effect, downwards when it is not
better, as the information times the minimum effect squared grows by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How long a test is still expected to run; both ways, because it is not known which one is so."""

    if_better: float | None  # seconds, mean, when the challenger is better by just the minimum effect; None: unknown
    if_not: float | None  # seconds, mean, when it is not better; None: unknown
    because: str  # one sentence


def outlook(look: Look, *, minimum_effect: float, elapsed: float) -> Outlook:
    """Return the expected time to the decision, from the evidence so far and the speed at which it came in.

    The log-likelihood ratio is taken for a Brownian motion that begins where it is now and ends at Wald's bounds (A.
    Wald, "Sequential tests of statistical hypotheses", 1945, on the average number of observations). Its clock is the
    information; it goes on as fast as it went on average, so a change of the traffic or of its split changes the
    answer. It is a mean: many tests end in half of the time, some take twice as long.

    Args:
        look: The latest one.
        minimum_effect: The smallest effect worth having, in the metric's unit.
        elapsed: Seconds in which the look's evidence came in, without pauses.

    >>> from rung.stats import Arm, SequentialTest
    >>> test = SequentialTest(minimum_effect=0.02, kind="proportion", goal="maximize")
    >>> look = test.look([(Arm(units=900, y=99, yy=99), Arm(units=900, y=90, yy=90))])
    >>> found = outlook(look, minimum_effect=0.02, elapsed=3_600)
    >>> round(found.if_better / 3_600, 1), round(found.if_not / 3_600, 1)
    (2.0, 1.4)
    """
    if look.decision != "continue":
        return Outlook(if_better=0.0, if_not=0.0, because="it is decided")
    clock = 0.0 if math.isinf(look.standard_error) else (minimum_effect / look.standard_error) ** 2
    if not (clock > 0 and elapsed > 0):
        return Outlook(if_better=None, if_not=None, because="there is no evidence yet whose speed could be measured")
    up = look.bounds.upper - look.weighted_log_likelihood_ratio
    down = look.log_likelihood_ratio - look.bounds.lower
    burn_in = clock * (look.bounds.burn_in / look.progress - 1)
    if min(up, down) <= 0 and burn_in <= 0:
        return Outlook(if_better=None, if_not=None, because="it waits until skewed outcomes can be judged")
    pace = elapsed / clock
    better, nothing = (max(units, burn_in, 0.0) * pace for units in _remaining(max(up, 0.0), max(down, 0.0)))
    return Outlook(
        if_better=better,
        if_not=nothing,
        because=f"{look.progress:.0%} of the evidence of a test with one look came in so far",
    )


def _remaining(up: float, down: float) -> tuple[float, float]:
    """Return the mean of what the clock still has to run, with upward and with downward drift, to either bound."""
    if not up * down:
        return 0.0, 0.0
    above = -math.expm1(-down) / -math.expm1(-(up + down))  # probability to end above, with upward drift
    above_nothing = above * math.exp(-up)  # the same with downward drift
    return (
        (above * up - (1 - above) * down) / _DRIFT,
        ((1 - above_nothing) * down - above_nothing * up) / _DRIFT,
    )
