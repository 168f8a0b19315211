"""How good answers probably are before any truth has come: estimated from held-out rows, where the truth is known.

Two ways. A classifier that tells how sure it is: its confidence, calibrated on held-out rows, is how often it is right
(confidence-based estimation). Everything else: a model of the score itself, from what was asked and answered. Both are
fitted in groups, so that each held-out row is foretold by models that never saw it; how well they do that is the check
whether an estimate may be believed, and its honest error.

What no estimate can see: the world may answer the same question differently than it did. So an estimate is held against
what is measured as soon as that comes. Called by `rung.monitoring`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from rung.errors import CallError
from rung.stats._additive import Additive
from rung.stats.arms import vector
from rung.stats.gate import groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from rung.stats.effects import Floats

    Rows: TypeAlias = Mapping[str, NDArray[Any]]
    """Columns of equal length: numbers, nan where there is none, or texts, empty where there is none."""

__all__ = ["Estimate", "Estimator", "confidence_estimator", "score_estimator"]

_FEWEST = 100
"""Held-out rows."""
_GROUPS = 10
_NORMAL_95 = 1.96
_CHECKED = 5
"""Groups of held-out rows, by what was foretold, that are held against their scores."""
_CHANCE = 0.01
"""Probability that a right model fails the check."""
_MISSED = 0.25
"""By which part of the difference between the lowest and the highest fifth a fifth may be off."""
_TINY = 1e-300
_OUTSIDE = 0.1
"""Share of rows unlike all held-out ones, from which on nothing is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The mean score that some rows will probably get."""

    value: float  # in the score's unit; nan without rows
    interval: tuple[float, float]  # in which the mean over these rows will be, 95 %
    rows: int
    holds: bool  # the check was passed, and the rows are like the held-out ones
    because: str  # one sentence: why it holds, or why not


class _Model(Protocol):
    """What was learnt from the held-out rows but one group."""

    def __call__(self, rows: Rows) -> Floats:
        """Foretell the score of each row."""


class _Learner(Protocol):
    """Learns scores from the held-out rows."""

    def without(self, group: int) -> _Model:
        """Learn from all rows but those of a group."""

    def outside(self, rows: Rows) -> tuple[float, str]:
        """Tell which share of the rows is unlike all held-out ones, and the column that shows it most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """Foretells the mean score of rows whose truth is not known yet."""

    models: tuple[_Model, ...]  # each learnt without one group of the held-out rows
    columns: tuple[str, ...]  # that it takes
    outside: Callable[[Rows], tuple[float, str]]
    variance: float  # of a score around what was foretold for it
    misfit: float  # mean square of what it is off by beyond chance, where rows score low or high
    rows: int  # held out
    mean: float  # score of the held-out rows
    holds: bool  # the check on the held-out rows was passed
    because: str  # one sentence

    def estimate(self, rows: Rows, *, independent: float | None = None) -> Estimate:
        """Estimate the mean score of some rows.

        Args:
            rows: The columns that the estimator was made with; others are not looked at.
            independent: How many independent rows they stand for: requests, say, where a request has several.
        """
        count = min((len(column) for column in rows.values()), default=0)
        if not count:
            return Estimate(value=math.nan, interval=(math.nan, math.nan), rows=0, holds=False, because="no rows")
        means = np.array([model(rows).mean() for model in self.models])
        spread = float(((means - means.mean()) ** 2).sum()) * (len(means) - 1) / len(means)
        error = _NORMAL_95 * math.sqrt(spread + self.misfit + self.variance / min(independent or count, count))
        share, column = self.outside(rows)
        is_like = share <= _OUTSIDE
        told = f"{share:.0%} of the rows are unlike all held-out ones, by {column}: what holds there is not known"
        value = float(means.mean())
        return Estimate(
            value=value,
            interval=(value - error, value + error),
            rows=count,
            holds=self.holds and is_like,
            because=self.because if is_like else told,
        )


def confidence_estimator(confidence: ArrayLike, correct: ArrayLike) -> Estimator:
    """Make an estimator of accuracy from how sure a classifier was, in the column `confidence`.

    Isotonic calibration (B. Zadrozny, C. Elkan, 2002), cross-fitted. Accuracy is the mean of the calibrated confidence
    (S. Garg et al., "Leveraging unlabeled data to predict out-of-distribution performance", 2022, call it average
    confidence).

    Args:
        confidence: Probability of the class that was answered, of each held-out row, shape (rows,).
        correct: 1 where that class was the true one, else 0, shape (rows,).

    Raises:
        CallError: There are fewer than 100 rows, or not one number of each for each.
    """
    scores = vector("correct", correct, None)
    sure = vector("confidence", confidence, scores.size)
    members = _members(scores)
    return _estimator(_Isotonic(sure, scores, members), {"confidence": sure}, scores, members)


def score_estimator(rows: Rows, scores: ArrayLike) -> Estimator:
    """Make an estimator of any score from what was asked and answered.

    An additive model of binned columns with a ridge penalty, which is chosen by what it foretells of rows that it has
    not seen; numbers beyond the held-out ones count as outermost, and are told.

    Args:
        rows: The held-out rows, by column: fields of instances and of predictions.
        scores: What each got: its absolute error, or whether it was right.

    Raises:
        CallError: There are fewer than 100 rows, or columns of other lengths.
    """
    values = vector("scores", scores, None)
    members = _members(values)
    if not rows or any(len(column) != values.size for column in rows.values()):
        raise CallError(f"{values.size} scores need columns of as many rows")
    return _estimator(Additive(rows, values, members), rows, values, members)


def _members(scores: Floats) -> NDArray[np.int64]:
    if scores.size < _FEWEST:
        raise CallError(
            f"{scores.size} held-out rows are too few to estimate from", hint=f"hold out {_FEWEST} at least"
        )
    return np.asarray(groups(scores.size, _GROUPS), dtype=np.int64)


def _estimator(learner: _Learner, rows: Rows, scores: Floats, members: NDArray[np.int64]) -> Estimator:
    models = tuple(learner.without(group) for group in range(_GROUPS))
    foretold = np.empty(scores.size)
    for group, model in enumerate(models):
        own = members == group
        foretold[own] = model({name: column[own] for name, column in rows.items()})
    holds, because, misfit = _check(foretold, scores)
    return Estimator(
        models=models,
        columns=tuple(rows),
        outside=learner.outside,
        variance=float(((scores - foretold) ** 2).mean()),
        misfit=misfit,
        rows=scores.size,
        mean=float(scores.mean()),
        holds=holds,
        because=because,
    )


def _check(foretold: Floats, scores: Floats) -> tuple[bool, str, float]:
    """Hold what was foretold of rows that were not seen against what they got, from the lowest to the highest.

    The chi-square test of D. Hosmer and S. Lemeshow, 1980, on means. No model is quite right, so that what more rows
    would always find is no failure while it is small beside what is told apart; it makes the interval wider.

    Returns:
        Whether it holds, a sentence, and the mean square of what it is off by beyond chance.
    """
    from scipy import special  # noqa: PLC0415  # a fifth of a second, which only this check needs to wait for

    explained = 1 - float(((scores - foretold) ** 2).sum()) / max(float(((scores - scores.mean()) ** 2).sum()), _TINY)
    if explained <= 0:
        told = f"nothing that is known of the {scores.size:,} held-out rows tells which of them score better"
        return False, told, 0.0
    parts = np.array_split(np.argsort(foretold, kind="stable"), _CHECKED)
    misses = np.array([(scores[part] - foretold[part]).mean() for part in parts])
    errors = np.array([max((scores[part] - foretold[part]).var() / part.size, _TINY) for part in parts])
    chance = float(special.gammaincc(_CHECKED / 2, float((misses**2 / errors).sum()) / 2))
    worst, apart = float(np.abs(misses).max()), float(foretold[parts[-1]].mean() - foretold[parts[0]].mean())
    misfit = max(float((misses**2 - errors).mean()), 0.0)
    if chance < _CHANCE and worst > _MISSED * apart:
        return False, f"held-out rows that it had not seen were foretold wrongly, by up to {worst:.3g}", misfit
    return True, f"it foretold {scores.size:,} held-out rows that it had not seen, to within {worst:.3g}", misfit


class _Isotonic:
    def __init__(self, sure: Floats, scores: Floats, members: NDArray[np.int64]) -> None:
        self._sure, self._scores, self._members = sure, scores, members
        self._low, self._high = float(sure.min()), float(sure.max())

    def without(self, group: int) -> _Model:
        from scipy import optimize  # noqa: PLC0415  # a fifth of a second, which only this model needs to wait for

        kept = self._members != group
        places, inverse = np.unique(self._sure[kept], return_inverse=True)
        weights = np.bincount(inverse).astype(np.float64)
        means = np.bincount(inverse, self._scores[kept]) / weights
        heights = optimize.isotonic_regression(means, weights=weights).x

        def model(rows: Rows) -> Floats:
            found: Floats = np.interp(rows["confidence"], places, heights)
            return found

        return model

    def outside(self, rows: Rows) -> tuple[float, str]:
        sure = rows["confidence"]
        return float(((sure < self._low) | (sure > self._high)).mean()), "confidence"
