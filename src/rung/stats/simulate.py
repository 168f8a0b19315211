"""What an A/B test would decide on a service's own traffic: recorded outcomes are drawn again, nothing is assumed.

Called by `rung simulate-ab` before a test is declared: A/A runs show the false alarms, effects show the power.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rung.errors import CallError
from rung.stats.arms import Arm, vector
from rung.stats.effects import FIELDS, Floats, Kind, combine, effect
from rung.stats.planning import required_units
from rung.stats.proportions import wilson_interval
from rung.stats.sequential import DECISIONS, SequentialTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Simulated", "simulate"]

_NUMBERS = 2_000_000
"""Drawn at once: bounds the memory to some tens of megabytes."""

_BLOCK = 25
"""Looks that are drawn at once, at most: a test that ends among them wastes the rest."""

_LONGEST = 8
"""Fixed-horizon sizes after which a test without a limit is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What became of the repeats at one effect."""

    effect: float  # of the challenger, in minimum effects; 0 is an A/A test
    better: float  # share of the repeats
    not_better: float  # the same, without the harmful ones
    harmful: float  # the same
    undecided: float  # the same, at the limit
    better_interval: tuple[float, float]  # Wilson, 95 %, of `better`
    mean_units: float  # of both arms, at the end
    median_units: float  # the same
    p95_units: float  # the same
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON can hold them."""
        return {**asdict(self), "better_interval": list(self.better_interval)}


def simulate(
    values: ArrayLike,
    *,
    test: SequentialTest,
    units_per_look: int,
    effects: Sequence[float] = (0.0, 0.5, 1.0, 2.0),
    repeats: int = 500,
    seed: int = 0,
    denominators: ArrayLike | None = None,
    covariates: ArrayLike | None = None,
    share: float = 0.5,
    most_units: int | None = None,
) -> list[Simulated]:
    """Run the test on units drawn with replacement from recorded ones, with a known effect given to the challenger.

    The effect is the same for every unit: added to a mean, per denominator to a ratio; of a proportion some units are
    turned over. B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.

    Args:
        values: The recorded outcome of each unit, shape (units,), some hundreds at least.
        test: What to simulate.
        units_per_look: Units of both arms that arrive between two looks, at least 2.
        effects: Of the challenger, in minimum effects.
        repeats: Tests for each effect; 500 tell a rate of .05 to within .02.
        seed: The same seed gives the same figures.
        denominators: Of a ratio: those of the units, same shape.
        covariates: Of the units from before, same shape.
        share: The challenger's share of the traffic.
        most_units: Units of both arms at the deadline; without it eight times the fixed-horizon size.

    Raises:
        CallError: Nothing varies, the shapes differ, a number is out of its range, or an effect would move a proportion
            out of 0 to 1.

    >>> test = SequentialTest(minimum_effect=0.2, kind="proportion", goal="maximize")
    >>> nothing, worth = simulate([0, 1] * 200, test=test, units_per_look=10, effects=(0, 1), repeats=200)
    >>> nothing.better < 0.10, worth.better > 0.70
    (True, True)
    """
    if not (units_per_look > 1 and repeats > 0 and 0 < share < 1):
        raise CallError(
            f"{units_per_look} units per look, {repeats} repeats and a share of {share:g} simulate nothing",
            hint="use at least 2 units per look, 1 repeat, and a share between 0 and 1",
        )
    recorded = _Recorded.of(values, denominators, covariates, test.kind)
    traffic = _Traffic.of(units_per_look, share, most_units or _LONGEST * recorded.fixed_units(test, share))
    run = _Run(test=test, recorded=recorded, traffic=traffic, repeats=repeats, random=np.random.default_rng(seed))
    return [run.simulated(multiple) for multiple in effects]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """The units that are drawn from."""

    y: Floats
    x: Floats | None
    z: Floats | None
    kind: Kind

    @classmethod
    def of(
        cls, values: ArrayLike, denominators: ArrayLike | None, covariates: ArrayLike | None, kind: Kind
    ) -> _Recorded:
        y = vector("values", values, None)
        if kind == "ratio" and denominators is None:
            raise CallError("a ratio has no denominators", hint="give each unit's denominator, or use the kind mean")
        x = None if denominators is None else vector("denominators", denominators, y.size)
        z = None if covariates is None else vector("covariates", covariates, y.size)
        recorded = cls(y=y, x=x, z=z, kind=kind)
        if not recorded._variance() > 0:
            raise CallError(
                f"{y.size} recorded outcomes do not vary", hint="record outcomes first: some hundreds of units at least"
            )
        return recorded

    def _variance(self) -> float:
        """Return the variance of one unit's outcome, less what its covariate explains; 0 while nothing varies."""
        arm = Arm.of(self.y, self.x, self.z)
        error = effect(arm, arm, kind=self.kind, goal="maximize").standard_error
        return 0.0 if math.isinf(error) else error**2 * arm.units / 2

    def fixed_units(self, test: SequentialTest, share: float) -> int:
        """Return the units of both arms that a test with one look needs."""
        return required_units(
            kind="mean",
            minimum_effect=test.minimum_effect,
            variance=self._variance(),
            alpha=test.alpha,
            power=test.power,
            share=share,
        )

    def sums(self, random: np.random.Generator, shape: tuple[int, ...], shift: float) -> Floats:
        """Draw units, the last axis of shape, and return their sums, fields first."""
        rows = random.integers(self.y.size, size=shape)
        columns = {"y": self.y[rows]}
        if self.x is not None:
            columns["x"] = self.x[rows]
        if self.z is not None:
            columns["z"] = self.z[rows]
        columns["y"] = self._moved(random, columns, shift)
        sums = np.zeros((len(FIELDS), *shape[:-1]))
        sums[0] = shape[-1]
        for number, name in enumerate(FIELDS[1:], start=1):
            if all(letter in columns for letter in name):
                sums[number] = np.prod([columns[letter] for letter in name], axis=0).sum(axis=-1)
        return sums

    def _moved(self, random: np.random.Generator, columns: dict[str, Floats], shift: float) -> Floats:
        y = columns["y"]
        if not shift:
            return y
        if self.kind == "proportion":
            rate = float(self.y.mean())
            chance = shift / (1 - rate) if shift > 0 else -shift / rate
            return np.where(random.random(y.shape) < chance, float(shift > 0), y)
        return y + shift * (columns["x"] if self.kind == "ratio" else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traffic:
    """Units that arrive between two looks, and how many looks there are."""

    per_look: tuple[int, int]  # challenger, incumbent
    looks: int

    @classmethod
    def of(cls, units: int, share: float, most: int) -> _Traffic:
        ours = min(max(1, round(units * share)), units - 1)
        return cls(per_look=(ours, units - ours), looks=max(1, math.ceil(most / units)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One test, repeated."""

    test: SequentialTest
    recorded: _Recorded
    traffic: _Traffic
    repeats: int
    random: np.random.Generator

    def simulated(self, multiple: float) -> Simulated:
        """Repeat the test at one effect, in minimum effects."""
        codes, units = self.decisions(self._shift(multiple))
        shares = [float((codes == code).mean()) for code in range(len(DECISIONS))]
        better = DECISIONS.index("better")
        return Simulated(
            effect=multiple,
            better=shares[better],
            not_better=shares[DECISIONS.index("not_better")],
            harmful=shares[DECISIONS.index("harmful")],
            undecided=shares[DECISIONS.index("continue")],
            better_interval=wilson_interval(int((codes == better).sum()), self.repeats),
            mean_units=float(units.mean()),
            median_units=float(np.median(units)),
            p95_units=float(np.quantile(units, 0.95)),
            repeats=self.repeats,
        )

    def _shift(self, multiple: float) -> float:
        shift = multiple * self.test.minimum_effect * (1 if self.test.goal == "maximize" else -1)
        mean = float(self.recorded.y.mean())
        if self.recorded.kind == "proportion" and not 0 <= mean + shift <= 1:
            raise CallError(
                f"a proportion of {mean:.3g} cannot move by {shift:g}",
                hint="leave out that effect, or declare a smaller minimum effect: it is absolute",
            )
        return shift

    def decisions(self, shift: float) -> tuple[NDArray[np.int64], Floats]:
        """Return the code and the units at the end of each repeat; all that still run look at the same time."""
        per_look = sum(self.traffic.per_look)
        codes = np.zeros(self.repeats, dtype=np.int64)
        units = np.full(self.repeats, float(self.traffic.looks * per_look))
        running, total, done = np.arange(self.repeats), np.zeros((len(FIELDS), 2, 1, self.repeats, 1)), 0
        while done < self.traffic.looks and running.size:
            sums = total + np.cumsum(self._steps(running.size, self.traffic.looks - done, shift), axis=-1)
            found = self._found(sums)
            ended = (found > 0).any(axis=-1)
            at = (found > 0).argmax(axis=-1)[ended]
            codes[running[ended]] = found[ended, at]
            units[running[ended]] = (done + 1 + at) * per_look
            running, total, done = running[~ended], sums[..., ~ended, -1:], done + sums.shape[-1]
        return codes, units

    def _steps(self, running: int, left: int, shift: float) -> Floats:
        """Draw what arrives before each of the next looks, (FIELDS, 2 arms, 1 stratum, running, looks)."""
        looks = min(_BLOCK, left, max(1, _NUMBERS // (running * max(self.traffic.per_look))))
        arms = [
            self.recorded.sums(self.random, (running, looks, size), moved)
            for size, moved in zip(self.traffic.per_look, (shift, 0.0), strict=True)
        ]
        return np.stack(arms, axis=1)[:, :, None]

    def _found(self, sums: Floats) -> NDArray[np.int64]:
        estimate, information = combine(sums, kind=self.test.kind)
        sign = 1.0 if self.test.goal == "maximize" else -1.0
        tilt = self.test.tilt(information, sums)
        found = self.test.decide(sign * estimate, information, tilt=tilt)
        return np.where(self.test.is_ready(information, sums), found, 0)
