"""How far two distributions lie apart, from counts in the same cells: sizes that do not grow with the rows. Pure.

Of many rows every difference is significant, of few every difference looks large. So each size is first held against
what chance alone would give two samples of these numbers of rows, and is then told without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from rung.data.profile import _bins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rung.data.profile._bins import Bin

__all__ = ["Shift", "categories", "numbers"]

_GROUPS: Final = 24
"""Groups of cells: each that is not a single cell holds at least this part of the values."""
_TENTHS: Final = 10
"""Of the earlier values, for the population stability index."""
_CERTAIN: Final = 4.0
"""Standard deviations of a normal distribution from which on a difference is not chance: one in 30,000."""
_STEPS: Final = 256
"""Quantiles that are compared for the Wasserstein distance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How a distribution moved; 0 everywhere when it did not."""

    jensen_shannon: float  # distance, root of the divergence in bits, less what chance gives; 0 to 1
    is_chance: bool  # two samples of the same distribution may well be this far apart
    psi: float  # population stability index; from .1 on it is taken for some change, from .25 on for much
    ks: float = 0.0  # numbers: largest distance of the distribution functions, 0 to 1
    wasserstein: float = 0.0  # numbers: mean way of a value to its new place, in standard deviations of before


def categories(before: Sequence[int], after: Sequence[int]) -> Shift:
    """Compare how often each of the same categories occurs.

    J. Lin, "Divergence measures based on the Shannon entropy", 1991; N. Siddiqi, "Credit Risk Scorecards", 2006.

    >>> categories([50, 50], [50, 50]).jensen_shannon, round(categories([5000, 0], [0, 5000]).jensen_shannon, 3)
    (0.0, 1.0)
    """
    distance, is_chance = _jensen_shannon(before, after)
    return Shift(jensen_shannon=distance, is_chance=is_chance, psi=_psi(before, after))


def numbers(before: Sequence[Bin], after: Sequence[Bin], *, deviation: float | None) -> Shift:
    """Compare two histograms.

    Args:
        before: Of the earlier values.
        after: Of the later values.
        deviation: Of the earlier values; without any, and where it is 0, the Wasserstein distance is in their own unit.
    """
    _, (first, second) = _bins.in_common(before, after)
    distance, is_chance = _jensen_shannon(*_grouped(first, second, _GROUPS, both=True))
    return Shift(
        jensen_shannon=distance,
        is_chance=is_chance,
        psi=_psi(*_grouped(first, second, _TENTHS, both=False)),
        ks=max((abs(one - other) for one, other in zip(_sums(first), _sums(second), strict=True)), default=0.0),
        wasserstein=_wasserstein(before, after) / (deviation or 1.0),
    )


def _sums(counts: Sequence[int]) -> list[float]:
    total = sum(counts) or 1
    return [below / total for below in accumulate(counts)]


def _grouped(first: Sequence[int], second: Sequence[int], groups: int, *, both: bool) -> tuple[list[int], list[int]]:
    """Put neighbouring cells together until each group holds its part of both samples' values, or of the first's.

    A cell that holds as much by itself, in either sample, is a group of its own.
    """
    totals = sum(first) or 1, sum(second) or 1
    made: tuple[list[int], list[int]] = [0], [0]
    held = 0.0
    for one, other in zip(first, second, strict=True):
        p, q = one / totals[0], other / totals[1]
        if held >= 1 / groups or (max(p, q) >= 1 / groups and made[0][-1] + made[1][-1]):
            made[0].append(0)
            made[1].append(0)
            held = 0.0
        made[0][-1] += one
        made[1][-1] += other
        held += (p + q) / 2 if both else p
    return made


def _jensen_shannon(before: Sequence[int], after: Sequence[int]) -> tuple[float, bool]:
    """Give the distance less what chance adds to it, and whether chance may have given all of it.

    Of two samples of one distribution, 8 times the divergence (in nats) over 1/n + 1/m is close to chi-square with one
    degree of freedom less than there are categories.
    """
    totals = sum(before), sum(after)
    if not all(totals):
        return 0.0, True
    divergence, seen = 0.0, 0
    for one, other in zip(before, after, strict=True):
        p, q = one / totals[0], other / totals[1]
        middle = (p + q) / 2
        seen += middle > 0
        divergence += sum(part * math.log(part / middle) / 2 for part in (p, q) if part > 0)
    noise, freedom = (1 / totals[0] + 1 / totals[1]) / 8, max(seen - 1, 1)
    is_chance = divergence < noise * _chi_square(freedom)
    return math.sqrt(max(divergence - noise * freedom, 0.0) / math.log(2)), is_chance


def _chi_square(freedom: int) -> float:
    """Give what chi-square is hardly ever above (E. Wilson, M. Hilferty, 1931)."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + _CERTAIN * math.sqrt(part)) ** 3


def _psi(before: Sequence[int], after: Sequence[int]) -> float:
    """Add half a value to each category, so that an empty one is no infinity."""
    first, second = (
        [(count + 0.5) / (sum(counts) + 0.5 * len(counts)) for count in counts] for counts in (before, after)
    )
    return sum((q - p) * math.log(q / p) for p, q in zip(first, second, strict=True))


def _wasserstein(before: Sequence[Bin], after: Sequence[Bin]) -> float:
    if not before or not after:
        return 0.0
    shares = [(step + 0.5) / _STEPS for step in range(_STEPS)]
    places = zip(_bins.quantiles(before, shares), _bins.quantiles(after, shares), strict=True)
    return sum(abs(one - other) for one, other in places) / _STEPS
