"""How often does watching cry wolf, and how surely does it see a shift? Simulated, with fresh numbers every time.

    python benchmarks/monitoring/quiet.py [--windows 10000] [--seed N]

Called by `run.py`. Twenty features are looked at in each window: numbers of several shapes, numbers that repeat, and
categories, some of which depend on each other. All windows are held against few references, as production is held
against one training: what is unlucky about a reference is unlucky in every window.
"""

from __future__ import annotations

import argparse
import json
import math
import secrets
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rung.monitoring import Limits, drifts, statistics
from rung.stats import alarms, chance_of_counts, chance_of_distance

Floats = NDArray[np.float64]

NUMBERS, REPEATED, CATEGORIES = 11, 3, 6
REFERENCE_ROWS = 4_000
REFERENCES = 20
WINDOW_ROWS = (60, 250, 1_000)
SHARES = np.array([0.45, 0.25, 0.15, 0.08, 0.05, 0.02])
LOOSE = 0.05
"""A level at which false alarms are frequent enough to be counted."""
SHIFT, SHIFTED_ROWS, REPEATS = 0.5, 1_000, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """What was raised while nothing moved."""

    windows: int
    alarms: int  # windows with one at the rate that is shipped
    evidence: int  # windows where chance alone was ruled out at that rate, however small the size
    loose: int  # windows with one at the level LOOSE, however small the size


def draw(random: np.random.Generator, rows: int) -> tuple[Floats, NDArray[np.int64]]:
    """Draw numbers, shape (features, rows), and counts of categories, shape (features, categories)."""
    common = random.normal(size=rows)
    numbers = random.normal(size=(NUMBERS, rows)) * 0.6 + common * 0.8
    numbers[1] = np.exp(numbers[1] * 1.5)
    numbers[2] = np.where(random.random(rows) < 0.3, 0.0, numbers[2])
    repeated = random.poisson(np.array([[0.3], [2.0], [6.0]]), size=(REPEATED, rows))
    return np.concatenate([numbers, repeated]), random.multinomial(rows, SHARES, size=CATEGORIES)


def quiet(windows: int, random: np.random.Generator) -> Quiet:
    """Look at windows in which nothing moved."""
    limits = Limits()
    raised = evidence = loose = 0
    for number in range(windows):
        if number % max(windows // REFERENCES, 1) == 0:
            numbers, counts = draw(random, REFERENCE_ROWS)
            reference = np.sort(numbers, axis=1)
        rows = WINDOW_ROWS[number % len(WINDOW_ROWS)]
        window, found = draw(random, rows)
        distances = [distance(one, np.sort(other)) for one, other in zip(reference, window, strict=True)]
        chances = [chance_of_distance(one, REFERENCE_ROWS, rows) for one in distances]
        chances += [chance_of_counts(one, other) for one, other in zip(counts, found, strict=True)]
        distances += [jensen_shannon(one, other) for one, other in zip(counts, found, strict=True)]
        certain = alarms(chances, limits.alpha)
        raised += any(sure and size >= limits.least for sure, size in zip(certain, distances, strict=True))
        evidence += any(certain)
        loose += any(alarms(chances, LOOSE))
    return Quiet(windows=windows, alarms=raised, evidence=evidence, loose=loose)


def distance(one: Floats, other: Floats) -> float:
    """Give the largest distance between the distribution functions of sorted numbers: more than sketches show."""
    both = np.concatenate([one, other])
    below = [np.searchsorted(each, both, side="right") / each.size for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def jensen_shannon(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Give the distance of two samples, with what chance adds to it."""
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(each > 0, each * np.log2(each / middle), 0.0).sum() / 2 for each in (p, q)]
    return math.sqrt(max(float(sum(parts)), 0.0))


def power(random: np.random.Generator) -> float:
    """Give the share of windows in which a shift of one feature, and of no other one, is an alarm; through sketches."""
    names = [f"instance.x{number}" for number in range(NUMBERS + REPEATED)]
    numbers, _ = draw(random, REFERENCE_ROWS)
    reference = statistics(pl.DataFrame(dict(zip(names, numbers, strict=True))))
    found = 0
    for _ in range(REPEATS):
        window, _ = draw(random, SHIFTED_ROWS)
        window[0] += SHIFT  # its standard deviation is 1
        now = statistics(pl.DataFrame(dict(zip(names, window, strict=True))))
        judged = drifts({"training": (reference, REFERENCE_ROWS)}, (now, SHIFTED_ROWS))
        found += [one.column for one in judged if one.is_alarm] == [names[0]]
    return found / REPEATS


def measure(windows: int = 10_000, seed: int | None = None) -> dict[str, Any]:
    """Simulate."""
    seed = secrets.randbits(32) if seed is None else seed
    random = np.random.default_rng(seed)
    found = quiet(windows, random)
    return {
        "seed": seed,
        "windows": found.windows,
        "alarms": found.alarms,
        "evidence": found.evidence,
        "loose": found.loose,
        "alpha": Limits().alpha,
        "power": power(random),
    }


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold what was measured against the bars."""
    stated = found["windows"] * found["alpha"]
    loose = found["windows"] * LOOSE
    return [
        {
            "goal": f"windows with an alarm of {found['windows']:,} quiet ones x 20 features, at one a year",
            "measured": found["alarms"],
            "bar": f"<= {stated:.2f}",
            "ok": found["alarms"] <= stated,
        },
        {
            "goal": f"the same at a level of {LOOSE:.0%}, whatever the size",
            "measured": found["loose"],
            "bar": f"<= {loose:.0f}",
            "ok": found["loose"] <= loose + 3 * math.sqrt(loose),
        },
        {
            "goal": f"power: a shift by {SHIFT} standard deviations is the only alarm after {SHIFTED_ROWS:,} requests",
            "measured": found["power"],
            "bar": ">= 0.95",
            "ok": found["power"] >= 0.95,
        },
    ]


def main() -> int:
    """Simulate, and say whether the bars were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    reached = goals(measure(options.windows, options.seed))
    print(json.dumps(reached, indent=1))
    return 0 if all(goal["ok"] for goal in reached) else 1


if __name__ == "__main__":
    sys.exit(main())
