"""May chance alone have moved a feature so far? Evidence for the sizes that `rung.data.profile` measures.

Called by `rung.monitoring`, with distances and counts from sketches. Both bounds hold for sketches as they hold for the
rows themselves: a distance that is read off bins is never larger than that of the rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from rung.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from rung.stats.effects import Floats

__all__ = ["chance_of_counts", "chance_of_distance"]

_LEAST_EXPECTED = 5.0
"""Values that a category should have in both samples; what has fewer is put together."""


def chance_of_distance(distance: float, before: float, after: float) -> float:
    """Bound the probability that two samples of the same numbers have distribution functions so far apart.

    The two-sample test of Kolmogorov and Smirnov, by the bound of P. Massart, Annals of Probability 1990, for two
    samples (F. Wei, R. Dudley, Statistics & Probability Letters 2012): 2 exp(-2 d^2 nm/(n+m)). It holds for few values
    too, for numbers that repeat, and for distances that are read off any bins, wherever their edges come from.

    Args:
        distance: The largest distance between the two distribution functions, 0 to 1.
        before: Independent values of the earlier sample.
        after: Of the later one.

    Raises:
        CallError: The distance is not from 0 to 1, or a number of values is negative.

    >>> round(chance_of_distance(0.05, 1_000, 1_000), 12), chance_of_distance(0.2, 1_000, 1_000) < 1e-15
    (0.164169997248, True)
    """
    if not (0 <= distance <= 1 and before >= 0 and after >= 0):
        raise CallError(f"a distance of {distance:g} between {before:g} and {after:g} values is not from 0 to 1")
    if not before or not after:
        return 1.0
    return min(1.0, 2 * math.exp(-2 * distance**2 * before * after / (before + after)))


def chance_of_counts(before: ArrayLike, after: ArrayLike, *, independent: tuple[float, float] | None = None) -> float:
    """Give the probability that two samples of the same categories differ so much.

    The chi-square test of homogeneity with the statistic of the likelihood ratio (S. Wilks, 1938): where an alarm takes
    one in a million, it follows the true probability (Sanov's theorem), as Pearson's does not. Categories that would
    have fewer than five values are put together.

    Args:
        before: How often each category occurred in the earlier sample, shape (categories,).
        after: The same categories in the later sample.
        independent: How many independent values the samples stand for, where that is fewer than were counted: the
            instances of one request are often alike. None: all of them.

    Raises:
        CallError: The samples have other categories, or a count is negative.

    >>> chance_of_counts([500, 500], [510, 490]) > 0.5, chance_of_counts([500, 500], [600, 400]) < 1e-4
    (True, True)
    """
    counts = np.asarray([before, after], dtype=np.float64)
    if counts.ndim != 2 or not (counts >= 0).all() or not np.isfinite(counts).all():  # noqa: PLR2004  two samples
        raise CallError("two samples are compared by counts of the same categories, none of them negative")
    totals = counts.sum(axis=1)
    if not totals.all():
        return 1.0
    if independent is not None:
        counts *= (np.minimum(independent, totals) / totals)[:, None]
    pooled = _pooled(counts)
    if pooled.shape[1] < 2:  # noqa: PLR2004  one category cannot move
        return 1.0
    from scipy import special  # noqa: PLC0415  # a fifth of a second, which only this test needs to wait for

    expected = _expected(pooled)
    statistic = 2 * float(special.xlogy(pooled, pooled / expected).sum())
    return float(special.gammaincc((pooled.shape[1] - 1) / 2, max(statistic, 0.0) / 2))


def _expected(counts: Floats) -> Floats:
    result: Floats = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return result


def _pooled(counts: Floats) -> Floats:
    """Put the rare categories together, and with them the rarest of the others while they are too few."""
    ordered = counts[:, np.argsort(counts.sum(axis=0))]
    least = _expected(ordered).min(axis=0)
    enough = least.cumsum() >= _LEAST_EXPECTED
    if not enough.any():
        whole: Floats = ordered.sum(axis=1, keepdims=True)
        return whole
    first = max(int(np.argmax(enough)), int((least < _LEAST_EXPECTED).sum()) - 1)
    return np.concatenate([ordered[:, : first + 1].sum(axis=1, keepdims=True), ordered[:, first + 1 :]], axis=1)
