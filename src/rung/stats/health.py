"""Is the challenger failing more than it may? A test that can be read after every request, to end an A/B test at once.

Called by the control plane with the gateway's counts. Slowness is the same question: count the requests that took
longer than the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rung.errors import CallError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from rung.stats.effects import Floats

__all__ = ["Health", "worse_errors"]

_HALVINGS = 40
"""Of the interval in which a rate is looked for: to a millionth of a millionth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Evidence that the challenger fails more often than it may."""

    decision: Literal["abort", "continue"]
    because: str  # one sentence
    e_value: float  # how many times better "worse than tolerated" explains the counts; expected at most 1 if it is not
    challenger_rate: float  # share of the requests; nan without requests
    incumbent_rate: float  # the same


def worse_errors(
    challenger_requests: ArrayLike,
    challenger_errors: ArrayLike,
    incumbent_requests: ArrayLike,
    incumbent_errors: ArrayLike,
    *,
    tolerated: float,
    alpha: float = 0.01,
    name: str = "errors",
) -> Health:
    """Decide, at any look, whether the challenger's error rate exceeds the incumbent's by more than `tolerated`.

    The counts are held against the best explanation that is tolerated: a likelihood ratio of Jeffreys mixtures to the
    largest likelihood with challenger - incumbent <= tolerated. It is an e-process, so a challenger that is tolerated
    is aborted with probability at most `alpha`, over all looks (universal inference: L. Wasserman, A. Ramdas,
    S. Balakrishnan, PNAS 2020; Ville's inequality). Requests of one arm are taken as independent with one rate.

    Counts are totals, or one for each period of time, oldest first. With periods the test also bets that the trouble
    began with any one of them (the j-th with 1 / j(j + 1) of the stake): a challenger that breaks after a healthy
    week is found as soon as one that is broken from the start. Begin anew when the traffic split changes.

    Args:
        challenger_requests: At least 0, a number or shape (periods,), as the other three.
        challenger_errors: Of these, those that failed.
        incumbent_requests: In the same periods.
        incumbent_errors: Of these, those that failed.
        tolerated: By how much the challenger's rate may be higher, absolute, 0 to below 1.
        alpha: Probability to abort a challenger whose rate is not higher than that.
        name: What is counted, in the plural, for the sentence: `slow answers`.

    Raises:
        CallError: There are more errors than requests, a count is negative, the shapes differ, or a number is out of
            its range.

    >>> worse_errors(12, 12, 600, 3, tolerated=0.01).decision
    'abort'
    >>> worse_errors(1_000, 9, 9_000, 50, tolerated=0.01).decision
    'continue'
    """
    if not (0 <= tolerated < 1 and 0 < alpha < 1):
        raise CallError(f"tolerated {tolerated:g} must be 0 to below 1, and alpha {alpha:g} between 0 and 1")
    ours = _counts("challenger", challenger_requests, challenger_errors)
    theirs = _counts("incumbent", incumbent_requests, incumbent_errors)
    if ours.shape != theirs.shape:
        raise CallError(f"the challenger has {ours.shape[1]} periods and the incumbent {theirs.shape[1]}")
    since = np.stack([ours, theirs])[..., ::-1].cumsum(axis=-1)[..., ::-1]  # from each period to now
    logarithm = _log_e_value(since, tolerated)
    e_value = math.exp(min(logarithm, _LARGEST_EXPONENT))
    needed = 1 / alpha
    (our_errors, our_requests), (their_errors, their_requests) = since[..., 0].tolist()
    rates = [
        part / whole if whole else math.nan
        for part, whole in ((our_errors, our_requests), (their_errors, their_requests))
    ]
    abort = e_value >= needed
    verdict = "more than is tolerated" if abort else "not shown to be more than is tolerated"
    return Health(
        decision="abort" if abort else "continue",
        because=(
            f"{name} in {our_errors:,.0f} of {our_requests:,.0f} requests to the challenger and in {their_errors:,.0f}"
            f" of {their_requests:,.0f} to the incumbent: {verdict}, {tolerated:.3g} above the incumbent"
            f" (evidence {e_value:.3g}, aborts at {needed:.3g})"
        ),
        e_value=e_value,
        challenger_rate=rates[0],
        incumbent_rate=rates[1],
    )


_LARGEST_EXPONENT = 700.0
"""Of what a float can hold."""


def _counts(arm: str, requests: ArrayLike, errors: ArrayLike) -> Floats:
    """Return (errors, requests) by period, shape (2, periods)."""
    whole, part = (np.atleast_1d(np.asarray(counts, dtype=np.float64)) for counts in (requests, errors))
    if whole.ndim != 1 or whole.shape != part.shape or not whole.size:
        raise CallError(
            f"the {arm} has {whole.shape} requests and {part.shape} errors, but needs one of each by period"
        )
    if not ((part >= 0) & (part <= whole) & (whole < math.inf)).all():
        raise CallError(
            f"the {arm} has {part.sum():g} errors in {whole.sum():g} requests",
            hint="errors are counted among the requests of the same period",
        )
    return np.stack([part, whole])


def _log_e_value(since: Floats, tolerated: float) -> float:
    """Mix the bets that trouble began with each period; those yet to come are worth their stake."""
    from scipy import special  # noqa: PLC0415  # a fifth of a second, which only this test needs to wait for

    (errors, fine), (their_errors, their_fine) = ((part[0], part[1] - part[0]) for part in since)
    evidence = _log_mixture(errors, fine, special) + _log_mixture(their_errors, their_fine, special)
    rate = _tolerated_rate((errors, fine), (their_errors, their_fine), tolerated)
    explained = (
        special.xlogy(errors, rate[0])
        + special.xlog1py(fine, -rate[0])
        + special.xlogy(their_errors, rate[1])
        + special.xlog1py(their_fine, -rate[1])
    )
    number = np.arange(1.0, errors.size + 1)
    stakes = np.append(-np.log(number * (number + 1)), -math.log(errors.size + 1))
    return float(special.logsumexp(np.append(evidence - explained, 0.0) + stakes))


def _log_mixture(errors: Floats, fine: Floats, special: Any) -> Floats:
    """Return the log-likelihood averaged over all rates, weighed by Jeffreys' prior."""
    result: Floats = special.betaln(errors + 0.5, fine + 0.5) - math.log(math.pi)
    return result


def _tolerated_rate(
    ours: tuple[Floats, Floats], theirs: tuple[Floats, Floats], tolerated: float
) -> tuple[Floats, Floats]:
    """Return the likeliest rates (challenger, incumbent) with challenger - incumbent <= tolerated."""
    seen = [errors / np.maximum(errors + fine, 1.0) for errors, fine in (ours, theirs)]
    inside: NDArray[np.bool_] = seen[0] - seen[1] <= tolerated
    if inside.all():
        return seen[0], seen[1]
    low, high = np.zeros(seen[0].shape), np.full(seen[0].shape, 1 - tolerated)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        moved = middle + tolerated
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = ours[0] / moved - ours[1] / (1 - moved) + theirs[0] / middle - theirs[1] / (1 - middle)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    edge = (low + high) / 2
    return np.where(inside, seen[0], edge + tolerated), np.where(inside, seen[1], edge)
