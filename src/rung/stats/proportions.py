"""Shares of what was counted, with what is known about them."""

from __future__ import annotations

import math
from statistics import NormalDist

from rung.errors import CallError

__all__ = ["wilson_interval"]


def wilson_interval(successes: float, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of a probability of which `successes` of `trials` were seen; (0, 1) without trials.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Raises:
        CallError: There are more successes than trials, a count is below 0, or the confidence is not between 0 and 1.

    >>> [round(end, 3) for end in wilson_interval(50, 1_000)]
    [0.038, 0.065]
    """
    if not (0 <= successes <= trials and 0 < confidence < 1):
        raise CallError(f"{successes} successes of {trials} trials at confidence {confidence:g} give no interval")
    if trials == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    share = successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)
