"""What another way of splitting the traffic would have earned, from the log of the split that was in force.

Every logged row has the arm that answered, the probability with which it was chosen (its propensity), and the reward.
Called by whoever compares policies after the fact; nothing is randomised anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from rung.errors import CallError
from rung.stats.arms import vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from rung.stats.effects import Floats

__all__ = ["PolicyValue", "doubly_robust", "inverse_propensity", "self_normalised"]

PerArm: TypeAlias = "Mapping[str, ArrayLike]"
"""For each arm one number, or one for each row."""

_ROUNDING = 1e-6
"""By which probabilities may miss a sum of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """What a policy earns per row, in the reward's unit."""

    value: float
    standard_error: float
    effective_rows: float  # rows that would tell as much, had they been logged under the policy itself
    rows: int


def inverse_propensity(
    arms: ArrayLike, propensities: ArrayLike, rewards: ArrayLike, *, policy: PerArm, units: ArrayLike | None = None
) -> PolicyValue:
    """Weigh each reward by how much more often the policy would have chosen its arm: unbiased, and noisy.

    D. Horvitz, D. Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952.

    Args:
        arms: The arm that answered each row, shape (rows,).
        propensities: The probability with which it was chosen, above 0 and at most 1, shape (rows,).
        rewards: What came of it, shape (rows,).
        policy: For each arm the probability that the policy gives it: one number, or one per row.
        units: The unit of each row, shape (rows,): rows of one unit are not independent. Without it all rows are.

    Raises:
        CallError: Shapes differ, a propensity is not in (0, 1], the policy's probabilities do not sum to 1, an arm has
            no probability, or the policy chooses an arm of which the log has no row.

    >>> found = inverse_propensity(["a", "a", "b"], [0.5, 0.5, 0.5], [1, 0, 1], policy={"a": 0.0, "b": 1.0})
    >>> round(found.value, 3)
    0.667
    """
    log = _Log.of(arms, propensities, rewards, units)
    weights = log.weights(policy, supported=True)
    return log.valued(weights, weights * log.rewards)


def self_normalised(
    arms: ArrayLike, propensities: ArrayLike, rewards: ArrayLike, *, policy: PerArm, units: ArrayLike | None = None
) -> PolicyValue:
    """Weigh as `inverse_propensity`, and divide by the weights' sum: a little bias for much less noise.

    J. Hájek, 1971; A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning", NIPS 2015.
    The standard error is that of a ratio (delta method). Arguments and errors as `inverse_propensity`.

    >>> self_normalised(["a", "a", "b"], [0.5, 0.5, 0.5], [1, 0, 1], policy={"a": 0.0, "b": 1.0}).value
    1.0
    """
    log = _Log.of(arms, propensities, rewards, units)
    weights = log.weights(policy, supported=True)
    if not weights.any():
        raise CallError("the policy never chooses what was logged", hint="its probabilities are all 0 on these rows")
    value = float(weights @ log.rewards / weights.sum())
    return log.valued(weights, value + weights * (log.rewards - value) / weights.mean())


def doubly_robust(  # the log, a policy and a model
    arms: ArrayLike,
    propensities: ArrayLike,
    rewards: ArrayLike,
    *,
    policy: PerArm,
    predicted: PerArm,
    units: ArrayLike | None = None,
) -> PolicyValue:
    """Take a model's rewards for every arm, and correct them by what was logged.

    Right when either the propensities or the predictions are right, and the better they predict, the less noise.
    M. Dudík, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML 2011. An arm that was never
    logged is judged by the predictions alone.

    Args:
        arms: As `inverse_propensity`.
        propensities: As `inverse_propensity`.
        rewards: As `inverse_propensity`.
        policy: As `inverse_propensity`.
        predicted: For each arm the predicted reward: one number, or one per row. From other rows than these: a model
            that saw the rewards it corrects for claims too small an error.
        units: As `inverse_propensity`.

    Raises:
        CallError: As `inverse_propensity`, or an arm has no predicted reward.

    >>> model = {"a": 0.4, "b": 0.9}
    >>> policy = {"a": 0.0, "b": 1.0}
    >>> found = doubly_robust(["a", "a", "b"], [0.5, 0.5, 0.5], [1, 0, 1], policy=policy, predicted=model)
    >>> round(found.value, 3)
    0.967
    """
    log = _Log.of(arms, propensities, rewards, units)
    weights = log.weights(policy, supported=False)
    names = sorted(policy)
    if missing := sorted(set(names) - set(predicted)):
        raise CallError(f"the arm {missing[0]!r} has no predicted reward", hint="predict a reward for every arm")
    rewarded = log.table("predicted rewards", predicted, names)
    baseline = (log.table("policy", policy, names) * rewarded).sum(axis=0)
    residuals = log.rewards - rewarded[log.chosen(names), np.arange(log.rewards.size)]
    return log.valued(weights, baseline + weights * residuals)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """A checked log; every array has one entry per row."""

    arms: NDArray[np.str_]
    propensities: Floats
    rewards: Floats
    units: NDArray[np.int64]

    @classmethod
    def of(cls, arms: ArrayLike, propensities: ArrayLike, rewards: ArrayLike, units: ArrayLike | None) -> _Log:
        names = np.asarray(arms).astype(np.str_)
        rewarded = vector("rewards", rewards, None)
        chances = vector("propensities", propensities, rewarded.size)
        whose = np.arange(rewarded.size) if units is None else np.asarray(units)
        if names.shape != rewarded.shape or whose.shape != rewarded.shape:
            raise CallError(
                f"there are {names.shape} arms and {whose.shape} units for {rewarded.size} rewards",
                hint="each row has one arm, one unit and one reward",
            )
        if rewarded.size < 2:  # noqa: PLR2004  # a variance needs two
            raise CallError(f"a log of {rewarded.size} rows says nothing", hint="it needs at least 2 rows")
        if not ((chances > 0) & (chances <= 1)).all():
            wrong = float(chances[~((chances > 0) & (chances <= 1))][0])
            raise CallError(
                f"a propensity is {wrong:g}, but must be above 0 and at most 1",
                hint="log the probability with which the arm was chosen; an arm that cannot be chosen has no rows",
            )
        numbered = np.unique(whose, return_inverse=True)[1]
        return cls(arms=names, propensities=chances, rewards=rewarded, units=numbered)

    def chosen(self, names: list[str]) -> NDArray[np.int64]:
        """Return the number of each row's arm among sorted names that include it."""
        return np.searchsorted(np.array(names, dtype=np.str_), self.arms)

    def table(self, what: str, per_arm: PerArm, names: list[str]) -> Floats:
        """Return what each arm has in each row, shape (arms, rows)."""
        rows = self.rewards.size
        columns = [np.asarray(per_arm[name], dtype=np.float64) for name in names]
        return np.stack(
            [
                vector(f"{what} of {name}", np.broadcast_to(c, rows) if c.ndim == 0 else c, rows)
                for name, c in zip(names, columns, strict=True)
            ]
        )

    def weights(self, policy: PerArm, *, supported: bool) -> Floats:
        """Return how much more often the policy would have chosen each row's arm."""
        names, logged = sorted(policy), set(np.unique(self.arms).tolist())
        if missing := sorted(logged - set(names)):
            raise CallError(f"the policy does not say how often it chooses {missing[0]!r}", hint="0 is an answer")
        chances = self.table("policy", policy, names)
        if (chances < 0).any() or (np.abs(chances.sum(axis=0) - 1) > _ROUNDING).any():
            raise CallError("the policy's probabilities must be at least 0 and sum to 1 over the arms, in each row")
        unseen = [name for name, row in zip(names, chances, strict=True) if name not in logged and row.any()]
        if supported and unseen:
            raise CallError(
                f"the policy chooses {unseen[0]!r}, of which the log has no row",
                hint="nothing is known of it; give it probability 0, or predictions to `doubly_robust`",
            )
        weights: Floats = chances[self.chosen(names), np.arange(self.rewards.size)] / self.propensities
        return weights

    def valued(self, weights: Floats, scores: Floats) -> PolicyValue:
        """Return the mean of the rows' scores; what a unit's rows have in common counts once in the error."""
        value = float(scores.mean())
        per_unit = np.bincount(self.units, weights=scores - value)
        count = per_unit.size
        spread = float(per_unit @ per_unit) * count / max(count - 1, 1)
        squares = float(weights @ weights)
        return PolicyValue(
            value=value,
            standard_error=math.sqrt(spread) / scores.size if count > 1 else math.inf,
            effective_rows=float(weights.sum()) ** 2 / squares
            if squares > 0
            else 0.0,  # L. Kish, "Survey Sampling", 1965
            rows=int(scores.size),
        )
