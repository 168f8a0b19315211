"""A guardrail: a metric that the challenger need not improve but must not harm by more than a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from rung.stats.effects import Goal, Kind, stack, stratified_effect
from rung.stats.sequential import SequentialTest, log_likelihood_ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rung.stats.arms import Stratum
    from rung.stats.effects import Floats

__all__ = ["VERDICTS", "Guardrail", "decide", "guardrail", "loss"]

Verdict: TypeAlias = Literal["holds", "broken", "undecided"]

_ESTIMATION_MARGIN = 0.05
"""Raises both bounds: Ville's inequality is for known variances, and these are estimated."""

VERDICTS: tuple[Verdict, ...] = ("undecided", "holds", "broken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """What is known about one guardrail at one moment."""

    decision: Verdict
    because: str  # one sentence
    effect: float  # in the metric's unit, positive is better
    standard_error: float  # in the metric's unit; infinite before there is evidence


def guardrail(strata: Sequence[Stratum], *, margin: float, kind: Kind, goal: Goal, alpha: float = 0.05) -> Guardrail:
    """Judge, at any look, whether the challenger's loss stays within `margin` (in the metric's unit, above 0).

    Both answers are e-processes (likelihood ratios of "no loss" against "a loss of the margin", and the reverse) that
    must reach 1 / alpha: whichever way it is wrong, it is wrong with probability at most alpha over all looks
    (Ville's inequality). A promotion needs every guardrail to hold.

    Raises:
        CallError: The margin is not above 0, or there is no stratum.

    >>> from rung.stats import Arm
    >>> arms = Arm(units=4_000, y=400, yy=400), Arm(units=4_000, y=400, yy=400)
    >>> guardrail([arms], margin=0.03, kind="proportion", goal="minimize").decision
    'holds'
    """
    test = SequentialTest(minimum_effect=margin, kind=kind, goal=goal, alpha=alpha)
    found = stratified_effect(strata, kind=kind, goal=goal)
    estimate, information = np.array(found.estimate), np.array(found.information)
    ready = test.is_ready(information, stack(strata))
    verdict = VERDICTS[int(decide(estimate, information, margin=margin, alpha=alpha))] if ready else "undecided"
    return Guardrail(
        decision=verdict,
        because=(
            f"{_MEANING[verdict]}: its effect is {found.estimate:+.4g} (standard error {found.standard_error:.2g}),"
            f" and a loss of {margin:.4g} is allowed"
        ),
        effect=found.estimate,
        standard_error=found.standard_error,
    )


def loss(difference: float, standard_error: float, *, margin: float, alpha: float = 0.01) -> Verdict:
    """Judge, at any look, a difference that was measured elsewhere, as `guardrail` does one of two arms.

    Args:
        difference: In the metric's unit, positive is better.
        standard_error: Of the difference, above 0.
        margin: The loss that is allowed, above 0.
        alpha: Probability to be wrong, over all looks.

    >>> loss(-0.06, 0.01, margin=0.03), loss(-0.001, 0.005, margin=0.03), loss(-0.02, 0.02, margin=0.03)
    ('broken', 'holds', 'undecided')
    """
    estimate, information = np.array(difference), np.array(1 / standard_error**2)
    return VERDICTS[int(decide(estimate, information, margin=margin, alpha=alpha))]


def decide(estimate: Floats, information: Floats, *, margin: float, alpha: float) -> NDArray[np.int64]:
    """Return the index into `VERDICTS` of each (estimate, information) after the burn-in; arrays of one shape."""
    _, no_loss = log_likelihood_ratios(estimate + margin, information, minimum_effect=margin)
    _, loss = log_likelihood_ratios(-estimate, information, minimum_effect=margin)
    needed = _ESTIMATION_MARGIN - math.log(alpha)
    return np.where(no_loss >= needed, 1, np.where(loss >= needed, 2, 0))


_MEANING: dict[Verdict, str] = {
    "holds": "the challenger does not lose more than allowed",
    "broken": "the challenger loses",
    "undecided": "it is not known yet whether the challenger loses",
}
