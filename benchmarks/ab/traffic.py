"""The traffic that `simulate.py` puts before the A/B test: one scenario for each way in which real units misbehave."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rung.stats import SequentialTest, required_units
from rung.stats.effects import FIELDS, Goal, Kind

Floats = NDArray[np.float64]
Random = np.random.Generator
Population = Callable[[Random, tuple[int, ...], float], tuple[Floats, Floats | None, Floats | None]]
"""(random, shape, effect in the metric's unit) -> outcomes, denominators, covariates of that shape."""

LOOKS = 400  # per fixed-horizon size
LONGEST = 8  # fixed-horizon sizes after which a test is inconclusive
RAMP = np.array([0.10, 0.25, 0.50])  # the challenger's share on the first, second, and every later day
CAP = 40.0  # of capped revenue
RETURN = 0.3  # probability that a unit comes back before the next look


class Size(NamedTuple):
    """How much to draw."""

    repeats: int
    looks: NDArray[np.int64]  # the number of each look, from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of traffic: how a step's sums are drawn, and what the test knows beforehand."""

    name: str
    kind: Kind
    minimum_effect: float  # in the metric's unit
    variance: float  # of one unit; of its linear part where the metric is a ratio
    draw: Callable[[Random, Scenario, Size, float], Floats]
    """(random, scenario, size, effect) -> sums of each step, (FIELDS, 2 arms, strata, repeats, looks)."""
    goal: Goal = "maximize"
    strata: int = 1
    block: int = 20  # looks that are drawn at once
    looks: int = LOOKS  # per fixed-horizon size
    longest: int = LONGEST  # fixed-horizon sizes
    thrift: int = 1  # divides the repeats, where units are costly to draw
    facts: dict[str, float] = field(default_factory=dict)
    population: Population | None = None

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.goal == "maximize" else -1

    @property
    def fixed_units(self) -> int:
        """Units of both arms, at the share that they end with, that a test with one look needs."""
        share = self.facts.get("share", 0.5)
        return required_units(kind=self.kind, minimum_effect=self.minimum_effect, variance=self.variance, share=share)

    @property
    def step(self) -> int:
        """Units of both arms that arrive between two looks."""
        return max(2, math.ceil(self.fixed_units / self.looks))

    @property
    def test(self) -> SequentialTest:
        """The test as the control plane makes it."""
        return SequentialTest(minimum_effect=self.minimum_effect, kind=self.kind, goal=self.goal)


def sums_of_units(y: Floats, x: Floats | None = None, z: Floats | None = None) -> Floats:
    """Return the sums over the last axis, fields first."""
    sums = np.zeros((len(FIELDS), *y.shape[:-1]))
    sums[FIELDS.index("units")] = y.shape[-1]
    columns = {"y": y, "x": x, "z": z}
    for name in FIELDS[1:]:
        factors = [columns[letter] for letter in name]
        if all(factor is not None for factor in factors):
            sums[FIELDS.index(name)] = (
                np.prod(factors, axis=0).sum(axis=-1) if len(name) > 1 else factors[0].sum(axis=-1)
            )
    return sums


def draw_rates(random: Random, scenario: Scenario, size: Size, effect: float) -> Floats:
    """Draw units with outcome 0 or 1; rates follow the day, the share ramps up, each day is a stratum."""
    repeats, looks = size
    facts, time = scenario.facts, (looks + 1) / scenario.looks  # in fixed horizons, of seven days
    rate = (
        facts["rate"]
        + facts.get("day", 0.0) * np.sin(14 * np.pi * time)
        + facts.get("trend", 0.0) * np.minimum(time, 1)
    )
    stratum = np.minimum((looks * 7 // scenario.looks), scenario.strata - 1)
    share = RAMP[np.minimum(stratum, 2)] if scenario.strata > 1 else facts.get("share", 0.5)
    challenger = random.binomial(scenario.step, share, size=(repeats, looks.size))
    units = np.stack([challenger, scenario.step - challenger])
    rates = np.stack([rate + scenario.sign * effect * scenario.minimum_effect, rate])[:, None, :]
    y = random.binomial(units, np.broadcast_to(rates, units.shape))
    sums = np.zeros((len(FIELDS), 2, scenario.strata, repeats, looks.size))
    here = np.arange(scenario.strata)[:, None, None] == stratum
    for name, part in (("units", units), ("y", y), ("yy", y), ("yyy", y)):
        sums[FIELDS.index(name)] = np.where(here, part[:, None], 0.0)
    return sums


def draw_units(random: Random, scenario: Scenario, size: Size, effect: float) -> Floats:
    """Draw units with an outcome, and a denominator or a covariate where the metric has one."""
    share = scenario.facts.get("share", 0.5)
    shift = scenario.sign * effect * scenario.minimum_effect
    arms = []
    for part, moved in ((share, shift), (1 - share, 0.0)):
        shape = size.repeats, size.looks.size, max(1, round(scenario.step * part))
        arms.append(sums_of_units(*scenario.population(random, shape, moved)))
    return np.stack(arms, axis=1)[:, :, None]


def draw_returning(random: Random, scenario: Scenario, size: Size, effect: float) -> Floats:
    """Draw units that come back: each has its own rate, and its sums grow while the test runs."""
    arriving = scenario.step // 2
    shape = size.repeats, arriving * size.looks.size
    arms = []
    for shift in (effect * scenario.minimum_effect, 0.0):
        rate = random.beta(2.0, 8.0, size=shape).astype(np.float32) + np.float32(shift)
        x, y = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        states = []
        for look in size.looks:
            seen = np.s_[:, : arriving * (look + 1)]
            came = random.random(x[seen].shape, dtype=np.float32) < RETURN
            came[:, -arriving:] = True
            x[seen] += came
            y[seen] += came & (random.random(came.shape, dtype=np.float32) < rate[seen])
            states.append(sums_of_units(y[seen], x[seen]))
        arms.append(np.diff(np.stack(states, axis=-1), axis=-1, prepend=0.0))
    return np.stack(arms, axis=1)[:, :, None]


def normal(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, None, None]:
    """Return a plain mean: sales per day, say."""
    return 10 + shift + random.standard_normal(shape), None, None


def covariate(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, None, Floats]:
    """Return a mean with a covariate from before, correlation .7."""
    before = random.standard_normal(shape)
    return 10 + shift + 0.7 * before + math.sqrt(1 - 0.49) * random.standard_normal(shape), None, before


def revenue(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, None, None]:
    """Return revenue per unit: one in five buys, for a lognormal amount; the mean is 1."""
    buys = random.random(shape) < 0.2
    y = np.zeros(shape)
    y[buys] = random.lognormal(-0.5, 1.0, size=int(buys.sum())) * 5 * (1 + shift)
    return y, None, None


def capped_revenue(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, None, None]:
    """Return the same, winsorised at its own 99.9 % quantile."""
    return np.minimum(revenue(random, shape, 0.0)[0], CAP) * (1 + shift), None, None


def latency(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, None, None]:
    """Return lognormal seconds with mean 1."""
    return random.lognormal(-0.5, 1.0, size=shape) * (1 + shift), None, None


def clicks(random: Random, shape: tuple[int, ...], shift: float) -> tuple[Floats, Floats, None]:
    """Return clicks and requests of units that differ in both."""
    requests = random.geometric(0.25, size=shape)
    rates = random.beta(2.0, 8.0, size=shape)
    return random.binomial(requests, rates + shift).astype(float), requests.astype(float), None


def variance_of_normal(shift: float) -> float:
    """Return the variance of one unit's `normal`, and of `covariate`."""
    del shift
    return 1.0


def variance_of_revenue(shift: float) -> float:
    """Return the variance of one unit's `revenue`: E y = 1 and E y^2 = 5 e, times (1 + shift)."""
    return (5 * math.e - 1) * (1 + shift) ** 2


def variance_of_capped_revenue(shift: float) -> float:
    """Return the variance of one unit's `capped_revenue`: moments of a lognormal below the cap, and the cap above."""
    normal = NormalDist()
    at = math.log(CAP / 5) + 0.5
    first, second = (
        0.2 * (5**k * math.exp(k * (k - 1) / 2) * normal.cdf(at - k) + CAP**k * (1 - normal.cdf(at))) for k in (1, 2)
    )
    return (second - first**2) * (1 + shift) ** 2


def variance_of_latency(shift: float) -> float:
    """Return the variance of one unit's `latency`: lognormal with mean 1."""
    return (math.e - 1) * (1 + shift) ** 2


def variance_of_clicks(shift: float) -> float:
    """Return the variance of one unit's clicks - rate x requests, over the mean requests squared.

    Requests are geometric (mean 4, mean square 28), rates are Beta(2, 8) + shift (mean .2, variance .16 / 11).
    """
    mean, variance = 0.2 + shift, 0.16 / 11
    return (4 * (mean - mean**2 - variance) + 28 * variance) / 16


VARIANCES: dict[Population, Callable[[float], float]] = {
    normal: variance_of_normal,
    covariate: variance_of_normal,
    revenue: variance_of_revenue,
    capped_revenue: variance_of_capped_revenue,
    latency: variance_of_latency,
    clicks: variance_of_clicks,
}
"""Exact, for the fixed horizon: a sample of these tails would be off by a percent."""


def of_rates(name: str, rate: float, minimum_effect: float, **options: Any) -> Scenario:
    """Return a scenario of units with outcome 0 or 1."""
    facts = {"rate": rate, **options.pop("facts", {})}
    sign = 1 if options.get("goal") != "minimize" else -1
    moved = rate + sign * minimum_effect
    variance = (rate * (1 - rate) + moved * (1 - moved)) / 2
    return Scenario(
        name=name,
        kind="proportion",
        minimum_effect=minimum_effect,
        variance=variance,
        draw=draw_rates,
        facts=facts,
        **options,
    )


def of_units(name: str, population: Population, minimum_effect: float, **options: Any) -> Scenario:
    """Return a scenario of units with any outcome."""
    variance = VARIANCES[population]
    sign = 1 if options.get("goal") != "minimize" else -1
    return Scenario(
        name=name,
        kind=options.pop("kind", "mean"),
        minimum_effect=minimum_effect,
        variance=(variance(0.0) + variance(sign * minimum_effect)) / 2,
        draw=options.pop("draw", draw_units),
        population=population,
        **options,
    )


def scenarios() -> list[Scenario]:
    """Return every kind of traffic that the test must stand."""
    return [
        of_rates("proportion", 0.10, 0.02),
        of_rates("small sample", 0.30, 0.10),
        of_rates("rare conversion", 0.005, 0.001),
        of_rates("rare conversion, large effect", 0.005, 0.01),
        of_rates("day effects", 0.10, 0.02, facts={"day": 0.05}),
        of_rates("ramp 10-25-50 with a trend", 0.10, 0.02, strata=8, facts={"trend": 0.10}, thrift=2),
        of_rates("rare, ramp", 0.01, 0.004, strata=8, facts={"trend": 0.01}, thrift=2),
        of_rates("rare, 10 % share, minimise", 0.01, 0.004, goal="minimize", facts={"share": 0.1}),
        of_units("mean", normal, 0.05),
        of_units("mean with CUPED", covariate, 0.05),
        of_units("revenue, heavy tail", revenue, 0.10, thrift=2),
        of_units("revenue, winsorised", capped_revenue, 0.10, thrift=2),
        of_units("latency, minimise", latency, 0.10, goal="minimize"),
        of_units("latency, 10 % share, minimise", latency, 0.10, goal="minimize", facts={"share": 0.1}),
        of_units("ratio", clicks, 0.015, kind="ratio"),
        of_units(
            "returning units", clicks, 0.05, kind="ratio", draw=draw_returning, looks=25, block=75, longest=3, thrift=10
        ),
    ]
