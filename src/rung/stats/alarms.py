"""How often watching may cry wolf: a rate that is stated, kept over all features, windows and looks.

A service is looked at for ever, so no probability of *ever* raising a false alarm can be kept without becoming blind;
what is kept is how many come in a year. Each look spends the same share of that; within a look it is split by Holm's
procedure, which holds however features depend on each other, and windows that overlap, and a reference that all share.
Called by `rung.monitoring`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rung.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FalseAlarms", "alarms", "discoveries"]

_YEAR_S = 365.25 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """How many looks with a false alarm are expected, at the most."""

    a_year: float = 1.0  # for each thing that is watched, as a revision
    every_s: float = 3600.0  # seconds from one look to the next

    def __post_init__(self) -> None:
        if not (self.a_year > 0 and self.every_s > 0 and self.alpha < 1):
            raise CallError(
                f"{self.a_year:g} false alarms a year at a look every {self.every_s:g} s is no rate that can be kept",
                hint="give numbers above 0, and fewer alarms than looks",
            )

    @property
    def alpha(self) -> float:
        """Probability of a false alarm at one look.

        >>> round(1 / FalseAlarms(a_year=1, every_s=3600).alpha)
        8766
        """
        return self.a_year * self.every_s / _YEAR_S


def alarms(chances: Sequence[float], alpha: float) -> list[bool]:
    """Tell which of the tests of one look raise an alarm; any false one among them is as likely as `alpha` at the most.

    S. Holm, "A simple sequentially rejective multiple test procedure", 1979: under any dependence.

    Args:
        chances: The p-values of all tests of the look, in any order.
        alpha: Probability of a false alarm at this look, over all tests.

    >>> alarms([0.5, 1e-9, 0.004], 0.01)
    [False, True, True]
    """
    values = _checked(chances, alpha)
    order = np.argsort(values, kind="stable")
    passed = values[order] <= alpha / np.arange(values.size, 0, -1)
    return _in_place(order, int(np.argmin(passed)) if not passed.all() else values.size)


def discoveries(chances: Sequence[float], rate: float) -> list[bool]:
    """Tell what probably moved: of all that is named, the share that did not is expected to be `rate` at the most.

    For explaining, not for alarms: it names more. Y. Benjamini, Y. Hochberg, 1995; for tests that are independent or
    depend positively, as features of the same rows nearly always do (Y. Benjamini, D. Yekutieli, 2001).

    >>> discoveries([0.5, 1e-9, 0.03], 0.05)
    [False, True, True]
    """
    values = _checked(chances, rate)
    order = np.argsort(values, kind="stable")
    passed = values[order] <= rate * np.arange(1, values.size + 1) / max(values.size, 1)
    return _in_place(order, int(np.flatnonzero(passed)[-1]) + 1 if passed.any() else 0)


def _checked(chances: Sequence[float], alpha: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = np.asarray(chances, dtype=np.float64)
    if not (0 < alpha < 1) or values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise CallError(f"probabilities from 0 to 1 are held against a rate between 0 and 1, not {alpha:g}")
    return values


def _in_place(order: np.ndarray[tuple[int], np.dtype[np.int64]], first: int) -> list[bool]:
    found = [False] * order.size
    for place in order[:first].tolist():
        found[place] = True
    return found
