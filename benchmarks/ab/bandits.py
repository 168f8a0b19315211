"""Measure what a bandit's shares cost, against even shares on the same arms, and how often it names a wrong winner.

    python benchmarks/ab/bandits.py [--repeats 300] [--seed N] [--output build/bench/ab.json]

Regret is what the traffic lost against the best arm, had it been known; even shares over all arms are 1. Shares are set
200 times. Without --seed every run draws fresh numbers; a short version runs in tests/property/stats.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import goals
import numpy as np
from goals import Floats, Goal

from rung.stats.bandits import best_probabilities, posterior, shares_of, within
from rung.stats.effects import FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Random = np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """Arms with their true rates, and how they are shared."""

    name: str
    rates: tuple[float, ...]
    later: tuple[float, ...] = ()  # the rates of the second half; regret is then of the second half
    units: int = 100_000
    intervals: int = 200  # between which the shares change
    floor: float = 0.01
    factor: float = 1.0  # what an interval counts less than the next
    at_most: float  # bar of the regret

    def rates_at(self, interval: int) -> Floats:
        """Return the true rates of an interval."""
        return np.array(self.later if self.later and interval >= self.intervals // 2 else self.rates)


ARMS = (
    Arms(name="three close arms", rates=(0.10, 0.11, 0.12), at_most=0.35),
    Arms(name="three clear arms", rates=(0.05, 0.10, 0.20), at_most=0.05),
    Arms(name="ten arms", rates=(0.10,) * 9 + (0.15,), at_most=0.25),
    Arms(name="the best arm fails", rates=(0.10, 0.12, 0.15), later=(0.10, 0.12, 0.06), factor=0.95, at_most=0.50),
)


def regret(arms: Arms, repeats: int, random: Random) -> Floats:
    """Return the regret of each repeat, as a ratio to that of even shares."""
    sums = np.zeros((len(FIELDS), len(arms.rates), repeats))
    lost, even = np.zeros(repeats), 0.0
    for interval in range(arms.intervals):
        rates = arms.rates_at(interval)
        shares = shares_of(best_probabilities(posterior(sums, kind="proportion", goal="maximize")), arms.floor)
        units, won = _drawn(shares, rates, arms.units // arms.intervals, random)
        sums *= arms.factor
        sums[0] += units
        sums[1] += won
        if not arms.later or interval >= arms.intervals // 2:
            behind = rates.max() - rates
            lost += behind @ units
            even += behind.mean() * (arms.units // arms.intervals)
    return lost / even


CONFIDENCE = 0.995  # as `judge_bandit` has it


def wrong_winners(rates: tuple[float, ...], minimum_effect: float, repeats: int, random: Random) -> tuple[float, float]:
    """Return how often the winner is worse than the best arm by the minimum effect or more, and the mean units.

    Shares change, and the rule is read, every 100 units.
    """
    sums = np.zeros((len(FIELDS), len(rates), repeats))
    step, burn_in = 100, 100
    wrong, units = np.zeros(repeats, dtype=bool), np.full(repeats, np.nan)
    running = np.arange(repeats)
    behind = max(rates) - np.array(rates)
    for interval in range(1_000):
        believed = posterior(sums[..., running], kind="proportion", goal="maximize")
        chances = best_probabilities(believed)
        leader = chances.argmax(axis=0)
        sure = np.take_along_axis(within(believed, minimum_effect), leader[None], axis=0)[0] >= CONFIDENCE
        ended = sure & (sums[0][:, running].min(axis=0) >= burn_in)
        wrong[running[ended]] = behind[leader[ended]] >= minimum_effect - 1e-12
        units[running[ended]] = interval * step
        running, chances = running[~ended], chances[:, ~ended]
        if not running.size:
            break
        arrived, won = _drawn(shares_of(chances, 0.05), np.array(rates), step, random)
        sums[0][:, running] += arrived
        sums[1][:, running] += won
    return float(wrong.mean()), float(np.nanmean(units))


def _drawn(shares: Floats, rates: Floats, size: int, random: Random) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the units and the successes of each arm, shapes (arms, repeats)."""
    units = random.multinomial(size, shares.T).T
    return units, random.binomial(units, np.broadcast_to(rates[:, None], units.shape))


def measure(repeats: int, random: Random) -> list[Goal]:
    """Run every set of arms, and the rule that ends a bandit."""
    found = []
    for arms in ARMS:
        ratios = regret(arms, repeats, random)
        name = f"bandit's regret against even shares, {arms.name}"
        found.append(goals.cost(name, float(ratios.mean()), goals.of_mean(ratios), at_most=arms.at_most))
    for name, rates, worth in (
        ("two arms", (0.10, 0.12), 0.02),
        ("three arms", (0.10, 0.10, 0.12), 0.02),
        ("five arms", (0.10, 0.10, 0.10, 0.10, 0.12), 0.02),
    ):
        share, units = wrong_winners(rates, worth, repeats, random)
        told = f"bandit's winner is worse than the best by the minimum effect, {name}"
        found.append(goals.rate(told, share, repeats, at_most=0.05, where=f"after {units:,.0f} units"))
    return found


def main() -> int:
    """Measure, print the table, write the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=300, help="of each set of arms")
    parser.add_argument("--seed", type=int, default=None, help="fresh unless given")
    parser.add_argument("--output", type=Path, default=goals.OUTPUT)
    options = parser.parse_args()
    seed = secrets.randbits(64) if options.seed is None else options.seed
    print(f"seed {seed}, {options.repeats} repeats")
    found = measure(options.repeats, np.random.default_rng(seed))
    facts = {"seed": seed, "repeats": options.repeats}
    return goals.report(found, facts, output=options.output, part="bandits")


if __name__ == "__main__":
    sys.exit(main())
