"""An A/B test as one object: give it each unit's outcome, read what it decides.

For programs that use nothing else of Rung; `docs/experiments-library.md` shows how. The control plane reads sums from
the lake and calls the same tests itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from rung.errors import CallError
from rung.stats._ledger import ARMS, Batch, Ledger, Totals
from rung.stats.arms import winsor_limits
from rung.stats.guardrail import Guardrail, guardrail
from rung.stats.sample_ratio import SampleRatio, stratified_sample_ratio
from rung.stats.sequential import Look, SequentialTest

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from rung.stats.arms import Stratum
    from rung.stats.effects import Goal, Kind

__all__ = ["Experiment", "Outcome"]

Outcome: TypeAlias = Literal["better", "not_better", "harmful", "invalid", "inconclusive", "continue"]

_EVEN: Mapping[str, float] = MappingProxyType({"challenger": 0.5, "incumbent": 0.5})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rail:
    margin: float
    kind: Kind
    goal: Goal
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    decision: Outcome
    because: str
    look: Look
    sample_ratio: SampleRatio
    guardrails: Mapping[str, Guardrail]


class Experiment:
    """An A/B test of one metric, with guardrails and a check of the sample ratio; may be read at any time.

    Outcomes come in batches of any size and order. **A unit counts once**, in the arm and stratum in which it was first
    seen. When it comes back, its outcomes and denominators add up (mean, ratio); of a proportion the largest counts:
    who converted once has converted. A covariate stays as it was first told. Add every unit when it is first exposed,
    with 0 while it has no outcome: the sample ratio is judged by the units that were added.

    A decision is final: what is added after it changes nothing.

    >>> test = Experiment(kind="proportion", goal="maximize", minimum_effect=0.05)
    >>> test.add("challenger", range(1000), [1.0] * 160 + [0.0] * 840)
    >>> test.add("incumbent", range(1000, 2000), [1.0] * 100 + [0.0] * 900)
    >>> test.decision
    'better'
    >>> test.because  # doctest: +ELLIPSIS
    'after 1,000 challenger and 1,000 incumbent units the challenger is better by +0.06 (standard error 0.015), ...'
    """

    def __init__(  # keyword-only: a declaration
        self,
        *,
        kind: Kind,
        goal: Goal,
        minimum_effect: float,
        alpha: float = 0.05,
        power: float = 0.80,
        shares: Mapping[str, float] = _EVEN,
        winsor: float | tuple[float, float] | None = None,
    ) -> None:
        """Declare the test.

        Args:
            kind: Of the metric: `proportion`, `mean`, or `ratio` of two totals.
            goal: `maximize` or `minimize`.
            minimum_effect: The smallest effect worth having, in the metric's unit (not relative), above 0.
            alpha: Probability to call a challenger better that is not.
            power: Probability to call one better that is so by the minimum effect.
            shares: Of the traffic, of `challenger` and `incumbent`, of any sum.
            winsor: For means: the limits that outcomes are clipped into, or the share of all outcomes (of both arms
                together) that is clipped at each end.

        Raises:
            CallError: A number is out of its range, or a share has another name.
        """
        self._test = SequentialTest(minimum_effect=minimum_effect, kind=kind, goal=goal, alpha=alpha, power=power)
        self._winsor = _checked_winsor(winsor, kind)
        self._splits = [_checked_shares(shares)]
        self._ledger = Ledger()
        self._totals = Totals(kind)
        self._rails: dict[str, tuple[_Rail, Totals]] = {}
        self._final: _Judged | None = None
        self._latest: _Judged | None = None

    def guardrail(self, name: str, *, kind: Kind, goal: Goal, margin: float, alpha: float = 0.05) -> None:
        """Declare a metric that the challenger must not worsen by more than `margin`, in the metric's unit.

        A challenger is not called better before every guardrail holds, and is harmful when one is broken.

        Raises:
            CallError: There are outcomes already, the name is taken, or a number is out of its range.
        """
        if self._ledger.cells.size:
            raise CallError(
                f"the guardrail {name!r} comes after the first outcomes", hint="declare guardrails before the data"
            )
        if name in self._rails:
            raise CallError(f"there are two guardrails named {name!r}", hint="give each a name of its own")
        SequentialTest(minimum_effect=margin, kind=kind, goal=goal, alpha=alpha)  # refuses what cannot be judged
        self._rails[name] = _Rail(margin=margin, kind=kind, goal=goal, alpha=alpha), Totals(kind)

    def split(self, shares: Mapping[str, float]) -> None:
        """Begin a stratum: units that are first seen from now on were split by these shares.

        Call it whenever the traffic split changes; with the same shares each day where the metric trends.

        Raises:
            CallError: A share is not above 0, or not of challenger and incumbent.
        """
        self._splits.append(_checked_shares(shares))

    def add(
        self,
        arm: str,
        units: Sequence[Hashable] | NDArray[np.generic],
        values: ArrayLike,
        *,
        denominators: ArrayLike | None = None,
        covariates: ArrayLike | None = None,
        guardrail: str | None = None,
    ) -> None:
        """Add outcomes of units of one arm. A batch that is refused changes nothing.

        Args:
            arm: `challenger` or `incumbent`.
            units: Who or what the traffic is split by: names or numbers, shape (n,); 1 and "1" are two units.
            values: The outcome of each, shape (n,).
            denominators: For a ratio: the denominator of each, shape (n,).
            covariates: A measurement of each from before the experiment, shape (n,): with every batch or with none.
            guardrail: The guardrail whose outcomes these are; without it they are those of the deciding metric.

        Raises:
            CallError: The shapes differ, a number is not finite or does not fit the kind, a unit is in the other arm,
                or the arm or the guardrail is not known.
        """
        if arm not in ARMS:
            raise CallError(f"there is no arm {arm!r}", hint="an arm is challenger or incumbent")
        totals = self._totals if guardrail is None else self._rail(guardrail)[1]
        if totals.kind == "ratio" and denominators is None:
            raise CallError("a ratio has no denominators", hint="give each unit's denominator, or use the kind mean")
        batch = Batch.of(units, values, denominators, covariates)
        totals.check(batch)
        if self._final is None:
            rows = self._ledger.enter(batch.units, 2 * (len(self._splits) - 1) + ARMS.index(arm))
            totals.add(rows, batch, self._ledger.cells.size)
            self._latest = None

    def close(self) -> None:
        """End the test, at its deadline say: what is not decided now is inconclusive."""
        judged = self._judged()
        if self._final is None:
            self._final = _Judged(
                decision="inconclusive",
                because=f"the test ended before it was decided: {judged.because}",
                look=judged.look,
                sample_ratio=judged.sample_ratio,
                guardrails=judged.guardrails,
            )

    @property
    def decision(self) -> Outcome:
        """What the outcomes so far say; everything but "continue" is final."""
        return self._judged().decision

    @property
    def because(self) -> str:
        """The reason of the decision: one sentence."""
        return self._judged().because

    @property
    def effect(self) -> float:
        """By how much the challenger is better, in the metric's unit; positive is better, whatever the goal."""
        return self._judged().look.effect

    @property
    def interval(self) -> tuple[float, float]:
        """An interval of the effect that is right at all looks at once; infinite before there is evidence."""
        return self._judged().look.interval

    @property
    def look(self) -> Look:
        """The deciding metric's test with all its figures."""
        return self._judged().look

    @property
    def sample_ratio(self) -> SampleRatio:
        """The evidence against the declared split."""
        return self._judged().sample_ratio

    @property
    def guardrails(self) -> Mapping[str, Guardrail]:
        """What is known about each guardrail."""
        return self._judged().guardrails

    def _rail(self, name: str) -> tuple[_Rail, Totals]:
        if name not in self._rails:
            raise CallError(f"there is no guardrail {name!r}", hint="declare it with `guardrail` before the data")
        return self._rails[name]

    def _judged(self) -> _Judged:
        if self._final is not None:
            return self._final
        if self._latest is None:
            self._latest = self._judge()
        if self._latest.decision != "continue":
            self._final = self._latest
        return self._latest

    def _judge(self) -> _Judged:
        ratio = stratified_sample_ratio(self._counts())
        look = self._test.look(self._strata(self._totals))
        rails = {
            name: guardrail(self._strata(totals), margin=rail.margin, kind=rail.kind, goal=rail.goal, alpha=rail.alpha)
            for name, (rail, totals) in self._rails.items()
        }
        decision, because = _decide(ratio, look, rails)
        return _Judged(decision=decision, because=because, look=look, sample_ratio=ratio, guardrails=rails)

    def _counts(self) -> list[tuple[dict[str, int], Mapping[str, float]]]:
        counts = np.bincount(self._ledger.cells, minlength=2 * len(self._splits)).reshape(-1, 2).tolist()
        return [(dict(zip(ARMS, pair, strict=True)), split) for pair, split in zip(counts, self._splits, strict=True)]

    def _strata(self, totals: Totals) -> list[Stratum]:
        limits = self._winsor if totals is self._totals else None
        if isinstance(limits, float):
            limits = winsor_limits(totals.values(), limits) if totals.values().size else None
        return totals.strata(self._ledger.cells, len(self._splits), limits)


def _decide(ratio: SampleRatio, look: Look, rails: Mapping[str, Guardrail]) -> tuple[Outcome, str]:
    """Decide by the sample ratio first, then by the guardrails, then by the metric."""
    if ratio.invalid:
        return "invalid", ratio.because
    for name, rail in rails.items():
        if rail.decision == "broken":
            return "harmful", f"the guardrail {name} is broken: {rail.because}"
    waiting = [name for name, rail in rails.items() if rail.decision != "holds"]
    if look.decision == "better" and waiting:
        return "continue", f"{look.because}; the guardrail {waiting[0]} is not yet shown to hold"
    return look.decision, look.because


def _checked_shares(shares: Mapping[str, float]) -> Mapping[str, float]:
    if set(shares) != set(ARMS) or not all(share > 0 and math.isfinite(share) for share in shares.values()):
        raise CallError(
            f"the shares are {dict(shares)}, but must be numbers above 0 for challenger and incumbent",
            hint="for more than two arms use a bandit",
        )
    return MappingProxyType(dict(shares))


def _checked_winsor(winsor: float | tuple[float, float] | None, kind: Kind) -> float | tuple[float, float] | None:
    if winsor is None:
        return None
    if kind != "mean":
        raise CallError(f"the outcomes of a {kind} cannot be winsorised", hint="only those of a mean can be extreme")
    if isinstance(winsor, tuple):
        low, high = winsor
        if not low < high:
            raise CallError(f"the limits {winsor} are not in order", hint="give (low, high)")
        return float(low), float(high)
    if not 0 < winsor < 0.5:  # noqa: PLR2004  # half at each end leaves nothing
        raise CallError(f"the share {winsor} to clip at each end must be above 0 and below 0.5")
    return float(winsor)
